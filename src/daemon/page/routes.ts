/** The page on the health port: its files and the status document that it shows. */
import { readFile } from 'node:fs/promises';
import { PEER_COLUMNS } from '../../report/peers.js';
import { jsonAnswer, type Answer, type Routes } from '../http-server.js';
import { redact } from '../redact.js';
import type { StatusDocument } from '../status.js';
import { PAGE_HTML } from './document.js';
import { PAGE_CSS, PAGE_ICON } from './style.js';

/** The page's program, below `dist/web`: `main.js` and all that it imports. */
export const PAGE_MODULES = [
  'page/main.js',
  'page/agent.js',
  'page/elements.js',
  'page/keyed-table.js',
  'page/view.js',
  'report/ages.js',
  'report/facts.js',
  'report/figures.js',
  'report/peers.js',
  'report/verdict.js',
  'daemon/duration.js',
] as const;

/** Nothing but what this port serves, in no frame, and nothing is sent anywhere (CSP level 3). */
const SECURITY = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** However many look on, the document is made once in so long a time. */
const FRESH_MS = 1_000;

export interface PageParts {
  readonly status: () => StatusDocument;
  /** A steady clock, in milliseconds. */
  readonly now: () => number;
  /** Where the compiled modules are, with a slash at its end. */
  readonly directory?: URL;
}

/**
 * `/` and its files, and `/status.json`: the status document, in which an admin's own text is freed from secrets, for all
 * who reach the port.
 */
export function pageRoutes({ status, now, directory = WEB }: PageParts): Routes {
  const titles = PEER_COLUMNS.map(title => `<th scope="col">${title}</th>`).join('');
  const modules = PAGE_MODULES.map(path => [
    `/${path}`,
    async () => answer('text/javascript', await readFile(new URL(path, directory), 'utf8')),
  ]);
  return {
    '/': () => answer('text/html', PAGE_HTML.replace('PEER_TITLES', titles)),
    '/page/page.css': () => answer('text/css', PAGE_CSS),
    '/page/icon.svg': () => answer('image/svg+xml', PAGE_ICON),
    ...(Object.fromEntries(modules) as Routes),
    '/status.json': onceIn(FRESH_MS, now, () => ({
      ...jsonAnswer(200, withoutSecrets(status())),
      headers: SECURITY,
    })),
  };
}

/** Beside the directory of the command, which all of this is bundled into. */
const WEB = new URL('../web/', import.meta.url);

function answer(type: string, body: string): Answer {
  return { code: 200, type: `${type}; charset=utf-8`, body, headers: SECURITY };
}

/** The bytes are shared by all that are still reading them. */
function onceIn(milliseconds: number, now: () => number, make: () => Answer): () => Answer {
  let made: { readonly at: number; readonly answer: Answer } | undefined;
  return () => {
    if (made === undefined || now() - made.at >= milliseconds) {
      const fresh = make();
      made = { at: now(), answer: { ...fresh, body: Buffer.from(fresh.body) } };
    }
    return made.answer;
  };
}

/** The config is written by an admin, who may have put anything into it; faults and notes repeat parts of it. */
function withoutSecrets(status: StatusDocument): StatusDocument {
  const { config } = status;
  return {
    ...status,
    config: {
      ...config,
      faults: config.faults.map(line => redact(line)),
      notes: config.notes.map(line => redact(line)),
      running: config.running === null ? null : redact(config.running),
    },
  };
}

/** Reads etcd as the agent would, and looks at its servers. Effects; nothing is written. */
import { readFile } from 'node:fs/promises';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import { pino } from 'pino';
import { openStore } from '../../daemon/open-store.js';
import { OperatorError } from '../../daemon/operator-error.js';
import type { EtcdOptions } from '../../daemon/options.js';
import { StoreError, type Store } from '../../subnet/store.js';
import type { EtcdFact, EtcdServer } from '../facts.js';

/** Of one call; a frozen endpoint is asked twice at most. */
const CALL_MS = 2_500;
/** Of what an endpoint answers by HTTP; `/version` has about 50. */
const MOST_CHARACTERS = 10_000;

/** @throws Error when a credential file is not for us to read */
export async function readEtcd(options: EtcdOptions): Promise<EtcdFact> {
  let store: Store | undefined;
  try {
    store = await openStore(options, pino({ level: 'silent' }), { requestTimeoutMs: CALL_MS });
    const { entries } = await store.list(`${options.prefix}/`, new AbortController().signal);
    return { kind: 'read', entries };
  } catch (error) {
    if (error instanceof StoreError) return { kind: 'failed', error };
    if (!(error instanceof OperatorError) || /EACCES|EPERM/.test(error.message)) throw error;
    return { kind: 'unusable', fault: error.message };
  } finally {
    store?.close();
  }
}

/** Asks every endpoint for its version and, by the way, the time. */
export async function readEtcdServers(options: EtcdOptions, now: () => number): Promise<EtcdServer[]> {
  return Promise.all(options.endpoints.map(url => askServer(url, options, now)));
}

async function askServer(url: string, options: EtcdOptions, now: () => number): Promise<EtcdServer> {
  const before = now();
  try {
    const { headers, text } = await get(`${url}/version`, await secretsOf(options));
    const { etcdserver } = JSON.parse(text) as { etcdserver?: unknown };
    return {
      url,
      version: typeof etcdserver === 'string' ? etcdserver : undefined,
      aheadMs: aheadOf(headers.date, before, now()),
    };
  } catch {
    return { url, version: undefined, aheadMs: undefined };
  }
}

/**
 * How far a server's clock is ahead. HTTP tells whole seconds, cut off (RFC 9110, 5.6.7), so that it is half a second later on
 * average.
 */
function aheadOf(date: string | undefined, before: number, after: number): number | undefined {
  const time = Date.parse(date ?? '');
  return Number.isNaN(time) ? undefined : Math.round(time + 500 - (before + after) / 2);
}

async function secretsOf({ caFile, certFile, keyFile }: EtcdOptions) {
  const read = async (path: string | undefined) => (path === undefined ? undefined : readFile(path));
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(read));
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function get(
  url: string,
  secrets: object,
): Promise<{ readonly headers: IncomingMessage['headers']; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_MS);
    const onAnswer = (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MOST_CHARACTERS) response.destroy(new Error('the answer is too long'));
      });
      response.on('error', reject).on('end', () => resolve({ headers: response.headers, text }));
    };
    // A wrong clock makes certificates look wrong, and nothing is told that matters: what is wrong with TLS is found elsewhere.
    const call = url.startsWith('https:')
      ? getSecure(url, { ...secrets, signal, agent: false, rejectUnauthorized: false }, onAnswer)
      : getPlain(url, { signal, agent: false }, onAnswer);
    call.on('error', reject);
  });
}

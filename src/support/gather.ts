/** All files of a support archive, cleaned. Effects. */
import { readdir } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join, relative } from 'node:path';
import { readFileIfPresent } from '../daemon/files.js';
import type { Environment } from '../daemon/options-given.js';
import { redact } from '../daemon/redact.js';
import { readUnitEnvironment, UNIT_ENVIRONMENT_FILES } from '../daemon/unit-environment.js';
import { VERSION } from '../daemon/version.js';
import type { ArchivedFile } from './archive.js';
import { collect, type CollectParts } from './collect.js';
import { formatIndex } from './index-text.js';
import { supportPieces } from './pieces.js';
import { secretsIn } from './variables.js';

const DEFAULT_STATE_DIR = '/var/lib/selvedge';

export interface GatherOptions extends Pick<CollectParts, 'root' | 'findProgram' | 'selvedge'> {
  /** Of this process. */
  readonly environment: Environment;
  /** Options of `selvedge status` that say which agent. */
  readonly choice: readonly string[];
  readonly now: Date;
  readonly host: string;
}

/** @returns `index.txt` first, then what could be had */
export async function gatherFiles(options: GatherOptions): Promise<readonly ArchivedFile[]> {
  const { root, findProgram, selvedge, choice, now, host } = options;
  const unitFiles = UNIT_ENVIRONMENT_FILES.map(file => join(root, file));
  const { variables } = await readUnitEnvironment(unitFiles);
  const environment = { ...variables, ...options.environment };
  const secrets = await readSecrets(root, environment);
  const stateDir = environment.SELVEDGE_STATE_DIR ?? DEFAULT_STATE_DIR;
  const clean = (text: string) => redact(text, secrets);
  const collected = await collect(supportPieces(choice, await listFiles(root, stateDir)), {
    ...{ root, findProgram, selvedge, clean },
    environment: { ...environment, NO_COLOR: '1' },
  });
  const facts = [
    `selvedge ${VERSION}, Node ${process.version}, Linux ${release()} ${arch()}, host ${host}`,
    `taken at ${now.toISOString()} by user ${process.getuid?.() ?? '?'}`,
  ];
  const index = { name: 'index.txt', text: clean(formatIndex(facts, collected)) };
  return [index, ...collected.flatMap(({ name, text }) => (text === undefined ? [] : { name, text }))];
}

async function readSecrets(root: string, environment: Environment): Promise<readonly string[]> {
  const given = Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const { values, files } = secretsIn(new Map(given));
  const texts = await Promise.all(
    files.map(file => readFileIfPresent(join(root, file)).catch(() => undefined)),
  );
  return [...values, ...texts.flatMap(text => text?.trim() ?? [])];
}

/** Regular files below a directory; none where there is no such directory or it is not for us to read. */
async function listFiles(root: string, directory: string): Promise<string[]> {
  const options = { recursive: true, withFileTypes: true } as const;
  const entries = await readdir(join(root, directory), options).catch(() => []);
  return entries
    .filter(entry => entry.isFile())
    .map(entry => `/${relative(root, join(entry.parentPath, entry.name))}`);
}

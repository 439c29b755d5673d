/** All files of a support archive, cleaned. Effects. */
import { readdir } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { join, relative } from 'node:path';
import { readFileIfPresent } from '../daemon/files.js';
import type { Environment } from '../daemon/options-given.js';
import { parseAssignments } from '../daemon/subnet-env.js';
import { redact } from '../daemon/redact.js';
import { readUnitEnvironment, UNIT_ENVIRONMENT_FILES } from '../daemon/unit-environment.js';
import { VERSION } from '../daemon/version.js';
import type { ArchivedFile } from './archive.js';
import { collect, type CollectParts } from './collect.js';
import { formatIndex } from './index-text.js';
import { supportPieces } from './pieces.js';
import { secretsIn } from './variables.js';

export interface GatherOptions extends Pick<CollectParts, 'root' | 'findProgram' | 'selvedge'> {
  /** Of this process. */
  readonly environment: Environment;
  /** The agent's. */
  readonly stateDir: string;
  /** Options of `selvedge status` that say which agent. */
  readonly choice: readonly string[];
  readonly now: Date;
  readonly host: string;
}

/** @returns `index.txt` first, then what could be had */
export async function gatherFiles(options: GatherOptions): Promise<readonly ArchivedFile[]> {
  const { root, findProgram, selvedge, stateDir, choice, now, host } = options;
  const unitFiles = UNIT_ENVIRONMENT_FILES.map(file => join(root, file));
  const { variables } = await readUnitEnvironment(unitFiles);
  const secrets = await readSecrets(root, [
    variables,
    ...(await Promise.all(unitFiles.map(readLeniently))),
    options.environment,
  ]);
  const clean = (text: string) => redact(text, secrets);
  const collected = await collect(supportPieces(choice, await listFiles(root, stateDir)), {
    ...{ root, findProgram, selvedge, clean },
    // They read the files of the unit themselves: its variables as their own would be stronger than its command line.
    environment: { ...options.environment, NO_COLOR: '1' },
  });
  const facts = [
    `selvedge ${VERSION}, Node ${process.version}, Linux ${release()} ${arch()}, host ${host}`,
    `taken at ${now.toISOString()} by user ${process.getuid?.() ?? '?'}`,
  ];
  const index = { name: 'index.txt', text: clean(formatIndex(facts, collected)) };
  return [index, ...collected.flatMap(({ name, text }) => (text === undefined ? [] : { name, text }))];
}

/** Also what systemd passes over, such as lines with `export`: a secret it is all the same. */
async function readLeniently(file: string): Promise<Environment> {
  return Object.fromEntries(parseAssignments((await readFileIfPresent(file).catch(() => undefined)) ?? ''));
}

/** Of every environment, also of variables that another one hides. */
async function readSecrets(root: string, environments: readonly Environment[]): Promise<readonly string[]> {
  const all = environments.map(environment =>
    secretsIn(
      new Map(Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined)),
    ),
  );
  const texts = await Promise.all(
    all.flatMap(({ files }) => files).map(file => readFileIfPresent(join(root, file)).catch(() => undefined)),
  );
  return [...all.flatMap(({ values }) => values), ...texts.flatMap(text => text?.trim() ?? [])];
}

/** Regular files below a directory; none where there is no such directory or it is not for us to read. */
async function listFiles(root: string, directory: string): Promise<string[]> {
  const options = { recursive: true, withFileTypes: true } as const;
  const entries = await readdir(join(root, directory), options).catch(() => []);
  return entries
    .filter(entry => entry.isFile())
    .map(entry => `/${relative(root, join(entry.parentPath, entry.name))}`);
}

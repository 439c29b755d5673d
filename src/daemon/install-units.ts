/** Puts the files of the service in place. Effects. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readFileIfPresent, writeFileAtomically } from './files.js';
import { OperatorError } from './operator-error.js';
import {
  DOCKER_OPTIONS_FILE,
  findContradictions,
  findExecStart,
  formatDockerOptionsFile,
  isSealed,
  seal,
  UNIT_FILES,
} from './unit-files.js';

export interface InstallOptions {
  /** Directory that stands for `/`. */
  readonly root: string;
  /** Say what would be written and write nothing. */
  readonly dryRun: boolean;
}

/** What became of one file. `kept`: somebody has changed it, and ours is beside it. */
export interface Installed {
  readonly path: string;
  readonly result: 'written' | 'unchanged' | 'kept';
}

export interface Installation {
  readonly files: readonly Installed[];
  /** What the operator should know, a line each. */
  readonly notes: readonly string[];
}

/** Beside a file that was changed; no program reads names that end like this. */
const BESIDE = '.selvedge-new';
const DOCKER_JSON = '/etc/docker/daemon.json';

/**
 * Writes every file that is missing, or that is still as an earlier installation left it. One that somebody has changed
 * stays, and the new one is put beside it.
 * @throws OperatorError when the package lacks its files, Error when one cannot be read or written
 */
export async function installUnits(options: InstallOptions): Promise<Installation> {
  const directory = findPackage();
  const files: Installed[] = [];
  for (const [source, target] of UNIT_FILES) {
    const text = await readFileIfPresent(join(directory, source));
    if (text === undefined)
      throw new OperatorError(`the package lacks ${join(directory, source)}: install it again`);
    files.push(await install(target, text, options));
  }
  const notes: string[] = [];
  const execStart = await readDockerCommand(options.root);
  if (execStart === undefined) {
    notes.push('docker.service is not there: run this again once Docker is installed');
  } else {
    const text = formatDockerOptionsFile(execStart);
    if (text !== undefined) files.push(await install(DOCKER_OPTIONS_FILE, text, options));
  }
  const json = (await readFileIfPresent(join(options.root, DOCKER_JSON))) ?? '';
  for (const name of findContradictions(json))
    notes.push(
      `${DOCKER_JSON} gives "${name}", which Docker takes from the agent: remove it there, or Docker will not start`,
    );
  return { files, notes };
}

async function install(path: string, text: string, { root, dryRun }: InstallOptions): Promise<Installed> {
  const place = join(root, path);
  const wanted = seal(text);
  const present = await readFileIfPresent(place);
  if (present === wanted) return { path, result: 'unchanged' };
  const isTheirs = present !== undefined && !isSealed(present);
  if (!dryRun) await writeFileAtomically(isTheirs ? place + BESIDE : place, wanted);
  return { path, result: isTheirs ? 'kept' : 'written' };
}

/** The package's directory systemd/, above this file wherever that was built. */
function findPackage(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (directory !== '/') {
    const candidate = join(directory, 'systemd');
    if (existsSync(join(candidate, 'selvedge.service'))) return candidate;
    directory = dirname(directory);
  }
  throw new OperatorError('the package lacks its directory systemd/: install it again');
}

/** Where units are, the strongest first (systemd.unit(5)). */
const UNIT_DIRECTORIES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/** dockerd's command line as its unit and drop-ins, ours apart, have it; undefined without Docker. */
export async function readDockerCommand(root: string): Promise<string | undefined> {
  const read = async (path: string) => readFileIfPresent(join(root, path));
  const units = await Promise.all(UNIT_DIRECTORIES.map(directory => read(join(directory, 'docker.service'))));
  const unit = units.find(text => text !== undefined);
  if (unit === undefined) return undefined;
  const dropIns = new Map<string, string>();
  for (const directory of UNIT_DIRECTORIES.toReversed()) {
    const names = await readdir(join(root, directory, 'docker.service.d')).catch(() => []);
    // Of one name the strongest counts.
    for (const name of names) dropIns.set(name, join(directory, 'docker.service.d', name));
  }
  const others = [...dropIns].filter(
    ([name, path]) => name.endsWith('.conf') && path !== DOCKER_OPTIONS_FILE,
  );
  const texts = await Promise.all(
    others.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => read(path)),
  );
  return findExecStart([unit, ...texts.filter(text => text !== undefined)]);
}

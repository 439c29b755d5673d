/** The variables that the agent's systemd unit has from its files, for commands that an operator types beside it. */
import { parseEnvironmentFile } from './environment-file.js';
import { readFileIfPresent } from './files.js';
import { messageOf } from './operator-error.js';
import type { Environment } from './options-given.js';

/** As `EnvironmentFile=` of selvedge.service names them: a later one wins. */
export const UNIT_ENVIRONMENT_FILES = [
  '/etc/sysconfig/flanneld',
  '/etc/default/selvedge',
  '/etc/sysconfig/selvedge',
];

export interface UnitEnvironment {
  readonly variables: Environment;
  /** Those that say something. */
  readonly files: readonly string[];
  /** Those that are there and could not be read. */
  readonly unread: readonly string[];
  /**
   * A line for each file that is there and was passed over: not for us to read, since it may hold a password. Also for each that
   * has an option in a line which systemd passes over.
   */
  readonly notes: readonly string[];
}

export async function readUnitEnvironment(
  files: readonly string[] = UNIT_ENVIRONMENT_FILES,
): Promise<UnitEnvironment> {
  const read = await Promise.all(files.map(readOne));
  const variables = Object.fromEntries(read.flatMap(file => [...file.variables]));
  const speaking = files.filter((_, n) => read[n]!.variables.size > 0);
  const unread = files.filter((_, n) => !read[n]!.isRead);
  return { variables, files: speaking, unread, notes: read.flatMap(({ notes }) => notes) };
}

async function readOne(file: string) {
  try {
    const { variables, ignored } = parseEnvironmentFile((await readFileIfPresent(file)) ?? '');
    const exported = ignored.flatMap(name => /^export\s+(\w+)$/.exec(name)?.[1] ?? []);
    const notes = exported.map(name => `${file}: systemd ignores "export ${name}", take "export" away`);
    return { isRead: true, variables, notes };
  } catch (error) {
    return {
      isRead: false,
      variables: new Map<string, string>(),
      notes: [`options in ${file} are not known: ${messageOf(error)}`],
    };
  }
}

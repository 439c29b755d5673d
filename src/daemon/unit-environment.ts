/** The variables that the agent's systemd unit has from its files, for commands that an operator types beside it. */
import { readFileIfPresent } from './files.js';
import { messageOf } from './operator-error.js';
import type { Environment } from './options-given.js';
import { parseAssignments } from './subnet-env.js';

/** As `EnvironmentFile=` of selvedge.service names them: a later one wins. */
export const UNIT_ENVIRONMENT_FILES = [
  '/etc/sysconfig/flanneld',
  '/etc/default/selvedge',
  '/etc/sysconfig/selvedge',
];

export interface UnitEnvironment {
  readonly variables: Environment;
  /** Why files were passed over that are there, a line each: not for us to read, since they may hold a password. */
  readonly unreadable: readonly string[];
}

export async function readUnitEnvironment(
  files: readonly string[] = UNIT_ENVIRONMENT_FILES,
): Promise<UnitEnvironment> {
  const unreadable: string[] = [];
  const texts = await Promise.all(
    files.map(file =>
      readFileIfPresent(file).catch((error: unknown) => {
        unreadable.push(`options in ${file} are not known: ${messageOf(error)}`);
        return undefined;
      }),
    ),
  );
  const given = texts.flatMap(text => [...parseAssignments(text ?? '')]);
  return { variables: Object.fromEntries(given), unreadable };
}

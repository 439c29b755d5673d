/** The options that the agent's systemd unit has from its files, for commands that an operator types beside it. */
import { readFileIfPresent } from './files.js';
import type { Environment } from './options-given.js';
import { parseAssignments } from './subnet-env.js';

/** As `EnvironmentFile=` of selvedge.service names them: a later one wins. */
export const UNIT_ENVIRONMENT_FILES = [
  '/etc/sysconfig/flanneld',
  '/etc/default/selvedge',
  '/etc/sysconfig/selvedge',
];

/**
 * @param own of this process, which wins
 * @returns both; a file that is not for us to read is passed over, since it may hold a password
 */
export async function readUnitEnvironment(
  own: Environment,
  files: readonly string[] = UNIT_ENVIRONMENT_FILES,
): Promise<Environment> {
  const texts = await Promise.all(files.map(file => readFileIfPresent(file).catch(() => undefined)));
  const given = texts.flatMap(text => [...parseAssignments(text ?? '')]);
  return { ...Object.fromEntries(given), ...own };
}

/** Files of variables without what nobody else may know. Pure. */
import { isSecretName, REDACTED } from '../daemon/redact.js';

/** What the agent reads and writes itself; any other variable may hold anything. */
const OURS = /^(?:SELVEDGE|FLANNELD|FLANNEL|DOCKER)_[A-Z0-9_]+$/;

const ASSIGNMENT = /^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_]*)=(.*)$/;

/**
 * Keeps the values of our own variables that are no secrets, and only the names of others. Lines that are no assignments go
 * with all that they say, but for comments without a `=`.
 */
export function withoutValues(text: string): string {
  return text
    .split('\n')
    .map(line => {
      const match = ASSIGNMENT.exec(line);
      if (match === null) return line.trim() === '' || /^\s*#[^=]*$/.test(line) ? line : REDACTED;
      const [, indent = '', name = ''] = match;
      return OURS.test(name) && !isSecretName(name) ? line : `${indent}${name}=${REDACTED}`;
    })
    .join('\n');
}

/**
 * Secrets by their values, as far as variables give them.
 * @returns the values, and the files that hold one each
 */
export function secretsIn(variables: ReadonlyMap<string, string>): {
  readonly values: readonly string[];
  readonly files: readonly string[];
} {
  const values: string[] = [];
  const files: string[] = [];
  for (const [name, value] of variables) {
    if (isSecretName(name)) values.push(value);
    if (name.endsWith('PASSWORD_FILE')) files.push(value);
    // Whole command lines: SELVEDGE_OPTIONS, FLANNEL_OPTIONS.
    for (const [, flag, given = ''] of value.matchAll(/--?(etcd-password(?:-file)?)[= ]+(\S+)/g)) {
      (flag === 'etcd-password' ? values : files).push(given.replace(/^(["'])(.*)\1$/, '$2'));
    }
  }
  return { values, files };
}

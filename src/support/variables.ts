/** Files of variables without what nobody else may know. Pure. */
import { splitWords } from '../daemon/environment-file.js';
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
  const values = new Set<string>();
  const files = new Set<string>();
  for (const [name, value] of variables) {
    if (isSecretName(name)) values.add(value);
    if (name.endsWith('PASSWORD_FILE')) files.add(value);
    // Whole command lines: SELVEDGE_OPTIONS, FLANNEL_OPTIONS.
    for (const [, flag, given = ''] of value.matchAll(/--?(etcd-password(?:-file)?)[= ]+(\S+)/g)) {
      (flag === 'etcd-password' ? values : files).add(given.replace(/^(["'])(.*)\1$/, '$2'));
    }
    // The same as systemd splits them: a secret may hold a space.
    splitWords(value).forEach((word, n, words) => {
      const [, flag, given = words[n + 1]] = /^--?(etcd-password(?:-file)?)(?:=(.*))?$/s.exec(word) ?? [];
      if (flag !== undefined && given !== undefined) (flag === 'etcd-password' ? values : files).add(given);
    });
  }
  return { values: [...values], files: [...files] };
}

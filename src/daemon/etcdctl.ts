/** Commands that an operator is told to run. Pure. */
import { etcdctl, quote, type EtcdctlAccess } from '../subnet/etcdctl.js';

/**
 * The command that puts a config document into etcd, for a POSIX shell: on one line, printable, and quoted so that
 * nothing in it means anything to the shell.
 * @param document JSON
 * @param access how etcd is reached; by default as etcdctl does it
 */
export function putConfigCommand(
  key: string,
  document: string,
  access: EtcdctlAccess = { endpoints: [] },
): string {
  const line = JSON.stringify(JSON.parse(document)).replace(/[^\x20-\x7e]/g, escapeUnit);
  return `${etcdctl(access)} put ${quote(key)} ${quote(line)}`;
}

/** A UTF-16 unit as JSON writes it in ASCII. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

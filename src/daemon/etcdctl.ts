/** Commands that an operator is told to run. Pure. */
import { etcdctl, quote, type EtcdctlAccess } from '../subnet/etcdctl.js';
import type { EtcdOptions } from './options.js';

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

/** The same with a document to begin with, for who has none yet. */
export function firstConfigCommand(key: string, access: EtcdctlAccess): string {
  const document = JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: 'vxlan' } });
  // A comment of the shell's: the line can be pasted.
  return `${putConfigCommand(key, document, access)} # with a network that nothing else uses`;
}

/** Our own command that lists all leases, for a POSIX shell; a password that is in no file is asked of the environment. */
export function leasesCommand(etcd: Omit<EtcdOptions, 'password'>): string {
  const { endpoints, prefix, caFile, certFile, keyFile, username, passwordFile } = etcd;
  const flags: readonly (readonly [string, string | undefined])[] = [
    ['--etcd-endpoints', endpoints.join(',')],
    ['--etcd-prefix', prefix],
    ['--etcd-cafile', caFile],
    ['--etcd-certfile', certFile],
    ['--etcd-keyfile', keyFile],
    ['--etcd-username', username],
    ['--etcd-password-file', passwordFile],
  ];
  const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag} ${quote(value)}`]));
  return ['selvedge leases', ...given].join(' ');
}

/** A UTF-16 unit as JSON writes it in ASCII. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

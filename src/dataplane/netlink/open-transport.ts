/** Which way to the kernel there is. */
import { findLibc } from '../../libc/libc.js';
import { NETLINK_ROUTE } from './constants.js';
import { openLibcTransport } from './libc-transport.js';
import { openPackageTransport } from './package-transport.js';
import type { Transport } from './transport.js';

/**
 * Opens a socket in the process's network namespace: over libc, or over the package `netlink` where libc cannot be called.
 * @param protocol NETLINK_ROUTE or NETLINK_GENERIC
 * @throws an Error with `code` when the kernel refuses
 */
export function openTransport(protocol = NETLINK_ROUTE): Transport {
  const libc = findLibc();
  return libc === undefined ? openPackageTransport(protocol) : openLibcTransport(libc, protocol);
}

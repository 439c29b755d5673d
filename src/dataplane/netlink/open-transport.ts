/** Which way to the kernel there is. */
import { loadLibc, type Libc } from '../../libc/libc.js';
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
  const libc = libcIfAny();
  return libc === undefined ? openPackageTransport(protocol) : openLibcTransport(libc, protocol);
}

/** Undefined where koffi has no binary for this platform. */
function libcIfAny(): Libc | undefined {
  try {
    return loadLibc();
  } catch {
    return undefined;
  }
}

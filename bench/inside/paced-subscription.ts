/**
 * Announcements that are read every other millisecond. To be woken by each of ten thousand would keep a processor busy that
 * the agent under test needs.
 */
import { constants } from 'node:os';
import {
  AF_NETLINK,
  libcError,
  MSG_DONTWAIT,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  type Libc,
} from '../../src/libc/libc.js';
import { NETLINK_ROUTE } from '../../src/dataplane/netlink/constants.js';
import type { Subscription } from '../../src/dataplane/netlink/subscription.js';

/** Option of SOL_NETLINK (linux/netlink.h). */
const NETLINK_ADD_MEMBERSHIP = 1;

/** struct sockaddr_nl of linux/netlink.h. */
const ADDRESS_BYTES = 12;

const PACE_MS = 2;
/** Longer than any announcement. */
const LONGEST_BYTES = 64 * 1024;

/**
 * Subscribes in the process's network namespace.
 * @param receiveBuffer bytes
 * @throws an Error with `code` when the kernel refuses
 */
export function openPacedSubscription(
  libc: Libc,
  groups: readonly number[],
  receiveBuffer: number,
): Subscription {
  const socket = must('socket', libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const set = (level: number, option: number, value: number) =>
    must('setsockopt', libc.setsockopt(socket, level, option, Uint32Array.of(value), 4));
  const address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  address.setUint16(0, AF_NETLINK, true);
  must('bind', libc.bind(socket, new Uint8Array(address.buffer), ADDRESS_BYTES));
  set(SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer);
  for (const group of groups) set(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  const room = new Uint8Array(LONGEST_BYTES);
  let onData: (bytes: Uint8Array) => void = () => undefined;
  let onLost: (reason: string) => void = () => undefined;
  const readAll = () => {
    for (;;) {
      const length = libc.recv(socket, room, room.length, MSG_DONTWAIT);
      if (length >= 0) onData(room.slice(0, length));
      else if (libc.errno() !== constants.errno.ENOBUFS) return;
      else onLost('the receive buffer overflowed');
    }
  };
  const timer = setInterval(readAll, PACE_MS);
  return {
    onData: listener => (onData = listener),
    onLost: listener => (onLost = listener),
    catchUp: readAll,
    close: () => {
      clearInterval(timer);
      libc.close(socket);
    },
  };

  function must(call: string, result: number): number {
    if (result < 0) throw libcError(call, libc.errno());
    return result;
  }
}

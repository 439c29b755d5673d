/**
 * Announcements that wait in the kernel until all is over. To read ten thousands of them while a repair is under way takes as
 * much of a processor as the repair does. How much waits is looked at every other millisecond, which tells afterwards when
 * each came.
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
import { readMeminfo } from '../../src/libc/meminfo.js';
import { NETLINK_ROUTE } from '../../src/dataplane/netlink/constants.js';

/** Option of SOL_NETLINK (linux/netlink.h). */
const NETLINK_ADD_MEMBERSHIP = 1;

/** struct sockaddr_nl of linux/netlink.h. */
const ADDRESS_BYTES = 12;

const PACE_MS = 2;
/** Longer than any announcement. */
const LONGEST_BYTES = 64 * 1024;

export interface Backlog {
  /** When something came last, milliseconds of `performance.now()`; undefined when nothing has since it was read. */
  readonly arrivedAt: number | undefined;
  /**
   * Reads all that waits.
   * @param onData is told when each came
   * @param onLost there were more than the receive buffer holds
   */
  read(onData: (bytes: Uint8Array, at: number) => void, onLost: () => void): void;
  close(): void;
}

/** By that moment so many bytes had come. */
interface Tick {
  readonly at: number;
  readonly bytes: number;
}

/**
 * Subscribes in the process's network namespace.
 * @param receiveBuffer bytes
 * @throws an Error with `code` when the kernel refuses
 */
export function openBacklog(libc: Libc, groups: readonly number[], receiveBuffer: number): Backlog {
  const socket = must('socket', libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const set = (level: number, option: number, value: number) =>
    must('setsockopt', libc.setsockopt(socket, level, option, Uint32Array.of(value), 4));
  const address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  address.setUint16(0, AF_NETLINK, true);
  must('bind', libc.bind(socket, new Uint8Array(address.buffer), ADDRESS_BYTES));
  set(SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer);
  for (const group of groups) set(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
  const room = new Uint8Array(LONGEST_BYTES);
  let ticks: Tick[] = [];
  const look = () => {
    const bytes = waiting();
    if (bytes > (ticks.at(-1)?.bytes ?? 0)) ticks.push({ at: performance.now(), bytes });
  };
  const timer = setInterval(look, PACE_MS);
  return {
    get arrivedAt() {
      return ticks.at(-1)?.at;
    },
    read: (onData, onLost) => {
      look();
      const came = ticks;
      ticks = [];
      const all = came.at(-1)?.bytes ?? 0;
      let tick = 0;
      for (;;) {
        const length = libc.recv(socket, room, room.length, MSG_DONTWAIT);
        if (length < 0) {
          if (libc.errno() !== constants.errno.ENOBUFS) return;
          onLost();
          continue;
        }
        const read = all - waiting();
        while (tick < came.length - 1 && came[tick]!.bytes < read) tick++;
        onData(room.slice(0, length), came[tick]?.at ?? performance.now());
      }
    },
    close: () => {
      clearInterval(timer);
      libc.close(socket);
    },
  };

  function waiting(): number {
    const meminfo = readMeminfo(libc, socket);
    if (meminfo === undefined)
      throw new Error('the kernel does not tell how much waits: it is older than 4.12');
    return meminfo.waiting;
  }

  function must(call: string, result: number): number {
    if (result < 0) throw libcError(call, libc.errno());
    return result;
  }
}

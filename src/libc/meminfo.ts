/** What a socket tells of its memory (SO_MEMINFO): how much waits to be read, and how much was lost. */
import { SO_MEMINFO, SOL_SOCKET, type Libc } from './libc.js';

/** Nine numbers of 32 bits (linux/sock_diag.h), of which two are looked at. */
const NUMBERS = 9;
const RECEIVED = 0;
const DROPS = 8;

export interface Meminfo {
  /** Bytes, with what the kernel takes for each datagram beside its own. */
  readonly waiting: number;
  /** Datagrams that the receive buffer could not hold, ever. */
  readonly drops: number;
}

/** @returns undefined where it is not told: before Linux 4.12 */
export function readMeminfo(libc: Libc, socket: number): Meminfo | undefined {
  const numbers = new Uint32Array(NUMBERS);
  const length = Uint32Array.of(numbers.byteLength);
  const isTold = libc.getsockopt(socket, SOL_SOCKET, SO_MEMINFO, numbers, length) === 0;
  if (!isTold || length[0] !== numbers.byteLength) return undefined;
  return { waiting: numbers[RECEIVED]!, drops: numbers[DROPS]! };
}

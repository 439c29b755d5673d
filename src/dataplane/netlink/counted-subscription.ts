/**
 * Announcements that this process reads itself, from the raw socket of the npm package `netlink`, many at a time.
 *
 * The native part of that package (0.3.0, src/binding.cc) ends the process when a socket that it polls has an error, which an
 * overflow of the receive buffer is. So the kernel is asked not to make one of it, and how much was lost is read from the
 * socket's own count. The package tells when something has come; what came behind it is read over libc: by the package each
 * announcement would be a call of ours and two objects, and ten thousand may come within a few milliseconds.
 *
 * What the kernel cannot write at all it does not count (net/netlink/af_netlink.c, do_one_set_err): of an nftables rule, what is
 * longer than a page or two, which no rule of ours is.
 */
import { constants } from 'node:os';
import type { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { libcError, MSG_DONTWAIT, MSG_TRUNC, SOL_NETLINK, type Libc } from '../../libc/libc.js';
import { readMeminfo } from '../../libc/meminfo.js';
import type { Subscription } from './subscription.js';
import { DATAGRAM_BYTES, guarded } from './transport.js';

/** Option of SOL_NETLINK: an overflow is no error (linux/netlink.h). */
const NETLINK_NO_ENOBUFS = 5;

/** So much is read in one turn of the event loop, some hundred announcements, and the rest of one. */
const TURN_BYTES = 64 * 1024;

/**
 * Asks the kernel not to make errors of losses, and to count them.
 * @returns whether it does; kernels before 4.12 do not tell
 */
export function canCountLosses(libc: Libc, descriptor: number): boolean {
  // First of all: where losses are not told, they must remain errors.
  if (readMeminfo(libc, descriptor) === undefined) return false;
  const on = Uint32Array.of(1);
  return libc.setsockopt(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, on, on.byteLength) === 0;
}

/**
 * Reads what comes to a socket, until some of it is lost.
 * @param socket has joined its groups; it is closed with the subscription
 * @param descriptor of that socket
 */
export function readFrom(socket: RawNetlinkSocket, descriptor: number, libc: Libc): Subscription {
  const room = new Uint8Array(TURN_BYTES + DATAGRAM_BYTES);
  let onData: (bytes: Uint8Array) => void = () => undefined;
  let onLost: (reason: string) => void = () => undefined;
  let isOpen = true;
  let isTurnOver = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    // The package may crash when it is closed while one of its callbacks runs.
    setImmediate(() => socket.close());
  };
  const end = (reason: string) => {
    if (!isOpen) return;
    close();
    onLost(reason);
  };
  const hear = (first: Uint8Array) => {
    if (!isOpen) return;
    onData(first);
    // The package reads some more by itself before it gives way to others.
    if (!isTurnOver) return;
    isTurnOver = false;
    setImmediate(() => (isTurnOver = true));
    readSome();
  };
  /** @returns how much, in bytes; less than TURN_BYTES when there is no more */
  const readSome = (): number => {
    if (!isOpen) return 0;
    const { length, trouble } = readWaiting(libc, descriptor, room);
    // A copy: the next come to the same place.
    if (length > 0) onData(room.slice(0, length));
    if (trouble !== undefined) end(trouble);
    else if (readMeminfo(libc, descriptor)?.drops !== 0) end('the receive buffer overflowed');
    return length;
  };
  socket.on('message', guarded(hear));
  socket.on(
    'error',
    guarded((error: Error) => end(error.message)),
  );
  return {
    onData: listener => {
      onData = listener;
    },
    onLost: listener => {
      onLost = listener;
    },
    catchUp: () => {
      if (!isOpen) return;
      // No more: somebody may announce as fast as we read.
      let left = readMeminfo(libc, descriptor)?.waiting ?? 0;
      let length: number;
      do {
        length = readSome();
        left -= length;
      } while (length >= TURN_BYTES && left > 0);
    },
    close,
  };
}

/**
 * Reads what has come, as much as is read in one turn.
 * @returns bytes of it, and why something may be missing behind them
 */
function readWaiting(
  libc: Libc,
  descriptor: number,
  room: Uint8Array,
): { readonly length: number; readonly trouble?: string } {
  let length = 0;
  while (length < TURN_BYTES) {
    const left = room.length - length;
    const got = libc.recv(descriptor, room.subarray(length), left, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0) {
      const errno = libc.errno();
      if (errno === constants.errno.EAGAIN) break;
      // The kernel tells it once: the package will not hear of it.
      return { length, trouble: libcError('recv', errno).message };
    }
    if (got > left) return { length, trouble: 'an announcement was longer than any that is known' };
    length += got;
  }
  return { length };
}

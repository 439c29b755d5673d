/**
 * libc's socket calls, for what Node and the packages have no way to. Called through koffi, whose binaries come as npm
 * packages: nothing is compiled, and nothing is loaded before it is asked for.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type * as Koffi from 'koffi';

/** Flags of socket(2) and send(2), the same on every Linux that Node's binaries are made for (linux/net.h, linux/socket.h). */
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const MSG_NOSIGNAL = 0x4000;

/** Family, and level of setsockopt(2) (linux/socket.h). */
export const AF_NETLINK = 16;
export const SOL_NETLINK = 270;

/** Level and options of setsockopt(2) (asm-generic/socket.h). */
export const SOL_SOCKET = 1;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const SO_MEMINFO = 55;

/** struct sock_filter (linux/filter.h): u16 code, u8 jump if true, u8 jump if false, u32 k. */
export const FILTER_INSTRUCTION_BYTES = 8;

/** Calls as in their manual pages, section 2: -1 says that it failed, and `errno` why. Bytes are read and written in place. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(socket: number, address: Uint8Array, length: number): number;
  getsockname(socket: number, address: Uint8Array, length: Uint32Array): number;
  setsockopt(socket: number, level: number, option: number, value: Uint32Array, length: number): number;
  getsockopt(socket: number, level: number, option: number, value: Uint32Array, length: Uint32Array): number;
  /** setsockopt with SO_ATTACH_FILTER. @param program an array of struct sock_filter */
  attachFilter(socket: number, program: Uint8Array): number;
  send(socket: number, bytes: Uint8Array, length: number, flags: number): number;
  sendto(
    socket: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array,
    toLength: number,
  ): number;
  recv(socket: number, bytes: Uint8Array, length: number, flags: number): number;
  recvfrom(
    socket: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    from: Uint8Array,
    fromLength: Uint32Array,
  ): number;
  close(socket: number): number;
  /**
   * `send` on another thread, so that this one goes on while the kernel works. The bytes must stay where they are and as
   * they are until `done`: 64 or fewer may be moved by the collector.
   * @param done is told what `send` returned, and 0 or the errno; ENOBUFS as well when too many are under way
   */
  sendInBackground(
    socket: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    done: (result: number, errno: number) => void,
  ): void;
  /** Of the last call on this thread that failed, a positive number. */
  errno(): number;
}

let loaded: Libc | undefined;

/** @throws Error when there is no binary of koffi for this platform */
export function loadLibc(): Libc {
  return (loaded ??= load());
}

/** The same; undefined where there is no binary. */
export function findLibc(): Libc | undefined {
  try {
    return loadLibc();
  } catch {
    return undefined;
  }
}

function load(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const libc = koffi.load(null);
  const send = libc.func('intptr_t send(int, const void *, uintptr_t, int)');
  const program = koffi.struct({ length: 'uint16_t', filter: 'const void *' });
  const attach = libc.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(program), 'uint32_t']);
  const calls: Pick<Libc, Exclude<keyof Libc, 'attachFilter' | 'sendInBackground' | 'errno'>> = {
    socket: libc.func('int socket(int, int, int)'),
    bind: libc.func('int bind(int, const void *, uint32_t)'),
    getsockname: libc.func('int getsockname(int, void *, void *)'),
    setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
    getsockopt: libc.func('int getsockopt(int, int, int, void *, void *)'),
    send,
    sendto: libc.func('intptr_t sendto(int, const void *, uintptr_t, int, const void *, uint32_t)'),
    recv: libc.func('intptr_t recv(int, void *, uintptr_t, int)'),
    recvfrom: libc.func('intptr_t recvfrom(int, void *, uintptr_t, int, void *, void *)'),
    close: libc.func('int close(int)'),
  };
  return {
    ...calls,
    attachFilter: (socket, filter) => {
      const value = { length: filter.length / FILTER_INSTRUCTION_BYTES, filter };
      return attach(socket, SOL_SOCKET, SO_ATTACH_FILTER, value, koffi.sizeof(program)) as number;
    },
    sendInBackground: (socket, bytes, length, flags, done) => {
      try {
        send.async(socket, bytes, length, flags, (error: Error | null, result: number) => {
          if (error === null) done(result, result < 0 ? koffi.errno() : 0);
          else done(-1, constants.errno.EIO);
        });
      } catch {
        // koffi takes so many calls at once and no more. Who asked is told as ever: later.
        setImmediate(done, -1, constants.errno.ENOBUFS);
      }
    },
    errno: () => koffi.errno(),
  };
}

/** An error that says which call failed and why, with the errno's name in `code`. */
export function libcError(
  call: string,
  errno: number,
): Error & { readonly code: string; readonly errno: number } {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${call}: ${code}`), { code, errno });
}

/**
 * What the service manager is told, as sd_notify(3) does it: datagrams of `NAME=value` lines on the socket that the
 * environment names. Effects.
 *
 * Node has no datagram sockets of the unix kind, and a helper process would be refused under NotifyAccess=main, so libc's
 * own functions are called.
 */
import type { Logger } from 'pino';
import {
  libcError,
  loadLibc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  type Libc,
} from '../libc/libc.js';
import type { Environment } from './options-given.js';
import { messageOf } from './operator-error.js';

/** From linux/socket.h. */
const AF_UNIX = 1;
/** unix(7). */
const LONGEST_ADDRESS = 108;

/** The way to the service manager. */
export interface Notifier {
  /** How often it wants a sign of life, in milliseconds, or it ends the process; undefined: not at all. */
  readonly watchdogMs: number | undefined;
  /**
   * Tells it something. Never waits: what cannot be sent now must be told again.
   * @param assignments such as `READY=1`; no value may hold a control character
   * @returns whether it was sent
   */
  tell(...assignments: readonly string[]): boolean;
  close(): void;
}

/**
 * Opens the way that the environment names.
 * @param environment `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as systemd sets them
 * @returns undefined when nobody wants to be told, or cannot be; the log says why not
 */
export function openNotifier(environment: Environment, log: Logger): Notifier | undefined {
  const path = environment.NOTIFY_SOCKET;
  if (path === undefined || path === '') return undefined;
  try {
    return createNotifier(socketAddress(path), loadLibc(), watchdogOf(environment, process.pid), log);
  } catch (error) {
    log.error(
      `systemd cannot be told that the agent is ready (NOTIFY_SOCKET=${path}): ${messageOf(error)}; ` +
        'where nothing helps, set Type=exec and WatchdogSec=0 in a drop-in of the unit',
    );
    return undefined;
  }
}

/** How often this process must give a sign of life, in milliseconds: sd_watchdog_enabled(3). */
export function watchdogOf(environment: Environment, pid: number): number | undefined {
  const { WATCHDOG_USEC: interval = '', WATCHDOG_PID: owner = '' } = environment;
  if (!/^[1-9]\d*$/.test(interval) || (owner !== '' && owner !== String(pid))) return undefined;
  return Number(interval) / 1000;
}

/**
 * The socket's address as struct sockaddr_un: the family, then the path with its closing zero, or a zero and the name
 * for one of the abstract namespace, which `@` stands for.
 * @throws Error for any other kind, and for a path that is too long
 */
export function socketAddress(path: string): Buffer {
  const isAbstract = path.startsWith('@');
  if (!isAbstract && !path.startsWith('/')) throw new Error('only a unix socket is understood');
  const name = isAbstract ? Buffer.from(`\0${path.slice(1)}`) : Buffer.from(`${path}\0`);
  if (name.length > LONGEST_ADDRESS) throw new Error(`longer than ${LONGEST_ADDRESS} bytes`);
  const address = Buffer.alloc(2 + name.length);
  // Little-endian, as every platform is that Node's binaries of our dependencies are made for.
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

function createNotifier(address: Buffer, libc: Libc, watchdogMs: number | undefined, log: Logger): Notifier {
  const socket = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) throw libcError('socket', libc.errno());
  let refusal = 0;
  return {
    watchdogMs,
    tell: (...assignments) => {
      const bytes = Buffer.from(assignments.join('\n'));
      // The agent's work must not stand still for a manager that is busy.
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = libc.sendto(socket, bytes, bytes.length, flags, address, address.length);
      const errno = sent < 0 ? libc.errno() : 0;
      if (errno !== 0 && errno !== refusal)
        log.warn(`systemd was not told: ${libcError('sendto', errno).message}; tried again`);
      refusal = errno;
      return errno === 0;
    },
    close: () => {
      libc.close(socket);
    },
  };
}

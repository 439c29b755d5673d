/** The service manager's end of the notify protocol: a socket that datagrams are read from. */
import { rmSync } from 'node:fs';
import { load } from 'koffi';
import type { Test } from 'tap';
import { socketAddress } from '../../src/daemon/notify.js';

const libc = load(null);
const createSocket = libc.func('int socket(int, int, int)') as unknown as (
  domain: number,
  type: number,
  protocol: number,
) => number;
const bind = libc.func('int bind(int, const void *, uint32_t)') as unknown as (
  socket: number,
  address: Buffer,
  length: number,
) => number;
const recv = libc.func('intptr_t recv(int, void *, uintptr_t, int)') as unknown as (
  socket: number,
  buffer: Buffer,
  length: number,
  flags: number,
) => number;
const close = libc.func('int close(int)') as unknown as (socket: number) => number;

const [AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT] = [1, 2, 0x40];

/** What was told since the last call, a datagram each. */
export type Told = () => string[];

/** Listens on a path, or on a name of the abstract namespace that begins with `@`, until the test ends. */
export function listenAsServiceManager(t: Test, path: string): Told {
  const socket = createSocket(AF_UNIX, SOCK_DGRAM, 0);
  const address = socketAddress(path);
  if (bind(socket, address, address.length) !== 0) throw new Error(`cannot bind ${path}`);
  t.teardown(() => {
    close(socket);
    if (!path.startsWith('@')) rmSync(path, { force: true });
  });
  return () => {
    const told: string[] = [];
    const buffer = Buffer.alloc(8192);
    for (;;) {
      const length = recv(socket, buffer, buffer.length, MSG_DONTWAIT);
      if (length < 0) return told;
      told.push(buffer.toString('utf8', 0, length));
    }
  };
}

/**
 * Loaded into an agent before its own code (`node --import`): counts the messages that would change the kernel, at the
 * one place that all must pass. The count is written when the process ends, into the directory that
 * SELVEDGE_BENCH_COUNTS names, as `<pid>.json`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RawNetlinkSocket } from 'netlink/dist/raw.js';
import { NETLINK_ROUTE } from '../../src/dataplane/netlink/constants.js';
import { readMessages } from '../../src/dataplane/netlink/message.js';
import { isChangeType } from './datagrams.js';

/** Message types mean something else on a socket of another protocol. */
const isRouteSocket = new WeakMap<RawNetlinkSocket, boolean>();
let changes = 0;
const { prototype } = RawNetlinkSocket;
const send = Reflect.get<typeof prototype, 'send'>(prototype, 'send');

prototype.send = function (this: RawNetlinkSocket, message, ...rest) {
  if (!isRouteSocket.has(this)) isRouteSocket.set(this, protocolOf(this) === NETLINK_ROUTE);
  if (isRouteSocket.get(this) === true) {
    const datagram = Array.isArray(message) ? Buffer.concat(message) : message;
    changes += readMessages(datagram).filter(({ type }) => isChangeType(type)).length;
  }
  Reflect.apply(send, this, [message, ...rest]);
};

process.on('exit', () => {
  const directory = process.env.SELVEDGE_BENCH_COUNTS;
  if (directory !== undefined)
    writeFileSync(join(directory, `${process.pid}.json`), JSON.stringify({ changes }));
});

/** The kernel lists all sockets of the namespace, with protocol and port in the second and third column. */
function protocolOf(socket: RawNetlinkSocket): number | undefined {
  const port = socket.address().port >>> 0;
  const rows = readFileSync('/proc/self/net/netlink', 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/));
  const row = rows.find(columns => Number(columns[2]) === port);
  return row && Number(row[1]);
}

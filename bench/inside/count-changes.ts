/**
 * Loaded into an agent before its own code (`node --import`): counts the messages that would change the kernel, at the
 * one place that all must pass. The count is written when the process ends, into the directory that
 * SELVEDGE_BENCH_COUNTS names, as `<pid>.json`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RawNetlinkSocket } from 'netlink';
import { readMessages } from '../../src/dataplane/netlink/message.js';
import { isChangeType } from './datagrams.js';

let changes = 0;
const { prototype } = RawNetlinkSocket;
const send = Reflect.get<typeof prototype, 'send'>(prototype, 'send');

prototype.send = function (this: RawNetlinkSocket, message, ...rest) {
  const datagram = Array.isArray(message) ? Buffer.concat(message) : message;
  changes += readMessages(datagram).filter(({ type }) => isChangeType(type)).length;
  Reflect.apply(send, this, [message, ...rest]);
};

process.on('exit', () => {
  const directory = process.env.SELVEDGE_BENCH_COUNTS;
  if (directory !== undefined)
    writeFileSync(join(directory, `${process.pid}.json`), JSON.stringify({ changes }));
});

/**
 * Writes the entries of a device, as the kernel of this namespace holds them, as the datagrams that would put them back: for
 * `floor.c`, which then does what a repair does.
 */
import { writeFileSync } from 'node:fs';
import { ChangeForm } from '../../src/dataplane/change-form.js';
import type { Op } from '../../src/dataplane/diff.js';
import { KINDS } from '../../src/dataplane/kinds/index.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry } from '../../src/dataplane/model.js';
import { NLM_F_ACK } from '../../src/dataplane/netlink/constants.js';
import { MessageWriter } from '../../src/dataplane/netlink/message.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { NetlinkKernel } from '../../src/dataplane/netlink-kernel.js';
import { answer } from './answer.js';
import { frame } from './datagrams.js';

export interface RecordEntriesTask {
  readonly device: string;
  /** Classic routes are those by no nexthop object: they go with the device's last address, and the others stay. */
  readonly kinds: readonly (Entry['kind'] | 'classic route')[];
  /** Takes the datagrams, see `datagrams.ts`. */
  readonly file: string;
}

/** As many as the agent sends in a datagram. */
const MESSAGES = 400;

await answer('record-entries', async ({ device, kinds, file }) => {
  const socket = new NetlinkSocket();
  const kernel = new NetlinkKernel(socket);
  await kernel.readLinks();
  const all = (await kernel.readEntries(new Set([device]))).filter(entry => isOn(device, entry));
  socket.close();
  const isWanted = (entry: Entry) =>
    kinds.includes(entry.kind) || (isClassic(entry) && kinds.includes('classic route'));
  const entries = KINDS.flatMap(({ name }) => all.filter(entry => entry.kind === name && isWanted(entry)));
  const ops = entries.map((entry): Op => ({ kind: 'create', entry }));
  const form = new ChangeForm(kernel.devices);
  const datagrams: Uint8Array[] = [];
  for (let start = 0; start < ops.length; start += MESSAGES) {
    const writer = new MessageWriter();
    form.write(writer, ops, start, Math.min(start + MESSAGES, ops.length), start + 1);
    writer.addFlags(NLM_F_ACK);
    datagrams.push(writer.bytes());
  }
  writeFileSync(file, frame(datagrams));
  return { entries: entries.length };
});

/** The device's own routes, which the kernel makes, come back with it. */
function isOn(device: string, entry: Entry): boolean {
  return entry.device === device && (entry.kind !== 'route' || entry.protocol === SELVEDGE_ROUTE_PROTOCOL);
}

function isClassic(entry: Entry): boolean {
  return entry.kind === 'route' && entry.nexthopId === undefined;
}

/**
 * Writes the entries of a device, as the kernel of this namespace holds them, as the datagrams that would put them back: for
 * `floor.c`, which then does what a repair does.
 */
import { writeFileSync } from 'node:fs';
import { KINDS, kindOf } from '../../src/dataplane/kinds/index.js';
import type { DeviceTable } from '../../src/dataplane/kinds/kind.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry } from '../../src/dataplane/model.js';
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
} from '../../src/dataplane/netlink/constants.js';
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
  const datagrams: Uint8Array[] = [];
  for (let start = 0; start < entries.length; start += MESSAGES)
    datagrams.push(datagramOf(entries.slice(start, start + MESSAGES), start + 1, kernel.devices));
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

/** @param sequence number of the first message */
function datagramOf(entries: readonly Entry[], sequence: number, devices: DeviceTable): Uint8Array {
  const writer = new MessageWriter();
  for (const [place, entry] of entries.entries()) {
    const kind = kindOf(entry);
    const flags = NLM_F_REQUEST | NLM_F_CREATE | (kind.exclusive ? NLM_F_EXCL : NLM_F_REPLACE);
    writer.beginMessage(kind.putType, flags, sequence + place);
    kind.encode(writer, entry, devices);
    writer.endMessage();
  }
  writer.addFlags(NLM_F_ACK);
  return writer.bytes();
}

/** Forwarding entries of VXLAN devices: which VTEP has a MAC. Pure. */
import { ipFromBytes, parseIpv4Number } from '../../address/ip.js';
import { macFromBytes, macToNumber } from '../../address/mac.js';
import type { FdbEntry } from '../model.js';
import {
  AF_BRIDGE,
  NDA_DST,
  NDA_LLADDR,
  NTF_SELF,
  NUD_PERMANENT,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from '../netlink/constants.js';
import type { WireAddress } from '../netlink/message.js';
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourDump,
  type Neighbour,
  type NeighbourRequest,
} from '../netlink/neighbour.js';
import { isIpv4, toWire, type DeviceTable, type Kind } from './kind.js';

export const fdb: Kind<FdbEntry> = {
  name: 'fdb',
  order: 1,
  key: entry => `${entry.device} ${entry.mac}`,
  keyPart: entry => entry.mac,
  describe: describeFdb,
  same: (a, b) => a.vtep === b.vtep && a.special === b.special,
  isOurs: (entry, { devices }) => devices.has(entry.device),
  exclusive: false,
  putType: RTM_NEWNEIGH,
  removeType: RTM_DELNEIGH,
  encode(writer, entry, devices) {
    encodeNeighbour(
      writer,
      request(entry, devices, entry.vtep === undefined ? undefined : toWire(entry.vtep)),
    );
  },
  // The kernel answers "done" to a VTEP for an entry by nexthop objects, and leaves it as it is.
  firstStep: (_, held) => (held.vtep === undefined ? { kind: 'remove', held } : undefined),
  isModel: entry => isIpv4(entry.vtep),
  rewrite(writer, entry, model) {
    const vtep = entry.vtep === undefined ? undefined : parseIpv4Number(entry.vtep);
    if (vtep === undefined || entry.device !== model.device) return false;
    writer.repeatMessage();
    writer.rewriteIpv4(NDA_DST, vtep);
    writer.rewriteMac(NDA_LLADDR, macToNumber(entry.mac));
    return true;
  },
  // Without the VTEP: with one that is not (any more) the right one, the kernel answers "done" and removes nothing.
  encodeRemoval(writer, entry, devices) {
    encodeNeighbour(writer, request(entry, devices));
  },
  dumps: (overlay, devices) =>
    overlay.map(device => ({
      type: RTM_GETNEIGH,
      write: writer => encodeNeighbourDump(writer, AF_BRIDGE, devices.indexOf(device)),
    })),
  decode(body, devices) {
    const read = decodeNeighbour(body);
    const device = devices.nameOf(read.interfaceIndex);
    if (device === undefined || read.family !== AF_BRIDGE || read.linkAddress?.length !== 6) return undefined;
    const mac = macFromBytes(read.linkAddress);
    // By nexthop objects: nobody learned that, and it yields to no replacing, whether it is permanent or not.
    if (read.nexthopId !== undefined) return { kind: 'fdb', device, mac, special: `nhid ${read.nexthopId}` };
    // Entries that the device learned by itself are not permanent, and none of ours.
    if ((read.state & NUD_PERMANENT) === 0 || read.destination === undefined) return undefined;
    const special = whatIsSpecial(read, devices);
    const entry = { kind: 'fdb', device, mac, vtep: ipFromBytes(read.destination) } as const;
    return special === undefined ? entry : { ...entry, special };
  },
};

/**
 * The entry that an announcement tells of by which it is not there: it is gone, or another has taken its place that is not
 * permanent, as a device learns them, and that `decode` passes over.
 * @returns undefined for what is no entry of a VXLAN device
 */
export function lostFdb(read: Neighbour, devices: DeviceTable): FdbEntry | undefined {
  const device = devices.nameOf(read.interfaceIndex);
  // A bridge announces what it learns on its ports as theirs.
  const isOfDevice = read.family === AF_BRIDGE && (read.flags & NTF_SELF) !== 0;
  if (!isOfDevice || device === undefined || read.linkAddress?.length !== 6) return undefined;
  return { kind: 'fdb', device, mac: macFromBytes(read.linkAddress) };
}

/** The kernel tells these only where they are not the device's own (drivers/net/vxlan/vxlan_core.c, vxlan_fdb_info). */
function whatIsSpecial({ port, vni, viaInterface }: Neighbour, devices: DeviceTable): string | undefined {
  if (port === undefined && vni === undefined && viaInterface === undefined) return undefined;
  const words: string[] = [];
  if (port !== undefined) words.push(`port ${port}`);
  if (vni !== undefined) words.push(`vni ${vni}`);
  if (viaInterface !== undefined) words.push(`via ${devices.nameOf(viaInterface) ?? `if${viaInterface}`}`);
  return words.join(' ');
}

function describeFdb(entry: FdbEntry): string {
  const words = ['fdb', entry.mac, 'dev', entry.device];
  if (entry.vtep !== undefined) words.push('dst', entry.vtep);
  if (entry.special !== undefined) words.push(entry.special);
  return words.join(' ');
}

function request(entry: FdbEntry, devices: DeviceTable, destination?: WireAddress): NeighbourRequest {
  return {
    family: AF_BRIDGE,
    interfaceIndex: devices.indexOf(entry.device),
    state: NUD_PERMANENT,
    flags: NTF_SELF,
    type: 0,
    destination,
    linkAddress: macToNumber(entry.mac),
  };
}

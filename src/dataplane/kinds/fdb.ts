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
  type NeighbourRequest,
} from '../netlink/neighbour.js';
import { isIpv4, toWire, type DeviceTable, type Kind } from './kind.js';

export const fdb: Kind<FdbEntry> = {
  name: 'fdb',
  order: 1,
  key: entry => `${entry.device} ${entry.mac}`,
  keyPart: entry => entry.mac,
  describe: entry => `fdb ${entry.mac} dev ${entry.device} dst ${entry.vtep}`,
  same: (a, b) => a.vtep === b.vtep,
  isOurs: (entry, { devices }) => devices.has(entry.device),
  exclusive: false,
  putType: RTM_NEWNEIGH,
  removeType: RTM_DELNEIGH,
  encode(writer, entry, devices) {
    encodeNeighbour(writer, request(entry, devices, toWire(entry.vtep)));
  },
  isModel: entry => isIpv4(entry.vtep),
  rewrite(writer, entry, model) {
    const vtep = parseIpv4Number(entry.vtep);
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
    // Entries that the device learned by itself are not permanent, and none of ours.
    if (device === undefined || read.family !== AF_BRIDGE || (read.state & NUD_PERMANENT) === 0)
      return undefined;
    if (read.linkAddress?.length !== 6 || read.destination === undefined) return undefined;
    return { kind: 'fdb', device, mac: macFromBytes(read.linkAddress), vtep: ipFromBytes(read.destination) };
  },
};

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

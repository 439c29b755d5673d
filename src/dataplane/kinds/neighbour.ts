/** Permanent neighbours (ARP): which MAC has a next hop on an overlay device. Pure. */
import { familyOf, ipFromBytes, parseIpv4Number } from '../../address/ip.js';
import { macFromBytes, macToNumber } from '../../address/mac.js';
import type { NeighbourEntry } from '../model.js';
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  NDA_DST,
  NDA_LLADDR,
  NUD_PERMANENT,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
  RTN_UNICAST,
} from '../netlink/constants.js';
import type { WireAddress } from '../netlink/message.js';
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourDump,
  type NeighbourRequest,
} from '../netlink/neighbour.js';
import { isIpv4, toWire, type DeviceTable, type Kind } from './kind.js';

export const neighbour: Kind<NeighbourEntry> = {
  name: 'neighbour',
  order: 2,
  key: entry => `${entry.device} ${entry.address}`,
  keyPart: entry => entry.address,
  describe: entry => `neighbour ${entry.address} lladdr ${entry.mac} dev ${entry.device}`,
  same: (a, b) => a.mac === b.mac,
  isOurs: (entry, { devices }) => devices.has(entry.device),
  exclusive: false,
  putType: RTM_NEWNEIGH,
  removeType: RTM_DELNEIGH,
  encode(writer, entry, devices) {
    encodeNeighbour(writer, request(entry, devices, macToNumber(entry.mac)));
  },
  isModel: entry => isIpv4(entry.address),
  rewrite(writer, entry, model) {
    const address = parseIpv4Number(entry.address);
    if (address === undefined || entry.device !== model.device) return false;
    writer.repeatMessage();
    writer.rewriteIpv4(NDA_DST, address);
    writer.rewriteMac(NDA_LLADDR, macToNumber(entry.mac));
    return true;
  },
  encodeRemoval(writer, entry, devices) {
    encodeNeighbour(writer, request(entry, devices));
  },
  dumps: (overlay, devices) =>
    overlay.map(device => ({
      type: RTM_GETNEIGH,
      write: writer => encodeNeighbourDump(writer, AF_INET, devices.indexOf(device)),
    })),
  decode(body, devices) {
    const read = decodeNeighbour(body);
    const device = devices.nameOf(read.interfaceIndex);
    if (device === undefined || read.family === AF_BRIDGE || (read.state & NUD_PERMANENT) === 0)
      return undefined;
    if (read.linkAddress?.length !== 6 || read.destination === undefined) return undefined;
    const mac = macFromBytes(read.linkAddress);
    return { kind: 'neighbour', device, address: ipFromBytes(read.destination), mac };
  },
};

function request(entry: NeighbourEntry, devices: DeviceTable, linkAddress?: WireAddress): NeighbourRequest {
  return {
    family: familyOf(entry.address) === 4 ? AF_INET : AF_INET6,
    interfaceIndex: devices.indexOf(entry.device),
    state: NUD_PERMANENT,
    flags: 0,
    type: RTN_UNICAST,
    destination: toWire(entry.address),
    linkAddress,
  };
}

/** ARP, NDP and FDB entries on the wire: struct ndmsg and NDA_* attributes (linux/neighbour.h). Pure. */
import {
  AF_BRIDGE,
  IFINFOMSG_BYTES,
  NDA_DST,
  NDA_IFINDEX,
  NDA_LLADDR,
  NDA_MASTER,
  NDA_NH_ID,
  NDA_PORT,
  NDA_PROTOCOL,
  NDA_VLAN,
  NDA_VNI,
  NDMSG_BYTES,
} from './constants.js';
import {
  AttributeReader,
  hostI32,
  hostU16,
  structView,
  type MessageWriter,
  type WireAddress,
} from './message.js';

/**
 * A neighbour: for AF_INET and AF_INET6 the MAC of an address on a device, for AF_BRIDGE the place (of a VXLAN device:
 * the VTEP) behind which a MAC lives.
 */
export interface Neighbour {
  /** AF_INET, AF_INET6 or AF_BRIDGE. */
  readonly family: number;
  readonly interfaceIndex: number;
  /** NUD_* bits. */
  readonly state: number;
  /** NTF_* bits. */
  readonly flags: number;
  /** ndm_type: RTN_UNICAST where it is set at all. */
  readonly type: number;
  /** The neighbour's address, or the VTEP's for AF_BRIDGE: 4 or 16 bytes. */
  readonly destination?: Uint8Array | undefined;
  readonly linkAddress?: Uint8Array | undefined;
  /** RTPROT_*: who made it. Kept by the kernel for ARP and NDP, not for FDB. */
  readonly protocol?: number;
  readonly vlan?: number;
  /** FDB: VNI, when it is not the device's. */
  readonly vni?: number;
  /** FDB: UDP port of the VTEP, when it is not the device's. */
  readonly port?: number;
  /** FDB: index of the interface by which the VTEP is reached. */
  readonly viaInterface?: number;
  /** FDB: index of the bridge that the device is a port of. */
  readonly master?: number;
  /** FDB: id of the nexthop group that stands for the VTEP. */
  readonly nexthopId?: number;
}

/** A neighbour as a request names it. */
export interface NeighbourRequest extends Omit<Neighbour, 'destination' | 'linkAddress'> {
  readonly destination?: WireAddress | undefined;
  readonly linkAddress?: WireAddress | undefined;
}

/** Writes the body of RTM_NEWNEIGH or RTM_DELNEIGH. */
export function encodeNeighbour(writer: MessageWriter, neighbour: NeighbourRequest): void {
  writeHeader(writer, neighbour);
  if (neighbour.destination !== undefined) writer.attributeIp(NDA_DST, neighbour.destination);
  if (neighbour.linkAddress !== undefined) writer.attributeMac(NDA_LLADDR, neighbour.linkAddress);
  if (neighbour.vlan !== undefined) writer.attributeU16(NDA_VLAN, neighbour.vlan);
  if (neighbour.port !== undefined) writer.attributeBe16(NDA_PORT, neighbour.port);
  if (neighbour.vni !== undefined) writer.attributeU32(NDA_VNI, neighbour.vni);
  if (neighbour.viaInterface !== undefined) writer.attributeU32(NDA_IFINDEX, neighbour.viaInterface);
  if (neighbour.master !== undefined) writer.attributeU32(NDA_MASTER, neighbour.master);
  if (neighbour.protocol !== undefined) writer.attributeU8(NDA_PROTOCOL, neighbour.protocol);
  if (neighbour.nexthopId !== undefined) writer.attributeU32(NDA_NH_ID, neighbour.nexthopId);
}

/** Writes the body of RTM_GETNEIGH for one ARP or NDP entry: the kernel (since 5.0) refuses more than its address and device. */
export function encodeNeighbourSelector(
  writer: MessageWriter,
  family: number,
  interfaceIndex: number,
  destination: WireAddress,
): void {
  writeHeader(writer, { family, interfaceIndex, state: 0, flags: 0, type: 0 });
  writer.attributeIp(NDA_DST, destination);
}

/**
 * Writes the body of an RTM_GETNEIGH dump of one device.
 *
 * For FDB entries the kernel wants a struct ifinfomsg here unless strict checking is on (net/core/rtnetlink.c,
 * `valid_fdb_dump_legacy`); for the others NDA_IFINDEX is honoured with or without it.
 * @param family AF_INET, AF_INET6 or AF_BRIDGE
 */
export function encodeNeighbourDump(writer: MessageWriter, family: number, interfaceIndex: number): void {
  if (family === AF_BRIDGE) {
    writer.u8(AF_BRIDGE);
    writer.u8(0); // __ifi_pad
    writer.u16(0); // ifi_type
    writer.u32(interfaceIndex);
    for (let offset = 8; offset < IFINFOMSG_BYTES; offset += 4) writer.u32(0);
    return;
  }
  writeHeader(writer, { family, interfaceIndex: 0, state: 0, flags: 0, type: 0 });
  writer.attributeU32(NDA_IFINDEX, interfaceIndex);
}

/**
 * Reads the body of RTM_NEWNEIGH or RTM_DELNEIGH.
 * @throws MalformedMessageError
 */
export function decodeNeighbour(body: Uint8Array): Neighbour {
  const header = structView(body, NDMSG_BYTES);
  const neighbour: { -readonly [K in keyof Neighbour]: Neighbour[K] } = {
    family: header.getUint8(0),
    interfaceIndex: hostI32(header, 4),
    state: hostU16(header, 8),
    flags: header.getUint8(10),
    type: header.getUint8(11),
  };
  const attributes = new AttributeReader(body, NDMSG_BYTES);
  while (attributes.next()) {
    switch (attributes.type) {
      case NDA_DST:
        neighbour.destination = attributes.ipAddress();
        break;
      case NDA_LLADDR:
        neighbour.linkAddress = attributes.bytes();
        break;
      case NDA_VLAN:
        neighbour.vlan = attributes.u16();
        break;
      case NDA_PORT:
        neighbour.port = attributes.be16();
        break;
      case NDA_VNI:
        neighbour.vni = attributes.u32();
        break;
      case NDA_IFINDEX:
        neighbour.viaInterface = attributes.u32();
        break;
      case NDA_MASTER:
        neighbour.master = attributes.u32();
        break;
      case NDA_PROTOCOL:
        neighbour.protocol = attributes.u8();
        break;
      case NDA_NH_ID:
        neighbour.nexthopId = attributes.u32();
        break;
    }
  }
  return neighbour;
}

function writeHeader(
  writer: MessageWriter,
  neighbour: Pick<Neighbour, 'family' | 'interfaceIndex' | 'state' | 'flags' | 'type'>,
): void {
  writer.u8(neighbour.family);
  writer.u8(0); // ndm_pad1
  writer.u16(0); // ndm_pad2
  writer.u32(neighbour.interfaceIndex);
  writer.u16(neighbour.state);
  writer.u8(neighbour.flags);
  writer.u8(neighbour.type);
}

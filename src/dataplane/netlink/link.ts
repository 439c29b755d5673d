/** Network devices on the wire: struct ifinfomsg and IFLA_* attributes (linux/if_link.h). Pure. */
import {
  AF_UNSPEC,
  IFINFOMSG_BYTES,
  IFLA_ADDRESS,
  IFLA_CARRIER,
  IFLA_EXT_MASK,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINK,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_OPERSTATE,
  IFLA_TXQLEN,
  RTEXT_FILTER_SKIP_STATS,
} from './constants.js';
import { AttributeReader, hostI32, hostU32, structView, type MessageWriter } from './message.js';
import { decodeVxlan, encodeVxlan, type VxlanData } from './vxlan.js';

/** A device as the kernel tells it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFF_* bits. */
  readonly flags: number;
  /** Bytes; 0 when the message does not say. */
  readonly mtu: number;
  /** IF_OPER_*: RFC 2863 state. */
  readonly operState: number;
  /** Absent in messages that do not say. */
  readonly carrier?: boolean;
  /** MAC, or what the kind of device has in its place; no bytes on some tunnels. */
  readonly linkAddress?: Uint8Array;
  /** Index of the bridge, bond or VRF that it is a port of. */
  readonly master?: number;
  /** IFLA_LINK: index of the device below (of a veth: its other end). */
  readonly lower?: number;
  /** IFLA_INFO_KIND: "vxlan", "veth", "bridge" …; physical devices have none. */
  readonly kind?: string;
  /** Settings, for kind "vxlan". */
  readonly vxlan?: VxlanData;
}

/** What RTM_NEWLINK shall set. To change a device name its index; to create one leave the index out. */
export interface LinkRequest {
  readonly index?: number;
  readonly name?: string;
  /** IFF_* bits to set or clear, and which of them are meant. */
  readonly flags?: { readonly value: number; readonly mask: number };
  readonly mtu?: number;
  readonly transmitQueueLength?: number;
  readonly linkAddress?: Uint8Array;
  /** Index of the new master, 0 for none. */
  readonly master?: number;
  readonly vxlan?: VxlanData;
}

const VXLAN_KIND = new TextEncoder().encode('vxlan');

/** Writes the body of RTM_NEWLINK. */
export function encodeLink(writer: MessageWriter, link: LinkRequest): void {
  writeHeader(writer, link.index ?? 0, link.flags);
  if (link.name !== undefined) writer.attributeString(IFLA_IFNAME, link.name);
  if (link.mtu !== undefined) writer.attributeU32(IFLA_MTU, link.mtu);
  if (link.transmitQueueLength !== undefined) writer.attributeU32(IFLA_TXQLEN, link.transmitQueueLength);
  if (link.linkAddress !== undefined) writer.attributeBytes(IFLA_ADDRESS, link.linkAddress);
  if (link.master !== undefined) writer.attributeU32(IFLA_MASTER, link.master);
  if (link.vxlan === undefined) return;
  const info = writer.beginNested(IFLA_LINKINFO);
  writer.attributeBytes(IFLA_INFO_KIND, VXLAN_KIND);
  const data = writer.beginNested(IFLA_INFO_DATA);
  encodeVxlan(writer, link.vxlan);
  writer.endNested(data);
  writer.endNested(info);
}

/** Writes the body of RTM_GETLINK or RTM_DELLINK for one device, by index or by name. */
export function encodeLinkSelector(writer: MessageWriter, device: number | string): void {
  writeHeader(writer, typeof device === 'number' ? device : 0);
  if (typeof device === 'string') writer.attributeString(IFLA_IFNAME, device);
}

/** Writes the body of an RTM_GETLINK dump: all devices, without their counters. */
export function encodeLinkDump(writer: MessageWriter): void {
  writeHeader(writer, 0);
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/**
 * Reads the body of RTM_NEWLINK or RTM_DELLINK.
 * @throws MalformedMessageError
 */
export function decodeLink(body: Uint8Array): Link {
  const header = structView(body, IFINFOMSG_BYTES);
  const link: { -readonly [K in keyof Link]: Link[K] } = {
    index: hostI32(header, 4),
    name: '',
    flags: hostU32(header, 8),
    mtu: 0,
    operState: 0,
  };
  const attributes = new AttributeReader(body, IFINFOMSG_BYTES);
  while (attributes.next()) {
    switch (attributes.type) {
      case IFLA_IFNAME:
        link.name = attributes.string();
        break;
      case IFLA_MTU:
        link.mtu = attributes.u32();
        break;
      case IFLA_OPERSTATE:
        link.operState = attributes.u8();
        break;
      case IFLA_CARRIER:
        link.carrier = attributes.u8() !== 0;
        break;
      case IFLA_ADDRESS:
        link.linkAddress = attributes.bytes();
        break;
      case IFLA_MASTER:
        link.master = attributes.u32();
        break;
      case IFLA_LINK:
        link.lower = attributes.u32();
        break;
      case IFLA_LINKINFO:
        Object.assign(link, decodeLinkInfo(attributes.nested()));
        break;
    }
  }
  return link;
}

function decodeLinkInfo(attributes: AttributeReader): Pick<Link, 'kind' | 'vxlan'> {
  let kind: string | undefined;
  let data: AttributeReader | undefined;
  while (attributes.next()) {
    if (attributes.type === IFLA_INFO_KIND) kind = attributes.string();
    else if (attributes.type === IFLA_INFO_DATA) data = attributes.nested();
  }
  if (kind === undefined) return {};
  return kind === 'vxlan' && data !== undefined ? { kind, vxlan: decodeVxlan(data) } : { kind };
}

function writeHeader(writer: MessageWriter, index: number, flags?: LinkRequest['flags']): void {
  writer.u8(AF_UNSPEC);
  writer.u8(0); // __ifi_pad
  writer.u16(0); // ifi_type
  writer.u32(index);
  writer.u32(flags?.value ?? 0);
  writer.u32(flags?.mask ?? 0);
}

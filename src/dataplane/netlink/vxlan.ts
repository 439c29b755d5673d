/** The IFLA_INFO_DATA of links of kind "vxlan" (linux/if_link.h, drivers/net/vxlan/vxlan_core.c). Pure. */
import {
  IFLA_VXLAN_GBP,
  IFLA_VXLAN_GROUP,
  IFLA_VXLAN_GROUP6,
  IFLA_VXLAN_ID,
  IFLA_VXLAN_L2MISS,
  IFLA_VXLAN_L3MISS,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_LOCAL,
  IFLA_VXLAN_LOCAL6,
  IFLA_VXLAN_PORT,
  IFLA_VXLAN_PROXY,
  IFLA_VXLAN_RSC,
  IFLA_VXLAN_TOS,
  IFLA_VXLAN_TTL,
  IFLA_VXLAN_UDP_CSUM,
  IFLA_VXLAN_UDP_ZERO_CSUM6_RX,
  IFLA_VXLAN_UDP_ZERO_CSUM6_TX,
} from './constants.js';
import type { AttributeReader, MessageWriter } from './message.js';

/** How a VXLAN device is set up. What is absent takes the kernel's default in a request. */
export interface VxlanData {
  /** VNI, 24 bits. */
  readonly id?: number;
  /** Index of the underlay device. */
  readonly link?: number;
  /** Source address of the outer packets, 4 or 16 bytes. */
  readonly local?: Uint8Array;
  /** Default destination (multicast group or remote), 4 or 16 bytes. */
  readonly group?: Uint8Array;
  /** Destination UDP port. */
  readonly port?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly learning?: boolean;
  readonly proxy?: boolean;
  /** Route short circuit. */
  readonly rsc?: boolean;
  readonly l2miss?: boolean;
  readonly l3miss?: boolean;
  /** Checksums in outer IPv4 UDP. */
  readonly udpCsum?: boolean;
  readonly udpZeroCsum6Tx?: boolean;
  readonly udpZeroCsum6Rx?: boolean;
  /** Group Based Policy extension: true or absent, as on the wire. */
  readonly gbp?: true;
}

/** The settings that are one byte, 0 or 1. */
const SWITCHES = [
  [IFLA_VXLAN_LEARNING, 'learning'],
  [IFLA_VXLAN_PROXY, 'proxy'],
  [IFLA_VXLAN_RSC, 'rsc'],
  [IFLA_VXLAN_L2MISS, 'l2miss'],
  [IFLA_VXLAN_L3MISS, 'l3miss'],
  [IFLA_VXLAN_UDP_CSUM, 'udpCsum'],
  [IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 'udpZeroCsum6Tx'],
  [IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 'udpZeroCsum6Rx'],
] as const;

/** Writes the attributes of IFLA_INFO_DATA. */
export function encodeVxlan(writer: MessageWriter, data: VxlanData): void {
  if (data.id !== undefined) writer.attributeU32(IFLA_VXLAN_ID, data.id);
  if (data.link !== undefined) writer.attributeU32(IFLA_VXLAN_LINK, data.link);
  writeAddress(writer, data.local, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6);
  writeAddress(writer, data.group, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6);
  if (data.ttl !== undefined) writer.attributeU8(IFLA_VXLAN_TTL, data.ttl);
  if (data.tos !== undefined) writer.attributeU8(IFLA_VXLAN_TOS, data.tos);
  for (const [type, name] of SWITCHES) {
    const value = data[name];
    if (value !== undefined) writer.attributeU8(type, value ? 1 : 0);
  }
  if (data.gbp === true) writer.attributeFlag(IFLA_VXLAN_GBP);
  if (data.port !== undefined) writer.attributeBe16(IFLA_VXLAN_PORT, data.port);
}

/**
 * Reads the attributes of IFLA_INFO_DATA.
 * @throws MalformedMessageError
 */
export function decodeVxlan(attributes: AttributeReader): VxlanData {
  const data: { -readonly [K in keyof VxlanData]: VxlanData[K] } = {};
  while (attributes.next()) {
    switch (attributes.type) {
      case IFLA_VXLAN_ID:
        data.id = attributes.u32();
        break;
      case IFLA_VXLAN_LINK:
        data.link = attributes.u32();
        break;
      case IFLA_VXLAN_LOCAL:
      case IFLA_VXLAN_LOCAL6:
        data.local = attributes.ipAddress();
        break;
      case IFLA_VXLAN_GROUP:
      case IFLA_VXLAN_GROUP6:
        data.group = attributes.ipAddress();
        break;
      case IFLA_VXLAN_PORT:
        data.port = attributes.be16();
        break;
      case IFLA_VXLAN_TTL:
        data.ttl = attributes.u8();
        break;
      case IFLA_VXLAN_TOS:
        data.tos = attributes.u8();
        break;
      case IFLA_VXLAN_GBP:
        data.gbp = true;
        break;
      default: {
        const row = SWITCHES.find(([type]) => type === attributes.type);
        if (row !== undefined) data[row[1]] = attributes.u8() !== 0;
      }
    }
  }
  return data;
}

function writeAddress(
  writer: MessageWriter,
  address: Uint8Array | undefined,
  type4: number,
  type6: number,
): void {
  if (address !== undefined) writer.attributeBytes(address.length === 4 ? type4 : type6, address);
}

/** Nexthop objects on the wire: struct nhmsg and NHA_* attributes (linux/nexthop.h, Linux 5.3). Pure. */
import {
  NHA_BLACKHOLE,
  NHA_ENCAP_TYPE,
  NHA_FDB,
  NHA_GATEWAY,
  NHA_GROUP,
  NHA_ID,
  NHA_OIF,
  NHMSG_BYTES,
} from './constants.js';
import { AttributeReader, hostU32, structView, type MessageWriter, type WireAddress } from './message.js';

/** A nexthop object as a request makes it: one gateway on one device. */
export interface NexthopRequest {
  /** AF_INET or AF_INET6: the gateway's. */
  readonly family: number;
  /** RTPROT_*: who made it. */
  readonly protocol: number;
  /** RTNH_F_* bits. */
  readonly flags: number;
  /** Unique among all nexthop objects of the network namespace; 0 lets the kernel choose. */
  readonly id: number;
  readonly gateway?: WireAddress | undefined;
  readonly outInterface?: number | undefined;
}

/** A nexthop object as the kernel tells it. */
export interface Nexthop extends NexthopRequest {
  /** 4 or 16 bytes. */
  readonly gateway?: Uint8Array | undefined;
  /** What one gateway on one device cannot express; a group has no device, a blackhole has the loopback. */
  readonly shape: 'plain' | 'group' | 'blackhole' | 'fdb';
  /** LWTUNNEL_ENCAP_*: what packets are wrapped in. */
  readonly encapType?: number;
}

/** Writes the body of RTM_NEWNEXTHOP. */
export function encodeNexthop(writer: MessageWriter, nexthop: NexthopRequest): void {
  writeHeader(writer, nexthop);
  writer.attributeU32(NHA_ID, nexthop.id);
  if (nexthop.gateway !== undefined) writer.attributeIp(NHA_GATEWAY, nexthop.gateway);
  if (nexthop.outInterface !== undefined) writer.attributeU32(NHA_OIF, nexthop.outInterface);
}

/** Writes the body of RTM_DELNEXTHOP, or of RTM_GETNEXTHOP for one object: the kernel refuses more than the id. */
export function encodeNexthopSelector(writer: MessageWriter, id: number): void {
  writeHeader(writer, ANY);
  writer.attributeU32(NHA_ID, id);
}

/** Writes the body of an RTM_GETNEXTHOP dump: all objects of the namespace. */
export function encodeNexthopDump(writer: MessageWriter): void {
  writeHeader(writer, ANY);
}

/**
 * Reads the body of RTM_NEWNEXTHOP or RTM_DELNEXTHOP.
 * @throws MalformedMessageError
 */
export function decodeNexthop(body: Uint8Array): Nexthop {
  const header = structView(body, NHMSG_BYTES);
  const nexthop: { -readonly [K in keyof Nexthop]: Nexthop[K] } = {
    family: header.getUint8(0),
    protocol: header.getUint8(2),
    flags: hostU32(header, 4),
    id: 0,
    shape: 'plain',
  };
  const attributes = new AttributeReader(body, NHMSG_BYTES);
  while (attributes.next()) {
    switch (attributes.type) {
      case NHA_ID:
        nexthop.id = attributes.u32();
        break;
      case NHA_GATEWAY:
        nexthop.gateway = attributes.ipAddress();
        break;
      case NHA_OIF:
        nexthop.outInterface = attributes.u32();
        break;
      case NHA_GROUP:
        nexthop.shape = 'group';
        break;
      case NHA_BLACKHOLE:
        nexthop.shape = 'blackhole';
        break;
      case NHA_ENCAP_TYPE:
        nexthop.encapType = attributes.u16();
        break;
      case NHA_FDB:
        nexthop.shape = 'fdb';
        break;
    }
  }
  return nexthop;
}

/** In a question or a removal all fields of the header must be zero. */
const ANY = { family: 0, protocol: 0, flags: 0 } as const;

function writeHeader(
  writer: MessageWriter,
  { family, protocol, flags }: Pick<NexthopRequest, 'family' | 'protocol' | 'flags'>,
): void {
  writer.u8(family);
  writer.u8(0); // nh_scope: the kernel's to find out
  writer.u8(protocol);
  writer.u8(0); // resvd
  writer.u32(flags);
}

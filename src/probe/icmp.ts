/**
 * ICMP for IPv4 as bytes (RFC 792): echo requests out; echo replies, and routers' word on packets that are too large
 * or do not get there, in. Pure.
 */
import { ipFromBytes, ipToBytes, type IpAddress } from '../address/ip.js';

/** IPv4 header without options (RFC 791). */
export const IPV4_HEADER = 20;
/** Type, code, checksum, identifier, sequence number. */
export const ICMP_HEADER = 8;
/** Bytes of an echo's data that are ours: they tell our own requests from those of another program with the same identifier. */
export const COOKIE_LENGTH = 8;
/** The smallest IPv4 packet that holds an echo of ours; also what ordinary probes have. */
export const SMALLEST_PACKET = IPV4_HEADER + ICMP_HEADER + COOKIE_LENGTH;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
const ICMP_ECHO_REQUEST = 8;
/** "Fragmentation needed and DF set": the MTU of the next hop is in bytes 6 and 7 (RFC 1191). */
const CODE_FRAGMENTATION_NEEDED = 4;
const PROTOCOL_ICMP = 1;
const IPV4_WITHOUT_OPTIONS = 0x45;
/** Bit of the field that begins at byte 6. */
const DONT_FRAGMENT = 0x4000;
/** What Linux gives its own packets. */
const TTL = 64;

/** What makes a request ours, and which one it is. */
export interface EchoId {
  /** 16 bits. */
  readonly identifier: number;
  /** 16 bits. */
  readonly sequence: number;
}

export interface EchoRequest extends EchoId {
  /** `COOKIE_LENGTH` bytes. */
  readonly cookie: Uint8Array;
  /** IPv4. */
  readonly destination: IpAddress;
  /** Of the whole IPv4 packet, bytes; at least `SMALLEST_PACKET`. */
  readonly packetSize: number;
  /** Whether routers may. */
  readonly mayFragment: boolean;
}

/** A packet that came in. */
export type IcmpPacket =
  | { readonly kind: 'echo-reply'; readonly echo: EchoId; readonly data: Uint8Array }
  /** An echo request of ours did not fit somewhere. */
  | {
      readonly kind: 'too-large';
      readonly echo: EchoId;
      /** Where the request was going. */
      readonly destination: IpAddress;
      /** MTU of the narrow link, bytes; 0 from routers of before RFC 1191. */
      readonly mtu: number;
    }
  /** A packet of this host, whatever it was, did not get there: RFC 792's type 3 but "fragmentation needed". */
  | { readonly kind: 'unreachable'; readonly destination: IpAddress }
  /** Sound, and nothing of what we ask for. */
  | { readonly kind: 'other' }
  | { readonly kind: 'malformed'; readonly reason: string };

/**
 * @returns the packet from its IPv4 header on, for a socket with IP_HDRINCL: the kernel fills in identification, length,
 * source and the header's checksum (raw(7))
 */
export function encodeEchoRequest(request: EchoRequest): Buffer {
  const { identifier, sequence, cookie, destination, packetSize, mayFragment } = request;
  const packet = Buffer.alloc(packetSize);
  packet[0] = IPV4_WITHOUT_OPTIONS;
  packet.writeUInt16BE(mayFragment ? 0 : DONT_FRAGMENT, 6);
  packet[8] = TTL;
  packet[9] = PROTOCOL_ICMP;
  packet.set(ipToBytes(destination), 16);
  const message = packet.subarray(IPV4_HEADER);
  message[0] = ICMP_ECHO_REQUEST;
  message.writeUInt16BE(identifier, 4);
  message.writeUInt16BE(sequence, 6);
  message.set(cookie, ICMP_HEADER);
  message.writeUInt16BE(checksumOf(message), 2);
  return packet;
}

/**
 * Reads what a raw ICMP socket gives: an IPv4 packet from its header on. Never throws.
 * @param packet may be anything
 */
export function decodeIcmp(packet: Uint8Array): IcmpPacket {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const body = bodyOf(bytes);
  if (typeof body === 'string') return { kind: 'malformed', reason: body };
  const message = bytes.subarray(body.start, body.end);
  if (message.length < ICMP_HEADER) return { kind: 'malformed', reason: 'shorter than an ICMP header' };
  if (checksumOf(message) !== 0) return { kind: 'malformed', reason: 'wrong ICMP checksum' };
  if (message[0] === ICMP_ECHO_REPLY)
    return { kind: 'echo-reply', echo: echoOf(message), data: message.subarray(ICMP_HEADER) };
  return message[0] === ICMP_UNREACHABLE ? unreachable(message) : { kind: 'other' };
}

/** The part behind the IPv4 header, or what is wrong. The kernel has merged fragments. */
function bodyOf(bytes: Buffer): { readonly start: number; readonly end: number } | string {
  if (bytes.length < IPV4_HEADER) return 'shorter than an IPv4 header';
  if (bytes[0]! >> 4 !== 4) return 'not IPv4';
  const start = (bytes[0]! & 0x0f) * 4;
  if (start < IPV4_HEADER) return 'impossible length of the IPv4 header';
  if (bytes[9] !== PROTOCOL_ICMP) return 'not ICMP';
  const end = bytes.readUInt16BE(2);
  return end < start || end > bytes.length ? 'cut short' : { start, end };
}

/** The message holds the header of the packet that it is about, and at least 8 bytes of its body. */
function unreachable(message: Buffer): IcmpPacket {
  const original = message.subarray(ICMP_HEADER);
  const start = (original[0] ?? 0) >> 4 === 4 ? (original[0]! & 0x0f) * 4 : 0;
  if (start < IPV4_HEADER || original.length < start + ICMP_HEADER)
    return { kind: 'malformed', reason: 'the packet that it is about is cut short' };
  const destination = ipFromBytes(original.subarray(16, 20));
  if (message[1] !== CODE_FRAGMENTATION_NEEDED) return { kind: 'unreachable', destination };
  const echo = original.subarray(start);
  if (original[9] !== PROTOCOL_ICMP || echo[0] !== ICMP_ECHO_REQUEST) return { kind: 'other' };
  return {
    kind: 'too-large',
    echo: echoOf(echo),
    destination,
    mtu: message.readUInt16BE(6),
  };
}

function echoOf(message: Buffer): EchoId {
  return { identifier: message.readUInt16BE(4), sequence: message.readUInt16BE(6) };
}

/** The Internet checksum (RFC 1071); 0 over a message that holds its own. */
export function checksumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes[i]! * 256 + bytes[i + 1]!;
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1]! * 256;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

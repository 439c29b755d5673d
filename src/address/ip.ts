/**
 * IP addresses as canonical text.
 *
 * An address is a string everywhere outside the byte codec: it is its own map key, compares with `===`, and prints as
 * operators write it. What makes that sound is that every address enters through `parseIp`, `ipFromBytes` or
 * `ipFromNumber`, which give one text per address: dotted quad for IPv4, the form of RFC 5952 for IPv6.
 */
import IPCIDR from 'ip-cidr';

/** 4 or 6, as in "IPv4" and "IPv6". */
export type Family = 4 | 6;

/** An IPv4 or IPv6 address in canonical text. */
export type IpAddress = string;

/** Bits in an address of the family. */
export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The family of a canonical address. */
export function familyOf(address: IpAddress): Family {
  return address.includes(':') ? 6 : 4;
}

/**
 * Reads an address.
 * @param text dotted quad without leading zeros, or any RFC 4291 form of IPv6 without a zone
 * @returns the canonical text, or undefined when it is not an address
 */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(':')) return parseIpv4Number(text) === undefined ? undefined : text;
  const hex = withoutDottedTail(text);
  if (!/^[0-9a-fA-F:]+$/.test(hex) || !IPCIDR.isValidAddress(hex)) return undefined;
  return canonicalIpv6(hex);
}

/** The address as 4 or 16 bytes in network order. */
export function ipToBytes(address: IpAddress): Uint8Array {
  return familyOf(address) === 4 ? ipv4Bytes(address) : ipv6Bytes(address);
}

/** No bigint on this way. */
function ipv4Bytes(address: IpAddress): Uint8Array {
  const value = ipv4ToNumber(address);
  const bytes = new Uint8Array(4);
  bytes[0] = value >>> 24;
  bytes[1] = value >>> 16;
  bytes[2] = value >>> 8;
  bytes[3] = value;
  return bytes;
}

function ipv6Bytes(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  let rest = ipToNumber(address);
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/**
 * The address in 4 or 16 bytes of network order.
 * @throws RangeError for any other number of bytes
 */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return `${bytes[0]!}.${bytes[1]!}.${bytes[2]!}.${bytes[3]!}`;
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return ipFromNumber(value, 6);
}

/** The address as an unsigned number of 32 or 128 bits. */
export function ipToNumber(address: IpAddress): bigint {
  if (familyOf(address) === 4) return BigInt(ipv4ToNumber(address));
  return new IPCIDR(`${address}/128`).start<bigint>({ type: 'bigInteger' });
}

/** The address whose number is `value`; the inverse of `ipToNumber`. */
export function ipFromNumber(value: bigint, family: Family): IpAddress {
  if (value < 0n || value >> BigInt(bitsOf(family)) !== 0n) {
    throw new RangeError(`${value} is not the number of an IPv${family} address`);
  }
  if (family === 4) return ipv4FromNumber(Number(value));
  const hex = value.toString(16).padStart(32, '0');
  return canonicalIpv6(hex.replace(/(.{4})(?!$)/g, '$1:'));
}

/**
 * The number of a canonical IPv4 address, without a bigint: for what is done with every entry.
 * @throws RangeError for what is no IPv4 address
 */
export function ipv4ToNumber(address: IpAddress): number {
  const value = parseIpv4Number(address);
  if (value === undefined) throw new RangeError(`not an IPv4 address: ${address}`);
  return value;
}

/** The IPv4 address whose number has these low 32 bits; the inverse of `ipv4ToNumber`. */
export function ipv4FromNumber(value: number): IpAddress {
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}

/**
 * Why a host cannot be reached at this address, or undefined when it can: unspecified, loopback, link-local,
 * multicast and broadcast addresses never name another host of the underlay.
 */
export function notAHostAddress(address: IpAddress): string | undefined {
  if (familyOf(address) === 6) {
    if (address === '::') return 'unspecified';
    if (address === '::1') return 'loopback';
    // Four digits: the canonical text has no leading zeros, and ff::1 is 00ff::1.
    if (/^fe[89ab][0-9a-f]:/.test(address)) return 'link-local';
    return /^ff[0-9a-f]{2}:/.test(address) ? 'multicast' : undefined;
  }
  const first = ipv4ToNumber(address) >>> 24;
  if (first === 0) return 'unspecified';
  if (first === 127) return 'loopback';
  if (address.startsWith('169.254.')) return 'link-local';
  if (first >= 224 && first < 240) return 'multicast';
  return first >= 240 ? 'reserved or broadcast' : undefined;
}

function canonicalIpv6(hex: string): IpAddress {
  return IPCIDR.createAddress(hex).correctForm();
}

/** The library would turn ::ffff:1.2.3.4 into an IPv4 address, and fails on a tail that is one group too many. */
function withoutDottedTail(text: string): string {
  const start = text.lastIndexOf(':') + 1;
  const value = parseIpv4Number(text.slice(start));
  if (value === undefined) return text;
  return `${text.slice(0, start)}${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
}

const [DOT, ZERO, NINE] = ['.', '0', '9'].map(character => character.charCodeAt(0)) as [
  number,
  number,
  number,
];

/**
 * The number of an IPv4 address, or undefined for any other text.
 *
 * Hand-written because every lease and every kernel entry passes here; the library's parser costs 50 times as much, a
 * regular expression 5 times.
 */
export function parseIpv4Number(text: string): number | undefined {
  let value = 0;
  let bytes = 0;
  // The byte that is being read; undefined before its first digit.
  let byte: number | undefined;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (byte === undefined || bytes === 3) return undefined;
      value = value * 256 + byte;
      bytes++;
      byte = undefined;
    } else if (code < ZERO || code > NINE || byte === 0) {
      // A leading zero is refused: some parsers would read it as octal, and two texts would mean one address.
      return undefined;
    } else {
      byte = (byte ?? 0) * 10 + code - ZERO;
      if (byte > 255) return undefined;
    }
  }
  return bytes === 3 && byte !== undefined ? value * 256 + byte : undefined;
}

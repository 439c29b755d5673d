/** IP prefixes of both families: parse, print, compare, cut into subnets. Pure. */
import {
  bitsOf,
  familyOf,
  ipFromNumber,
  ipToNumber,
  ipv4ToNumber,
  parseIp,
  type Family,
  type IpAddress,
} from './ip.js';

/** A block of addresses. `address` has no bits set beyond `length` unless a function says otherwise. */
export interface Prefix {
  readonly family: Family;
  readonly address: IpAddress;
  readonly length: number;
}

/**
 * Reads `ADDRESS/LENGTH` as written; host bits stay (see `maskPrefix`).
 * @returns undefined when the text is not an address and a length that fits its family
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const lengthText = text.slice(slash + 1);
  if (slash < 0 || !/^\d{1,3}$/.test(lengthText)) return undefined;
  return makePrefix(text.slice(0, slash), Number(lengthText));
}

/** A prefix from address text and length, or undefined when either is impossible; host bits stay. */
export function makePrefix(addressText: string, length: number): Prefix | undefined {
  const address = parseIp(addressText);
  if (address === undefined) return undefined;
  const family = familyOf(address);
  return length >= 0 && length <= bitsOf(family) ? { family, address, length } : undefined;
}

/** `ADDRESS/LENGTH`; one text per prefix, so it serves as a map key. */
export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address}/${prefix.length}`;
}

/** The same prefix with its host bits cleared. */
export function maskPrefix(prefix: Prefix): Prefix {
  const size = sizeOf(prefix);
  const value = ipToNumber(prefix.address);
  const base = value - (value % size);
  return base === value ? prefix : { ...prefix, address: ipFromNumber(base, prefix.family) };
}

/** Whether no bit is set beyond the prefix length. */
export function isMasked(prefix: Prefix): boolean {
  if (prefix.family === 4) return ipv4ToNumber(prefix.address) % 2 ** (32 - prefix.length) === 0;
  return ipToNumber(prefix.address) % sizeOf(prefix) === 0n;
}

/** Number of addresses in the prefix. */
export function sizeOf(prefix: Prefix): bigint {
  return 1n << BigInt(bitsOf(prefix.family) - prefix.length);
}

/** First and last address of the (masked) prefix as numbers. */
export function rangeOf(prefix: Prefix): { first: bigint; last: bigint } {
  const size = sizeOf(prefix);
  const value = ipToNumber(prefix.address);
  const first = value - (value % size);
  return { first, last: first + size - 1n };
}

export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && a.address === b.address;
}

/** Whether every address of `inner` is in `outer`. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && containsIp(outer, inner.address);
}

/** Whether the address is in the prefix; false across families. */
export function containsIp(outer: Prefix, address: IpAddress): boolean {
  if (outer.family !== familyOf(address)) return false;
  if (outer.family === 4) {
    // Shifting by 32 is shifting by 0.
    const differing = ipv4ToNumber(outer.address) ^ ipv4ToNumber(address);
    return outer.length === 0 || differing >>> (32 - outer.length) === 0;
  }
  const { first, last } = rangeOf(outer);
  const value = ipToNumber(address);
  return value >= first && value <= last;
}

/** Whether the two share an address. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.length <= b.length ? containsPrefix(a, b) : containsPrefix(b, a);
}

/** The address `offset` after the prefix's own address. */
export function addressAt(prefix: Prefix, offset: bigint): IpAddress {
  return ipFromNumber(ipToNumber(prefix.address) + offset, prefix.family);
}

/** The prefix of one address: /32 or /128. */
export function hostPrefix(address: IpAddress): Prefix {
  const family = familyOf(address);
  return { family, address, length: bitsOf(family) };
}

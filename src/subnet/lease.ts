/**
 * A lease as etcd holds it: key ↔ subnet, value ↔ attributes. Pure.
 *
 * Both forms are flannel's (pkg/subnet/subnet.go, pkg/lease/lease.go), because flanneld nodes read what we write and we
 * read what they write. We are stricter as a reader: what flannel would take half-way is a fault here.
 */
import * as z from 'zod';
import type { IpAddress } from '../address/ip.js';
import { formatPrefix, isMasked, makePrefix, type Prefix } from '../address/prefix.js';
import { ipAddress } from '../schema/fields.js';
import { formatFault, readGoObject } from '../schema/go-json.js';
import { formatHolder, readHolder, type LeaseHolder } from './holder.js';
import type { KeyValue } from './store.js';

/** The subnets that one key stands for. Dual-stack hosts hold one of each family under one key. */
export interface LeaseSubnets {
  readonly ipv4: Prefix;
  readonly ipv6?: Prefix;
}

/** What a host says of itself in its lease. */
export interface LeaseAttributes {
  /** Where peers send encapsulated or next-hop traffic, IPv4. */
  readonly publicIp: IpAddress;
  readonly publicIpv6?: IpAddress;
  /** Lower-case type name. Empty for flannel's `udp` and `alloc`, which write none. */
  readonly backendType: string;
  /** Whatever the backend of that type publishes; each backend checks its own. */
  readonly backendData?: unknown;
  readonly backendV6Data?: unknown;
  /** Which host it is; flanneld does not say. */
  readonly holder?: LeaseHolder;
}

/** A lease that was read from the store. */
export interface Lease extends LeaseAttributes {
  readonly subnets: LeaseSubnets;
  /** Key in the store, in full. */
  readonly key: string;
  /** Store revision that created the key; among leases in conflict the oldest is right. */
  readonly createRevision: bigint;
  /** Store revision of the last change, for compare-and-change. */
  readonly modRevision: bigint;
  /** The etcd lease that keeps the key, or `0` for a reservation. */
  readonly leaseId: string;
}

export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/**
 * Reads the last part of a lease key: `A.B.C.D-LEN` or `A.B.C.D-LEN&V6ADDR-LEN6`.
 * Lengths that flannel's readers refuse (/32, /128) and host bits are faults.
 */
export function parseSubnetKey(text: string): Parsed<LeaseSubnets> {
  const match = /^([0-9.]+)-([0-9]{1,2})(?:&([0-9a-f:]+)-([0-9]{1,3}))?$/.exec(text);
  if (match === null) return fault('key is not of the form ADDRESS-LENGTH');
  const ipv4 = parseKeyPart(match[1]!, match[2]!, 31);
  if (!ipv4.ok || match[3] === undefined) return ipv4.ok ? ok({ ipv4: ipv4.value }) : ipv4;
  const ipv6 = parseKeyPart(match[3], match[4]!, 127);
  return ipv6.ok ? ok({ ipv4: ipv4.value, ipv6: ipv6.value }) : ipv6;
}

function parseKeyPart(address: string, lengthText: string, longest: 31 | 127): Parsed<Prefix> {
  const length = Number(lengthText);
  const prefix = makePrefix(address, length);
  if (prefix === undefined || length > longest) return fault(`${address}-${lengthText} is not a subnet`);
  return isMasked(prefix) ? ok(prefix) : fault(`${formatPrefix(prefix)} has host bits set`);
}

/** The last part of the key for these subnets; the inverse of `parseSubnetKey`. */
export function formatSubnetKey(subnets: LeaseSubnets): string {
  const part = (prefix: Prefix) => `${prefix.address}-${prefix.length}`;
  return subnets.ipv6 === undefined ? part(subnets.ipv4) : `${part(subnets.ipv4)}&${part(subnets.ipv6)}`;
}

/** Real ones have about 250. What is nested thousands deep would overflow the stack of whoever walks through it. */
const LONGEST_VALUE = 4096;

/** Unknown fields are ignored, as flannel ignores them: they are how both sides may grow. */
const leaseValue = {
  PublicIP: ipAddress(4).default('0.0.0.0'),
  PublicIPv6: ipAddress(6).optional(),
  BackendType: z.string({ error: 'must be a string' }).default(''),
  BackendData: z.unknown(),
  BackendV6Data: z.unknown(),
  Selvedge: z.unknown(),
};

/** Reads a lease value. A missing PublicIP means `0.0.0.0`, as for flannel; whether that will do is the peer check's. */
export function parseLeaseValue(text: string): Parsed<LeaseAttributes> {
  if (text.length > LONGEST_VALUE) return fault(`value is longer than ${LONGEST_VALUE} characters`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return fault('value is not JSON');
  }
  const { fields, faults, nulls } = readGoObject(leaseValue, json);
  if (faults.length > 0) return fault(faults.map(formatFault).join('; '));
  // Go's decoder takes null for a missing field, but not in the place of an IPv4 address.
  if (nulls.includes('PublicIP')) return fault('PublicIP: null must be an IPv4 address');
  const { PublicIP: publicIp = '0.0.0.0', BackendType: backendType = '' } = fields;
  const { PublicIPv6: publicIpv6, BackendData: backendData, BackendV6Data: backendV6Data } = fields;
  const holder = readHolder(fields.Selvedge);
  return ok(withOptional({ publicIp, backendType }, { publicIpv6, backendData, backendV6Data, holder }));
}

type Optional = Pick<LeaseAttributes, 'publicIpv6' | 'backendData' | 'backendV6Data' | 'holder'>;

/**
 * The same object with those of these fields that are there. Field by field: there is one for every lease, and a spread
 * costs ten times as much.
 */
function withOptional<T extends object>(
  to: T,
  {
    publicIpv6,
    backendData,
    backendV6Data,
    holder,
  }: { readonly [K in keyof Optional]: Optional[K] | undefined },
): T & Optional {
  const full: T & { -readonly [K in keyof Optional]: Optional[K] } = to;
  if (backendData !== undefined) full.backendData = backendData;
  if (holder !== undefined) full.holder = holder;
  if (publicIpv6 !== undefined) full.publicIpv6 = publicIpv6;
  if (backendV6Data !== undefined) full.backendV6Data = backendV6Data;
  return full;
}

/**
 * Writes a lease value: compact JSON with flannel's field order, our own field last; empty fields are left out as flannel
 * leaves them out.
 */
export function formatLeaseValue(attributes: LeaseAttributes): string {
  return JSON.stringify({
    PublicIP: attributes.publicIp,
    PublicIPv6: attributes.publicIpv6 ?? null,
    BackendType: attributes.backendType === '' ? undefined : attributes.backendType,
    BackendData: attributes.backendData,
    BackendV6Data: attributes.backendV6Data,
    Selvedge: attributes.holder && formatHolder(attributes.holder),
  });
}

/**
 * The search for our own lease and the judgement of peers read all entries. What was read is kept at the entry itself: a
 * WeakMap of ten thousand costs hashes, and the collector's work in the midst of a start.
 */
const PARSED = Symbol('the lease in this entry');

interface ParsedEntry extends KeyValue {
  /** A copy of the entry has it of another, where it is of no concern. */
  [PARSED]?: { readonly of: KeyValue; readonly keyPrefix: string; readonly lease: ParsedLease };
}

/**
 * Reads a lease from its key and value, once of each entry.
 * @param keyPrefix `<prefix>/subnets/`, which the key starts with
 */
export function parseLease(entry: ParsedEntry, keyPrefix: string): ParsedLease {
  const known = entry[PARSED];
  if (known?.of === entry && known.keyPrefix === keyPrefix) return known.lease;
  const lease = readLease(entry, keyPrefix);
  entry[PARSED] = { of: entry, keyPrefix, lease };
  return lease;
}

function readLease(entry: KeyValue, keyPrefix: string): ParsedLease {
  const subnets = parseSubnetKey(entry.key.slice(keyPrefix.length));
  if (!subnets.ok) return { ...subnets, code: 'bad-key' };
  const attributes = parseLeaseValue(entry.value);
  if (!attributes.ok) return { ...attributes, code: 'bad-value' };
  const { key, createRevision, modRevision, leaseId } = entry;
  const { publicIp, backendType } = attributes.value;
  const lease = { publicIp, backendType, subnets: subnets.value, key, createRevision, modRevision, leaseId };
  return { ok: true, value: withOptional(lease, attributes.value) };
}

export type ParsedLease =
  | { readonly ok: true; readonly value: Lease }
  | { readonly ok: false; readonly code: 'bad-key' | 'bad-value'; readonly reason: string };

function ok<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function fault(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}

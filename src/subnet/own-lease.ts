/** What the host's own lease is, and which of the leases in the store are or may be it. Pure. */
import type { IpAddress } from '../address/ip.js';
import { overlaps, type Prefix } from '../address/prefix.js';
import { isInRange } from './allocate.js';
import type { LeaseHolder } from './holder.js';
import { parseLease, type Lease, type LeaseAttributes } from './lease.js';
import type { SubnetRange } from './network-config.js';
import { isReservation } from './reservation.js';
import type { KeyValue } from './store.js';

/** How we came by a subnet. */
export type Origin = 'own' | 'state' | 'subnet-file' | 'free';

export interface SubnetChoice {
  readonly subnet: Prefix;
  readonly origin: Origin;
  /** When the host first took it, if that is known; as `LeaseHolder` has it. */
  readonly since?: string | undefined;
}

export interface OwnLease extends SubnetChoice {
  readonly key: string;
  readonly value: string;
  readonly modRevision: bigint;
  /** The etcd lease, or `0` for a reservation: a key that never expires. */
  readonly leaseId: string;
  /** The etcd lease was granted for it just now: when, by the steady clock, and for how many seconds. */
  readonly granted?: { readonly at: number; readonly seconds: number };
}

/** What the host wants of the network. */
export interface LeaseWish {
  readonly range: SubnetRange;
  readonly publicIp: IpAddress;
  /** The host itself, as its leases name it. */
  readonly node: Pick<LeaseHolder, 'nodeId' | 'name'>;
  /** Subnets that the host had before, the best first. */
  readonly preferred: readonly SubnetChoice[];
  /** Key of the lease that the host had last: of several that bear our public IP, this one is it. */
  readonly preferredKey?: string | undefined;
  /** What the lease shall say, besides who holds it. */
  readonly attributes: LeaseAttributes;
}

/**
 * What ended the keeping of a lease: its time was over; etcd was wiped, restored or exchanged; somebody deleted the key or
 * revoked the etcd lease before its time; another host has the key.
 */
export type Loss = 'expired' | 'wiped' | 'deleted' | 'taken';

/** By what a host knows its leases. */
export type HostMarks = Pick<LeaseWish, 'publicIp' | 'node' | 'preferredKey'>;

/** A lease that says who holds it. */
export type HeldLease = Lease & { readonly holder: LeaseHolder };

/**
 * A lease that may be our earlier one, unless its holder lives. `same-ip`: it has our public IP and another node id, as
 * after a new installation, or because another host has our address. `same-id`: it is the one that we had last, with our
 * node id and another public IP, as after a change of our address, or because we are a clone of its holder.
 */
export interface Rival {
  readonly kind: 'same-ip' | 'same-id';
  readonly lease: HeldLease;
}

/**
 * The host's own lease in the store: of those with its public IP and its node id or none (flanneld's on this host) one that
 * is fit, else any; among them the one of `preferredKey`, else one with the id, else the first in key order, as flannel
 * finds it.
 * @param keyPrefix `<prefix>/subnets/`
 */
export function findOwnLease(
  entries: Iterable<KeyValue>,
  keyPrefix: string,
  host: HostMarks & Pick<LeaseWish, 'range'>,
): Lease | undefined {
  const rank = (lease: Lease) => (lease.key === host.preferredKey ? 0 : hasOurId(lease, host) ? 1 : 2);
  const own = parseLeases(entries, keyPrefix)
    .filter(lease => claimOn(lease, host) === 'ours')
    .sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
  return own.find(lease => isFit(lease, host)) ?? own[0];
}

/**
 * Whether we can go on with a lease: its subnet is one of the range, and it has none of IPv6. We have no IPv6 part to write,
 * and flanneld needs PublicIPv6 and BackendV6Data in the value of a dual-stack key.
 */
export function isFit({ subnets }: Pick<Lease, 'subnets'>, { range }: Pick<LeaseWish, 'range'>): boolean {
  return subnets.ipv6 === undefined && isInRange(range, subnets.ipv4);
}

/** Leases that may be our earlier one, those with our public IP first: while such a holder lives, we must not go on at all. */
export function findRivals(entries: Iterable<KeyValue>, keyPrefix: string, host: HostMarks): Rival[] {
  const leases = parseLeases(entries, keyPrefix)
    .filter(isHeld)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const ofKind = (kind: Rival['kind']) =>
    leases.filter(lease => claimOn(lease, host) === kind).map((lease): Rival => ({ kind, lease }));
  return [...ofKind('same-ip'), ...ofKind('same-id')];
}

/**
 * The lease of another host that is older than our own and has a part of its subnet: written under another name (a
 * dual-stack key, another length) after we looked and before our key was there. All hosts believe the older one.
 * @param key of our lease; it is among the entries
 */
export function findElder(
  entries: ReadonlyMap<string, KeyValue>,
  keyPrefix: string,
  { key, subnet }: Pick<OwnLease, 'key' | 'subnet'>,
  host: HostMarks,
): Lease | undefined {
  const born = entries.get(key)?.createRevision ?? 0n;
  return parseLeases(entries.values(), keyPrefix).find(
    lease =>
      lease.createRevision < born && overlaps(lease.subnets.ipv4, subnet) && claimOn(lease, host) !== 'ours',
  );
}

function isHeld(lease: Lease): lease is HeldLease {
  return lease.holder !== undefined;
}

/** Whether a lease bears our node id. */
export function hasOurId({ holder }: Pick<Lease, 'holder'>, { node }: Pick<HostMarks, 'node'>): boolean {
  return holder?.nodeId === node.nodeId;
}

function claimOn(lease: Lease, host: HostMarks): 'ours' | Rival['kind'] | 'none' {
  if (lease.publicIp === host.publicIp) {
    return lease.holder === undefined || hasOurId(lease, host) ? 'ours' : 'same-ip';
  }
  // A reservation is for a public IP, and nothing tells whether the host that it is for lives.
  const isOurLast = hasOurId(lease, host) && lease.key === host.preferredKey;
  return isOurLast && !isReservation(lease) ? 'same-id' : 'none';
}

function parseLeases(entries: Iterable<KeyValue>, keyPrefix: string): Lease[] {
  const leases: Lease[] = [];
  for (const entry of entries) {
    if (!entry.key.startsWith(keyPrefix)) continue;
    const parsed = parseLease(entry, keyPrefix);
    if (parsed.ok) leases.push(parsed.value);
  }
  return leases;
}

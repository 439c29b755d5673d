/**
 * What it takes to reserve a subnet or to give one back, and when it is refused: a lease in use is never taken from its
 * host. Pure.
 */
import { notAHostAddress, type IpAddress } from '../address/ip.js';
import {
  containsIp,
  containsPrefix,
  formatPrefix,
  isMasked,
  maskPrefix,
  overlaps,
  samePrefix,
  type Prefix,
} from '../address/prefix.js';
import { isInRange } from './allocate.js';
import { formatSubnetKey, parseLease, parseSubnetKey, type Lease } from './lease.js';
import type { LeaseTime } from './lease-times.js';
import type { SubnetRange } from './network-config.js';
import { silentAfterMs } from './renewal.js';
import { isReservation, isUnusedReservation } from './reservation.js';
import type { KeyValue } from './store.js';

/** `mistake`: it can never be so. `state`: as things are now it is refused, or there is nothing to do. */
export interface Refusal {
  readonly kind: 'refuse';
  readonly because: 'mistake' | 'state';
  readonly reason: string;
}

export type ReservePlan =
  /** The key, `<prefix>/subnets/…`, is to be created. */
  | { readonly kind: 'create'; readonly key: string }
  /** The host holds it now: its key is to lose its etcd lease and nothing else. */
  | { readonly kind: 'keep'; readonly entry: KeyValue; readonly lease: Lease }
  | Refusal;

export type ReleasePlan =
  | { readonly kind: 'delete'; readonly entry: KeyValue; readonly lease: Lease | undefined }
  /** A host uses the reservation: its key is to get an etcd lease and to change in nothing else. */
  | { readonly kind: 'let-expire'; readonly entry: KeyValue; readonly lease: Lease }
  | Refusal;

/** What the store has, as far as it matters here. */
export interface Holdings {
  readonly entries: readonly KeyValue[];
  /** `<prefix>/subnets/`. */
  readonly keyPrefix: string;
}

/** Who a lease belongs to, for people: `192.0.2.7 (node7)`. */
export function holderOf({ publicIp, holder }: Lease): string {
  return holder === undefined || holder.name === '' ? publicIp : `${publicIp} (${holder.name})`;
}

/** How a subnet comes to be reserved for the host with this public IP. */
export function planReserve(
  holdings: Holdings,
  range: SubnetRange,
  wanted: { readonly subnet: Prefix; readonly publicIp: IpAddress },
): ReservePlan {
  const { subnet, publicIp } = wanted;
  const mistake = mistakeIn(range, subnet) ?? mistakenAddress(range, publicIp);
  if (mistake !== undefined) return refuse('mistake', mistake);
  const text = formatPrefix(subnet);
  const leases = parseAll(holdings);
  for (const { entry, subnet: taken, lease } of leases) {
    if (taken === undefined || !overlaps(taken, subnet)) continue;
    if (lease === undefined)
      return refuse('state', `the key ${entry.key} stands for ${text} and its value cannot be read`);
    if (!samePrefix(taken, subnet))
      return refuse('state', `${text} overlaps ${formatPrefix(taken)}, which ${describeHold(lease)}`);
    if (lease.publicIp !== publicIp) return refuse('state', `${text} ${describeHold(lease)}`);
    if (isReservation(entry)) return refuse('state', `${text} ${describeHold(lease)} already: nothing to do`);
    return { kind: 'keep', entry, lease };
  }
  const other = leases.find(({ lease }) => lease?.publicIp === publicIp)?.lease;
  if (other !== undefined) {
    const has = formatPrefix(other.subnets.ipv4);
    return refuse(
      'state',
      `${publicIp} has another subnet, ${has}, and would keep that one: stop its agent if one runs, ` +
        `then "selvedge leases release ${has}" and try again`,
    );
  }
  return { kind: 'create', key: holdings.keyPrefix + formatSubnetKey({ ipv4: subnet }) };
}

/**
 * How a subnet is given back.
 * @param time of the etcd lease of the subnet's key; undefined when it has none, or that is over
 * @param force also what a host may still use
 */
export function planRelease(
  holdings: Holdings,
  subnet: Prefix,
  time: LeaseTime | undefined,
  force: boolean,
): ReleasePlan {
  const text = formatPrefix(subnet);
  const found = findSubnet(holdings, subnet);
  if (found.length === 0) return refuse('state', `${text} is neither leased nor reserved: nothing to do`);
  if (found.length > 1) {
    const keys = found.map(({ entry }) => entry.key).join(' and ');
    return refuse(
      'state',
      `${text} has several keys, ${keys}: look which one is wrong, and delete it with etcdctl`,
    );
  }
  const { entry, lease } = found[0]!;
  if (force) return { kind: 'delete', entry, lease };
  if (lease === undefined) {
    return refuse('state', `the value of ${entry.key} cannot be read: --force deletes it all the same`);
  }
  if (isUnusedReservation(lease)) return { kind: 'delete', entry, lease };
  if (isReservation(lease)) return { kind: 'let-expire', entry, lease };
  if (time === undefined) return refuse('state', `the lease of ${text} has just ended: nothing to do`);
  const ago = time.refreshedSecondsAgo;
  const silentAfter = Math.ceil(silentAfterMs(time.grantedSeconds) / 1000);
  // The age is rounded up.
  if (ago <= silentAfter) {
    return refuse(
      'state',
      `${text} is held by ${holderOf(lease)}, which renewed it ${ago} s ago: stop its agent and try again ` +
        `${silentAfter} s later, or use --force`,
    );
  }
  // flanneld renews once a day, and ends when its key is deleted.
  if (lease.holder === undefined) {
    return refuse(
      'state',
      `${text} is held by ${holderOf(lease)} and may be a flanneld's, which renews once a day only: ` +
        'make sure that it does not run there, then use --force',
    );
  }
  return { kind: 'delete', entry, lease };
}

/** The keys that stand for exactly this subnet: one, unless somebody wrote a dual-stack key for it too. */
export function findSubnet(
  holdings: Holdings,
  subnet: Prefix,
): { readonly entry: KeyValue; readonly lease: Lease | undefined }[] {
  return parseAll(holdings).filter(found => found.subnet !== undefined && samePrefix(found.subnet, subnet));
}

function parseAll({ entries, keyPrefix }: Holdings) {
  return entries
    .filter(({ key }) => key.startsWith(keyPrefix))
    .map(entry => {
      const subnets = parseSubnetKey(entry.key.slice(keyPrefix.length));
      const lease = parseLease(entry, keyPrefix);
      return {
        entry,
        subnet: subnets.ok ? subnets.value.ipv4 : undefined,
        lease: lease.ok ? lease.value : undefined,
      };
    });
}

function describeHold(lease: Lease): string {
  return isReservation(lease) ? `is reserved for ${holderOf(lease)}` : `is leased by ${holderOf(lease)}`;
}

/** Why the subnet can be no host's in this range. */
function mistakeIn(range: SubnetRange, subnet: Prefix): string | undefined {
  const { network, subnetLength, subnetMin, subnetMax } = range;
  const text = formatPrefix(subnet);
  if (!isMasked(subnet))
    return `${text} has host bits set: its subnet is ${formatPrefix(maskPrefix(subnet))}`;
  if (!containsPrefix(network, subnet)) return `${text} is not in the network ${formatPrefix(network)}`;
  if (subnet.length !== subnetLength)
    return `${text} is no host's subnet: those of the config are /${subnetLength}`;
  if (!isInRange(range, subnet))
    return `${text} is not between SubnetMin ${subnetMin} and SubnetMax ${subnetMax}`;
  return undefined;
}

function mistakenAddress({ network }: SubnetRange, publicIp: IpAddress): string | undefined {
  const why = notAHostAddress(publicIp);
  if (why !== undefined) return `the public IP ${publicIp} is ${why}: no host can have it`;
  return containsIp(network, publicIp)
    ? `the public IP ${publicIp} is inside the network ${formatPrefix(network)} itself`
    : undefined;
}

function refuse(because: Refusal['because'], reason: string): Refusal {
  return { kind: 'refuse', because, reason };
}

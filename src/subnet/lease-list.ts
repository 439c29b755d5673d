/**
 * All leases of a network as somebody sees them who is no host of it: the hosts' own judgement of each, sorted and
 * counted. Pure.
 */
import { ipToNumber, type IpAddress } from '../address/ip.js';
import { formatPrefix, type Prefix } from '../address/prefix.js';
import { countSubnets, isInRange, type SubnetCount } from './allocate.js';
import { parseLease, parseSubnetKey, type Lease } from './lease.js';
import type { SubnetRange } from './network-config.js';
import { PeerTable, type PeerRules, type SetAside } from './peers.js';
import { isReservation } from './reservation.js';
import type { KeyValue } from './store.js';

/** What hosts think of a lease. `unjudged`: there is no config to judge it by. */
export type LeaseState =
  | { readonly kind: 'ok' | 'reserved' | 'reserved-unused' | 'unjudged' }
  | ({ readonly kind: 'set-aside' } & SetAside);

export interface ListedLease {
  readonly key: string;
  /** Undefined when the key is in no form that names one. */
  readonly subnet: Prefix | undefined;
  /** What the value says; undefined when it cannot be read. */
  readonly lease: Lease | undefined;
  /** The etcd lease, or `0`. */
  readonly leaseId: string;
  readonly state: LeaseState;
  /** What hosts put up with in a lease that is not set aside, and an operator may want to know, a few words each. */
  readonly notes: readonly string[];
}

export interface LeaseList {
  /** By subnet; keys that name none come last. */
  readonly leases: readonly ListedLease[];
  /** Of the range that hosts choose from; undefined without a config. */
  readonly subnets: SubnetCount | undefined;
}

/** What the config says. */
export interface ListRules {
  readonly range: SubnetRange;
  readonly judge: PeerRules['judge'];
}

/**
 * @param entries keys of the store; those outside `keyPrefix` are passed over
 * @param keyPrefix `<prefix>/subnets/`
 * @param rules undefined when there is no config that can be used
 */
export function listLeases(
  entries: readonly KeyValue[],
  keyPrefix: string,
  rules: ListRules | undefined,
): LeaseList {
  const own = entries.filter(({ key }) => key.startsWith(keyPrefix));
  const setAside = rules === undefined ? undefined : judgeAll(own, keyPrefix, rules);
  const parsed = own.map(entry => ({ entry, parsed: parseLease(entry, keyPrefix) }));
  const byPublicIp = groupByPublicIp(parsed.flatMap(each => (each.parsed.ok ? [each.parsed.value] : [])));
  const leases = parsed.map(({ entry, parsed }): ListedLease => {
    const { key, leaseId } = entry;
    const subnets = parseSubnetKey(key.slice(keyPrefix.length));
    const lease = parsed.ok ? parsed.value : undefined;
    const fault = parsed.ok ? setAside?.get(key) : { code: parsed.code, reason: parsed.reason };
    const state = stateOf(entry, fault, rules !== undefined);
    const isSetAside = lease === undefined || state.kind === 'set-aside';
    return {
      ...{ key, lease, leaseId, state },
      subnet: subnets.ok ? subnets.value.ipv4 : undefined,
      notes: isSetAside ? [] : notesOn(lease, rules?.range, byPublicIp.get(lease.publicIp) ?? []),
    };
  });
  const taken = leases.flatMap(({ subnet }) => subnet ?? []);
  return {
    leases: leases.toSorted(bySubnet),
    subnets: rules && countSubnets(rules.range, taken),
  };
}

function judgeAll(
  entries: readonly KeyValue[],
  keyPrefix: string,
  rules: ListRules,
): ReadonlyMap<string, SetAside> {
  const { judge, range } = rules;
  const table = new PeerTable({ keyPrefix, network: range.network, own: undefined, judge });
  table.apply(entries.map(entry => ({ kind: 'put', entry })));
  return table.setAside;
}

function stateOf(entry: KeyValue, fault: SetAside | undefined, isJudged: boolean): LeaseState {
  if (fault?.code === 'reserved') return { kind: 'reserved-unused' };
  if (fault !== undefined) return { kind: 'set-aside', ...fault };
  if (!isJudged) return { kind: 'unjudged' };
  return { kind: isReservation(entry) ? 'reserved' : 'ok' };
}

function notesOn(lease: Lease, range: SubnetRange | undefined, ofSameIp: readonly Lease[]): string[] {
  const subnet = lease.subnets.ipv4;
  const notes = ofSameIp
    .filter(other => other.key !== lease.key)
    .map(other => `public IP also of ${formatPrefix(other.subnets.ipv4)}`);
  if (range !== undefined && !isInRange(range, subnet)) notes.push('not one of the range to choose from');
  return notes;
}

function groupByPublicIp(leases: readonly Lease[]): ReadonlyMap<IpAddress, readonly Lease[]> {
  const groups = new Map<IpAddress, Lease[]>();
  for (const lease of leases) {
    const group = groups.get(lease.publicIp);
    if (group === undefined) groups.set(lease.publicIp, [lease]);
    else group.push(lease);
  }
  return groups;
}

function bySubnet(a: ListedLease, b: ListedLease): number {
  if (a.subnet === undefined || b.subnet === undefined) {
    if (a.subnet === b.subnet) return a.key < b.key ? -1 : 1;
    return a.subnet === undefined ? 1 : -1;
  }
  const difference = ipToNumber(a.subnet.address) - ipToNumber(b.subnet.address);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return a.subnet.length - b.subnet.length || (a.key < b.key ? -1 : 1);
}

/** What `selvedge leases` tells, typed and versioned: the text is made from it, and `-o json` is it. Pure. */
import { formatPrefix } from '../address/prefix.js';
import type { LeaseList, ListedLease } from '../subnet/lease-list.js';
import type { LeaseTime } from '../subnet/lease-times.js';
import type { SubnetRange } from '../subnet/network-config.js';
import { isReservation } from '../subnet/reservation.js';

/** Raised when a field is removed or changes its meaning; fields may be added. */
export const LEASES_VERSION = 1;

export interface LeaseRow {
  /** Null when the key names none. */
  readonly subnet: string | null;
  readonly key: string;
  /** The host's name and node id, where its lease tells them. */
  readonly host: string | null;
  readonly nodeId: string | null;
  /** When the host first took the subnet, ISO 8601 in UTC, where its lease tells it. */
  readonly since: string | null;
  /** Null, like the backend, when the value cannot be read. */
  readonly publicIp: string | null;
  /** Empty for a lease that names none. */
  readonly backend: string | null;
  /** In hexadecimal as etcdctl prints it, or null for a reservation (a key that never expires). */
  readonly etcdLease: string | null;
  readonly grantedSeconds: number | null;
  /** Since the etcd lease was granted or last renewed; null for a reservation and for one that is just over. */
  readonly refreshedSecondsAgo: number | null;
  /** Null for a reservation. */
  readonly secondsLeft: number | null;
  readonly state: ListedLease['state']['kind'];
  /** Why it is set aside: a code as in `status`, and the reason. */
  readonly code: string | null;
  readonly reason: string | null;
  readonly notes: readonly string[];
}

export interface LeasesDocument {
  readonly version: typeof LEASES_VERSION;
  readonly config: {
    readonly key: string;
    /** Without a config that can be used nothing is judged by it. */
    readonly state: 'usable' | 'missing' | 'invalid';
    readonly faults: readonly string[];
  };
  /** The subnets that hosts choose from: base addresses of the first and the last. */
  readonly range: {
    readonly network: string;
    readonly subnetLength: number;
    readonly first: string;
    readonly last: string;
    readonly total: number;
    readonly free: number;
  } | null;
  readonly counts: Readonly<Record<ListedLease['state']['kind'], number>>;
  readonly leases: readonly LeaseRow[];
}

export interface LeasesFacts {
  readonly config: LeasesDocument['config'];
  readonly range: SubnetRange | undefined;
  readonly list: LeaseList;
  /** By id of the etcd lease. */
  readonly times: ReadonlyMap<string, LeaseTime>;
}

export function buildLeases({ config, range, list, times }: LeasesFacts): LeasesDocument {
  const counts = { ok: 0, reserved: 0, 'reserved-unused': 0, 'set-aside': 0, unjudged: 0 };
  for (const { state } of list.leases) counts[state.kind]++;
  return {
    version: LEASES_VERSION,
    config,
    range:
      range === undefined || list.subnets === undefined
        ? null
        : {
            network: formatPrefix(range.network),
            subnetLength: range.subnetLength,
            first: range.subnetMin,
            last: range.subnetMax,
            total: Number(list.subnets.total),
            free: Number(list.subnets.free),
          },
    counts,
    leases: list.leases.map(lease => toRow(lease, times.get(lease.leaseId))),
  };
}

function toRow(listed: ListedLease, time: LeaseTime | undefined): LeaseRow {
  const { key, subnet, lease, leaseId, state, notes } = listed;
  const holder = lease?.holder;
  const fault = state.kind === 'set-aside' ? state : undefined;
  return {
    subnet: subnet === undefined ? null : formatPrefix(subnet),
    key,
    host: holder?.name === '' ? null : (holder?.name ?? null),
    nodeId: holder?.nodeId ?? null,
    since: holder?.since ?? null,
    publicIp: lease?.publicIp ?? null,
    backend: lease?.backendType ?? null,
    etcdLease: isReservation(listed) ? null : BigInt(leaseId).toString(16),
    grantedSeconds: time?.grantedSeconds ?? null,
    refreshedSecondsAgo: time?.refreshedSecondsAgo ?? null,
    secondsLeft: isReservation(listed) ? null : (time?.secondsLeft ?? 0),
    state: state.kind,
    code: fault?.code ?? null,
    reason: fault?.reason ?? null,
    notes,
  };
}

/** What the host's own lease is, and which of the leases in the store it is. Pure. */
import type { IpAddress } from '../address/ip.js';
import type { Prefix } from '../address/prefix.js';
import { isInRange } from './allocate.js';
import { parseLease, type Lease, type LeaseAttributes } from './lease.js';
import type { SubnetRange } from './network-config.js';
import type { KeyValue } from './store.js';

/** How we came by a subnet. */
export type Origin = 'own' | 'state' | 'subnet-file' | 'free';

export interface SubnetChoice {
  readonly subnet: Prefix;
  readonly origin: Origin;
}

export interface OwnLease extends SubnetChoice {
  readonly key: string;
  readonly value: string;
  readonly modRevision: bigint;
  /** The etcd lease, or `0` for a reservation: a key that never expires. */
  readonly leaseId: string;
}

/** What the host wants of the network. */
export interface LeaseWish {
  readonly range: SubnetRange;
  readonly publicIp: IpAddress;
  /** Subnets that the host had before, the best first. */
  readonly preferred: readonly SubnetChoice[];
  /** Key of the lease that the host had last: of several that bear our public IP, this one is it. */
  readonly preferredKey?: string | undefined;
  /** What the lease shall say. */
  readonly attributes: LeaseAttributes;
  /** Whether a lease under our public IP is beyond doubt this host's, so that it may be given back. */
  readonly isOurs: (lease: Lease) => boolean;
}

/** What ended the keeping of a lease. */
export type Loss = 'expired' | 'deleted' | 'taken';

/**
 * The host's own lease in the store: of those with its public IP one in the range, else any; among them the one of
 * `preferredKey`, else the first in key order, as flannel finds it.
 * @param keyPrefix `<prefix>/subnets/`
 */
export function findOwnLease(
  entries: Iterable<KeyValue>,
  keyPrefix: string,
  host: Pick<LeaseWish, 'publicIp' | 'range' | 'preferredKey'>,
): Lease | undefined {
  const own: Lease[] = [];
  for (const entry of entries) {
    if (!entry.key.startsWith(keyPrefix)) continue;
    const parsed = parseLease(entry, keyPrefix);
    if (parsed.ok && parsed.value.publicIp === host.publicIp) own.push(parsed.value);
  }
  own.sort((a, b) => {
    if (a.key === host.preferredKey) return -1;
    if (b.key === host.preferredKey) return 1;
    return a.key < b.key ? -1 : 1;
  });
  return own.find(lease => isInRange(host.range, lease.subnets.ipv4)) ?? own[0];
}

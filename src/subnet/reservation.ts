/**
 * Reservations: keys without an etcd lease, which stay until somebody deletes them. Pure.
 *
 * flannel has no more of them than the key: a reservation that its host has not come for names the host's public IP and no
 * backend, so that flanneld nodes pass it over, and the host, theirs or ours, finds it by its public IP.
 */
import type { IpAddress } from '../address/ip.js';
import { formatLeaseValue, type Lease } from './lease.js';

/** The id that etcd gives for the lease of a key that has none. */
export const NO_LEASE = '0';

/** Whether the key stays whatever becomes of its host. */
export function isReservation(lease: Pick<Lease, 'leaseId'>): boolean {
  return lease.leaseId === NO_LEASE;
}

/** Whether the key only waits for its host: no backend has been named in it yet. */
export function isUnusedReservation(lease: Pick<Lease, 'leaseId' | 'backendType'>): boolean {
  return isReservation(lease) && lease.backendType === '';
}

/** The value of a reservation for the host with this public IP. */
export function formatReservation(publicIp: IpAddress): string {
  return formatLeaseValue({ publicIp, backendType: '' });
}

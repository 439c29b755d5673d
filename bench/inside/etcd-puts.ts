/** Writes leases of peers into etcd, as their hosts would. */
import { Etcd3 } from 'etcd3';
import { leaseOf } from '../peers.js';

/** Puts under way at once. etcd carries out what comes together with one write to its disk. */
const AT_ONCE = 128;

/** A range of peers: their numbers. */
export interface PeerRange {
  readonly first: number;
  readonly last: number;
}

/** @param endpoint such as `http://192.168.77.254:2379` */
export function connectEtcd(endpoint: string): Etcd3 {
  return new Etcd3({ hosts: [endpoint] });
}

/** Writes one lease; resolves with etcd's answer. Without an etcd lease: the key stays. */
export async function putLease(etcd: Etcd3, number: number): Promise<void> {
  const { key, value } = leaseOf(number);
  await etcd.put(key).value(value).exec();
}

/**
 * Writes many leases, several at once.
 * @param put writes one; by default the sound lease of that peer
 */
export async function putLeases(
  etcd: Etcd3,
  { first, last }: PeerRange,
  put: (number: number) => Promise<void> = number => putLease(etcd, number),
): Promise<void> {
  let next = first;
  const worker = async () => {
    while (next <= last) await put(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

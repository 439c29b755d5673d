/** Lets many peers join at once, some with leases that nobody can read. */
import type { Etcd3 } from 'etcd3';
import { leaseOf } from '../peers.js';
import { answer } from './answer.js';
import { watchArrivals } from './arrivals.js';
import { connectEtcd, putLease, putLeases, type PeerRange } from './etcd-puts.js';

export interface BurstTask {
  readonly endpoint: string;
  readonly peers: PeerRange;
  /** One of so many leases is malformed; null: none is. */
  readonly malformedEvery: number | null;
}

export interface BurstAnswer {
  /** From the first put to etcd's last answer. */
  readonly putsMs: number;
  /** From the first put to the last entry in the kernel. */
  readonly totalMs: number;
}

await answer('burst', async ({ endpoint, peers, malformedEvery }): Promise<BurstAnswer> => {
  const etcd = connectEtcd(endpoint);
  // The connection must not be made within the time that is measured.
  await etcd.get('/').exec();
  const arrivals = watchArrivals();
  const isMalformed = (number: number) =>
    malformedEvery !== null && (number - peers.first) % malformedEvery === malformedEvery - 1;
  const began = performance.now();
  await putLeases(etcd, peers, number =>
    isMalformed(number) ? putMalformed(etcd, number) : putLease(etcd, number),
  );
  const put = performance.now();
  let last = put;
  for (let number = peers.first; number <= peers.last; number++) {
    if (!isMalformed(number)) last = Math.max(last, await arrivals.of(number));
  }
  arrivals.close();
  etcd.close();
  return { putsMs: put - began, totalMs: last - began };
});

async function putMalformed(etcd: Etcd3, number: number): Promise<void> {
  const { key, value } = leaseOf(number);
  await etcd.put(key).value(value.slice(0, -2)).exec();
}

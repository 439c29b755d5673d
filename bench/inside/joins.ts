/** Lets peers join one after another: from etcd's answer to the peer's last entry in the kernel. */
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from './answer.js';
import { watchArrivals } from './arrivals.js';
import { connectEtcd, putLease, type PeerRange } from './etcd-puts.js';

export interface JoinsTask {
  readonly endpoint: string;
  readonly peers: PeerRange;
}

export interface JoinsAnswer {
  /** Milliseconds; less than 0 where the entry was seen before this process had read etcd's answer. */
  readonly latenciesMs: readonly number[];
}

/** Joins come singly: the next one meets an agent at rest. */
const PAUSE_MS = 5;

await answer('joins', async ({ endpoint, peers: { first, last } }): Promise<JoinsAnswer> => {
  const etcd = connectEtcd(endpoint);
  const arrivals = watchArrivals();
  const latenciesMs: number[] = [];
  for (let number = first; number <= last; number++) {
    await putLease(etcd, number);
    const answered = performance.now();
    latenciesMs.push((await arrivals.of(number)) - answered);
    await sleep(PAUSE_MS);
  }
  arrivals.close();
  etcd.close();
  return { latenciesMs };
});

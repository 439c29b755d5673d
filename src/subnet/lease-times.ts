/** How old etcd leases are, asked of the store. */
import { NO_LEASE } from './reservation.js';
import type { Store } from './store.js';

export interface LeaseTime {
  readonly grantedSeconds: number;
  readonly secondsLeft: number;
  /** Since it was granted or last renewed. */
  readonly refreshedSecondsAgo: number;
}

/** How many calls are under way at once: they wait for the network, not for etcd. */
const AT_ONCE = 32;

/**
 * Reads each etcd lease once, however many keys hang on it.
 * @param ids may repeat; `0` is passed over
 * @returns by id; without those that are over, whose keys go at any moment
 * @throws StoreError
 */
export async function readLeaseTimes(
  store: Pick<Store, 'readLease'>,
  ids: Iterable<string>,
): Promise<ReadonlyMap<string, LeaseTime>> {
  const distinct = [...new Set(ids)].filter(id => id !== NO_LEASE);
  const times = new Map<string, LeaseTime>();
  const next = distinct.values();
  const work = async () => {
    for (const id of next) {
      const time = await readLeaseTime(store, id);
      if (time !== undefined) times.set(id, time);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, distinct.length) }, work));
  return times;
}

/**
 * @returns undefined for an etcd lease that is over
 * @throws StoreError
 */
export async function readLeaseTime(
  store: Pick<Store, 'readLease'>,
  id: string,
): Promise<LeaseTime | undefined> {
  const found = await store.readLease(id);
  if (found === undefined) return undefined;
  const { grantedSeconds, ttlSeconds: secondsLeft } = found;
  return { grantedSeconds, secondsLeft, refreshedSecondsAgo: Math.max(0, grantedSeconds - secondsLeft) };
}

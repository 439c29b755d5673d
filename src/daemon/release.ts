/** Giving the lease back at the end of the agent. */
import type { Logger } from 'pino';
import { formatPrefix } from '../address/prefix.js';
import type { OwnLease } from '../subnet/manager.js';
import { isReservation } from '../subnet/reservation.js';
import { StoreError, type KeyValue, type Store } from '../subnet/store.js';
import { messageOf } from './operator-error.js';
import type { Clock } from './tasks.js';

/** Whoever stops the agent does not wait longer for a store that is away. */
const RELEASE_MS = 2_000;

export interface ReleaseOptions {
  readonly store: Store;
  /** Everything under the prefix, by key. */
  readonly entries: ReadonlyMap<string, KeyValue>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Revokes the etcd lease of the host's key, so that the key goes at once and the other hosts forget this one. A
 * reservation stays; so does a lease when the store does not answer in time, until it expires. Both are logged.
 * @param own the lease that the host holds
 * @returns whether it is gone
 */
export async function releaseLease(
  own: OwnLease,
  { store, entries, clock, log }: ReleaseOptions,
): Promise<boolean> {
  const subnet = formatPrefix(own.subnet);
  if (isReservation(own)) {
    log.info(
      { key: own.key },
      `${subnet} is reserved for this host and stays so, in spite of --release-on-exit`,
    );
    return false;
  }
  const given = new AbortController();
  try {
    const late = clock.sleep(RELEASE_MS, given.signal).then(() => {
      throw new StoreError('unavailable', `no answer within ${RELEASE_MS / 1000} s`);
    });
    // It loses the race as well when nothing is late.
    late.catch(() => undefined);
    await Promise.race([revoke(own, store, entries), late]);
    log.info({ key: own.key }, `lease of ${subnet} given back, as --release-on-exit says`);
    return true;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.warn({ key: own.key }, `lease of ${subnet} not given back: ${messageOf(error)}; it will expire`);
    return false;
  } finally {
    given.abort();
  }
}

/** Revoking deletes every key that hangs on the etcd lease: if somebody hung another one there, only ours goes. */
async function revoke(
  { key, leaseId }: OwnLease,
  store: Store,
  entries: ReadonlyMap<string, KeyValue>,
): Promise<void> {
  const held = [...entries.values()].filter(entry => entry.leaseId === leaseId);
  const ours = held.find(entry => entry.key === key);
  if (held.every(entry => entry.key === key)) await store.revokeLease(leaseId);
  else if (ours !== undefined) await store.deleteIfUnchanged(key, ours.modRevision);
}

/** Etcd leases that are needed no more. */
import type { ManagerOptions } from './manager-options.js';
import type { OwnLease } from './own-lease.js';
import { isReservation } from './reservation.js';
import { StoreError } from './store.js';

/** Gives an etcd lease back if the store lets us; else it ends by itself, because nobody renews it. */
export async function revokeIfPossible(
  { store, log }: Pick<ManagerOptions, 'store' | 'log'>,
  leaseId: string,
): Promise<void> {
  try {
    await store.revokeLease(leaseId);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.debug({ leaseId, kind: error.kind }, `etcd lease not given back: ${error.message}`);
  }
}

/** The same for the etcd lease that our key hung on, if no key hangs on it now: revoking deletes what does. */
export async function revokeIfUnused(options: ManagerOptions, { key, leaseId }: OwnLease): Promise<void> {
  const { store, entries, log } = options;
  if (isReservation({ leaseId })) return;
  if ([...entries().values()].some(entry => entry.key !== key && entry.leaseId === leaseId)) return;
  try {
    // Of our own key the mirror may tell what was.
    if ((await store.read(key))?.leaseId === leaseId) return;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.debug(
      { key, kind: error.kind },
      `whether our etcd lease still has a key is not known: ${error.message}`,
    );
    return;
  }
  await revokeIfPossible(options, leaseId);
}

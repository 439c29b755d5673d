import type { ManagerOptions } from './manager-options.js';
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

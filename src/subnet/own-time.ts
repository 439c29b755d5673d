/** The time that a host may be away: its key hangs on an etcd lease of just that time. */
import { formatPrefix } from '../address/prefix.js';
import type { ManagerOptions } from './manager-options.js';
import type { OwnLease } from './own-lease.js';
import { revokeIfPossible, revokeIfUnused } from './revoke.js';

/**
 * Hangs our key on a new etcd lease of the time that this host wants. Another time has what `leases release` granted to
 * what had been a reservation, what flanneld left, and what was granted before `--lease-ttl` was changed.
 * @param seconds what the present etcd lease was granted for
 * @returns the lease with its new grant; the same when etcd grants no other time; undefined when the key is not as we know it
 * @throws StoreError
 */
export async function hangOnOwnTime(
  options: ManagerOptions,
  own: OwnLease,
  seconds: number,
): Promise<OwnLease | undefined> {
  const { store, ttlSeconds, now, log } = options;
  const at = now();
  const grant = await store.grantLease(ttlSeconds);
  // etcd has a shortest time of its own.
  if (grant.ttlSeconds === seconds) {
    await revokeIfPossible(options, grant.id);
    return own;
  }
  const written = await store.replaceIfUnchanged(own.key, own.value, grant.id, own.modRevision);
  if (!written.done) {
    await revokeIfPossible(options, grant.id);
    return undefined;
  }
  log.info(
    { key: own.key },
    `our lease of ${formatPrefix(own.subnet)} was granted for ${seconds} s: now for ${grant.ttlSeconds} s, as this host wants`,
  );
  await revokeIfUnused(options, own);
  const granted = { at, seconds: grant.ttlSeconds };
  return { ...own, modRevision: written.modRevision, leaseId: grant.id, granted };
}

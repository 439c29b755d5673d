/**
 * Whether the holder of a lease lives, told from when its etcd lease was refreshed. Pure.
 *
 * Every agent refreshes its etcd lease at the latest after `renewalMs` of what was granted, and counts as gone after
 * `silentAfterMs`. A single refresh proves nothing: etcd gives all leases their whole time again when another member becomes
 * its leader, as it does when hosts come and go.
 */
import type { HeldLease } from './own-lease.js';
import { silentAfterMs } from './renewal.js';
import type { StoreLease } from './store.js';

/** So many refreshes are a holder's doing. */
const CONVINCING = 2;

/** A look at a lease. Times are milliseconds of the steady clock. */
export interface Sighting {
  readonly lease: HeldLease;
  /** It was refreshed last between these two: etcd tells whole seconds, at a moment between question and answer. */
  readonly refreshed: { readonly from: number; readonly to: number };
  /** How long it is taken to have a holder after a refresh. */
  readonly windowMs: number;
}

/** What all looks at a lease have shown. */
export interface Evidence {
  /** The first look, or the one that showed the last refresh: the next refresh is told by comparison with it. */
  readonly mark: Sighting;
  /** How many refreshes are yet to be seen. */
  readonly needed: number;
}

export type Verdict =
  | { readonly kind: 'lives' }
  | { readonly kind: 'silent' }
  /** Refreshed too lately to tell. @param until when it will be silent if nothing happens */
  | { readonly kind: 'unclear'; readonly until: number };

/**
 * @param read what etcd says of the etcd lease that keeps the key
 * @param asked when etcd was asked, `answered` when it had answered
 */
export function sight(
  lease: HeldLease,
  read: Pick<StoreLease, 'ttlSeconds'> & { readonly grantedSeconds: number },
  asked: number,
  answered: number,
): Sighting {
  const age = (read.grantedSeconds - read.ttlSeconds) * 1000;
  return {
    lease,
    // What is left is rounded down, so that the age is rounded up.
    refreshed: { from: asked - age, to: answered - age + 1000 },
    windowMs: silentAfterMs(read.grantedSeconds),
  };
}

/** @param before what earlier looks have shown, at a lease of whatever holder */
export function weigh(before: Evidence | undefined, seen: Sighting): Evidence {
  if (before === undefined || !isSameHolder(before.mark.lease, seen.lease)) {
    return { mark: seen, needed: CONVINCING };
  }
  if (isRewritten(before.mark.lease, seen.lease)) return { mark: seen, needed: 0 };
  // Of a holder that was found to live, one more refresh shows that it still does.
  const needed = Math.max(before.needed, 1);
  const isRefreshed = seen.refreshed.from > before.mark.refreshed.to;
  return isRefreshed ? { mark: seen, needed: needed - 1 } : { mark: before.mark, needed };
}

/** @param seen the latest look, which `evidence` has taken in */
export function judgeRival({ needed }: Evidence, seen: Sighting, now: number): Verdict {
  if (needed === 0) return { kind: 'lives' };
  const until = seen.refreshed.to + seen.windowMs;
  return now >= until ? { kind: 'silent' } : { kind: 'unclear', until };
}

export function isSameHolder(a: HeldLease, b: HeldLease): boolean {
  return a.key === b.key && a.holder.nodeId === b.holder.nodeId;
}

function isRewritten(before: HeldLease, after: HeldLease): boolean {
  return before.modRevision !== after.modRevision || before.leaseId !== after.leaseId;
}

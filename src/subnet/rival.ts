/**
 * Whether the holder of a lease lives, told from when its etcd lease was last refreshed. Pure.
 *
 * Every agent refreshes its etcd lease at the latest after `renewalMs` of what was granted. A lease that was not refreshed
 * for twice as long has no living holder, or one that is cut off from etcd.
 */
import type { Lease } from './lease.js';
import { renewalMs } from './renewal.js';
import type { StoreLease } from './store.js';

/** A look at a lease. Times are milliseconds of the steady clock. */
export interface Sighting {
  readonly lease: Lease;
  /** It was refreshed last between these two: etcd tells whole seconds, at a moment between question and answer. */
  readonly refreshed: { readonly from: number; readonly to: number };
  /** How long it is taken to have a holder after a refresh. */
  readonly windowMs: number;
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
  lease: Lease,
  read: Pick<StoreLease, 'ttlSeconds'> & { readonly grantedSeconds: number },
  asked: number,
  answered: number,
): Sighting {
  const age = (read.grantedSeconds - read.ttlSeconds) * 1000;
  return {
    lease,
    // What is left is rounded down, so that the age is rounded up.
    refreshed: { from: asked - age, to: answered - age + 1000 },
    windowMs: 2 * renewalMs(read.grantedSeconds),
  };
}

/** @param before an earlier look at a lease, of whatever holder */
export function judgeRival(before: Sighting | undefined, seen: Sighting, now: number): Verdict {
  if (before !== undefined && isSameHolder(before.lease, seen.lease) && wasTouched(before, seen))
    return { kind: 'lives' };
  const until = seen.refreshed.to + seen.windowMs;
  return now >= until ? { kind: 'silent' } : { kind: 'unclear', until };
}

export function isSameHolder(a: Lease, b: Lease): boolean {
  return a.key === b.key && a.holder?.nodeId === b.holder?.nodeId;
}

function wasTouched(before: Sighting, after: Sighting): boolean {
  const [a, b] = [before.lease, after.lease];
  return (
    a.modRevision !== b.modRevision || a.leaseId !== b.leaseId || after.refreshed.from > before.refreshed.to
  );
}

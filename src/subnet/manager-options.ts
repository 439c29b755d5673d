/** What the lease manager is given, and what it tells its owner. */
import type { Logger } from 'pino';
import type { HeldLease, Loss, OwnLease } from './own-lease.js';
import type { KeyValue, Store, StoreError } from './store.js';

export interface ManagerOptions {
  readonly store: Store;
  /** `<prefix>/subnets/`. */
  readonly keyPrefix: string;
  readonly ttlSeconds: number;
  /** Everything under the prefix as the mirror has it, by key. */
  readonly entries: () => ReadonlyMap<string, KeyValue>;
  /** Keys of peers that are kept although etcd has lost them: their hosts will want these subnets again. */
  readonly keptKeys: () => Iterable<string>;
  readonly log: Logger;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
  /** Milliseconds since 1970, of the clock on the wall. */
  readonly wallNow: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** A whole number in [0, below), evenly distributed. */
  readonly randomBelow: (below: bigint) => bigint;
  /** Resolves after `ms` or, without an error, when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A lease that may be ours, if its holder does not live. */
export interface Awaiting {
  readonly lease: HeldLease;
  /** When the holder counts as gone unless it refreshes the lease meanwhile, in milliseconds of the steady clock. */
  readonly until: number;
}

export interface ManagerEvents {
  /** A lease is ours; the subnet may differ from the one before. */
  onOwn(lease: OwnLease): void;
  /** Our key hangs on another etcd lease, or on none: a reservation. All else is as it was. */
  onMoved(lease: OwnLease): void;
  /** The store has confirmed that the lease lives. @param secondsLeft undefined for a reservation */
  onRenewed(secondsLeft: number | undefined): void;
  /** No lease as yet, because the store does not answer or refuses; it is tried again. */
  onAcquisitionFailed(error: StoreError): void;
  /** No answer to a renewal; it is tried again until the store says that the lease lives, or is gone. */
  onRenewalFailed(error: StoreError): void;
  /**
   * Somebody else changes our key and we put it right.
   * @param rewrites how often by now; 0 when it has been quiet for a while
   */
  onContested(rewrites: number): void;
  /** The lease is ours no more; another is acquired, unless the manager's signal aborts now. */
  onLost(loss: Loss): void;
  /** Whether another host lives is waited for; undefined: that is over. */
  onAwaiting(awaiting: Awaiting | undefined): void;
  /** Another host that lives has our public IP: nothing is acquired. It is looked again about every minute. */
  onDuplicate(lease: HeldLease): void;
  /** No subnet is free. */
  onExhausted(total: bigint): void;
}

/** Pauses between calls that failed: doubling from the first to the longest, each spread by half. */
export const RETRY_MS = { first: 250, longest: 5_000 };

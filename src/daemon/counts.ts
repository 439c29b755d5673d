/** What has happened since the agent's start, counted: for the metrics alone. */
import type { Loss } from '../subnet/manager.js';
import type { Store, StoreErrorKind } from '../subnet/store.js';

/** How often each of a few things happened. */
export class Tally<K extends string> {
  readonly #counts: Map<K, number>;

  /** @param keys counted as 0 before they happen, so that a first time is a rise and no new series */
  constructor(keys: readonly K[]) {
    this.#counts = new Map(keys.map(key => [key, 0]));
  }

  add(key: K): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  get all(): ReadonlyMap<K, number> {
    return this.#counts;
  }
}

export type StoreOperation = Exclude<keyof Store, 'close'>;
export type LeaseEvent = 'acquired' | 'renewed' | 'not-renewed' | 'contested';

export interface Counts {
  /** Calls to etcd. */
  readonly requests: Tally<StoreOperation>;
  /** Those that failed; a watch that ended by itself counts by why it ended. */
  readonly requestErrors: Tally<StoreErrorKind | 'watch-ended'>;
  readonly lease: Tally<LeaseEvent>;
  readonly losses: Tally<Loss>;
}

export function emptyCounts(): Counts {
  return {
    requests: new Tally([
      'list',
      'read',
      'watch',
      'createIfAbsent',
      'replaceIfUnchanged',
      'deleteIfUnchanged',
      'grantLease',
      'readLease',
      'revokeLease',
      'keepAlive',
    ]),
    requestErrors: new Tally(['unavailable', 'tls', 'denied', 'invalid', 'watch-ended']),
    lease: new Tally(['acquired', 'renewed', 'not-renewed', 'contested']),
    losses: new Tally(['expired', 'wiped', 'deleted', 'taken']),
  };
}

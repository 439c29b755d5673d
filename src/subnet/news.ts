/** What the lease manager has been told since it last looked: the mirror shows what is, this shows that it changed. */
import type { MirrorHistory } from './mirror.js';
import type { KeyChange } from './store.js';

/** How our key went: as others do, or because etcd was wiped, restored or exchanged. */
export type Deletion = 'deleted' | 'wiped';

export class News {
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  #wake: () => void = () => undefined;
  #hasNews = false;
  #key: string | undefined;
  #deletion: Deletion | undefined;
  #isOtherHistory = false;
  #endedLeaseId: string | undefined;

  /** @param sleep resolves after `ms` or, without an error, when `signal` aborts */
  constructor(sleep: (ms: number, signal: AbortSignal) => Promise<void>) {
    this.#sleep = sleep;
  }

  /** @param history whether the changes continue what was known, or come from a store that was wiped or restored */
  note(changes: readonly KeyChange[], history: MirrorHistory): void {
    for (const change of changes) {
      if (change.kind === 'delete' && change.key === this.#key) this.#deletion ??= 'deleted';
    }
    if (history !== 'same') {
      this.#isOtherHistory = true;
      // A key that the mirror had yet to see may be missing now without a deletion.
      this.#deletion = 'wiped';
      // An old backup may hold it alive.
      this.#endedLeaseId = undefined;
    }
    this.#hasNews = true;
    this.#wake();
  }

  /** From now on a deletion of this key is a loss. Called before the key is written, because it may go at once. */
  heed(key: string): void {
    this.#key = key;
    this.#deletion = undefined;
    this.#isOtherHistory = false;
  }

  /** How our key was deleted, if it was; told once. */
  takeDeletion(): Deletion | undefined {
    const deletion = this.#deletion;
    this.#deletion = undefined;
    return deletion;
  }

  /** The deletion could not be looked into. */
  putBackDeletion(deletion: Deletion): void {
    this.#deletion ??= deletion;
  }

  /** Whether revisions that were known mean nothing any more, once. */
  takeOtherHistory(): boolean {
    const isOtherHistory = this.#isOtherHistory;
    this.#isOtherHistory = false;
    return isOtherHistory;
  }

  /** An etcd lease of ours is gone: a key that still names it is one that the mirror has yet to see go. */
  noteEnded(leaseId: string): void {
    this.#endedLeaseId = leaseId;
  }

  isEnded(leaseId: string): boolean {
    return leaseId === this.#endedLeaseId;
  }

  /** Waits until something changes under the prefix, for `ms` at most, or until `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    // Not AbortSignal.any: on Node 20 a signal that lives on keeps a little of every one made from it.
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#wake = wake;
    signal.addEventListener('abort', wake);
    if (!this.#hasNews && !signal.aborted) await this.#sleep(Math.max(0, ms), woken.signal);
    signal.removeEventListener('abort', wake);
    this.#hasNews = false;
    this.#wake = () => undefined;
  }
}

/** What we have changed in the kernel a moment ago: whatever is heard of it now may be from before. Pure. */
import { keyOfOp, type Op } from './diff.js';

/** Longer than a pass with ten thousand peers, during which nothing is heard, and the flock that is heard after it. */
const MOMENT_MS = 1_000;

/** Of so many at once, which are those of a whole device, it is only remembered that there were: then it may be any key. */
const MANY = 20_000;

export class RecentChanges {
  /** When, by `keyOf`; the latest last. */
  readonly #at = new Map<string, number>();
  #manyAt = -Infinity;

  /** These have been carried out. @param at milliseconds of a clock that never goes back */
  note(ops: readonly Op[], at: number): void {
    if (ops.length >= MANY) {
      this.noteMany(at);
      return;
    }
    for (const op of ops) {
      const key = keyOfOp(op);
      // To the end.
      this.#at.delete(key);
      this.#at.set(key, at);
    }
    for (const [key, changedAt] of this.#at) {
      if (at - changedAt <= MOMENT_MS) break;
      this.#at.delete(key);
    }
  }

  /** So many have been that it is not said which. */
  noteMany(at: number): void {
    this.#manyAt = at;
    this.#at.clear();
  }

  /** Whether that key may have been changed a moment before `at`. */
  has(key: string, at: number): boolean {
    return Math.max(this.#at.get(key) ?? -Infinity, this.#manyAt) >= at - MOMENT_MS;
  }
}

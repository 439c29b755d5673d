/**
 * How long a reading of everything waits where all that was announced has been put right without it: of a flock of
 * thousands the rest is still to come, and while ten thousand peers' entries are read nothing else is put right. Pure.
 */

/** Longer than between two flocks of announcements that belong together. */
const CALM_MS = 100;
/** There is always somebody who changes something. */
const LONGEST_MS = 1_000;

export class Calm {
  #since: number | undefined;
  #endsAt = -Infinity;
  #isCutShort = false;

  /** Until then nothing is to be read, milliseconds of the clock given to `prolong`; not at all by default. */
  get endsAt(): number {
    return this.#endsAt;
  }

  /** Whether the reading has waited for so long that nothing comes before it, whatever is announced. */
  isOverdue(now: number): boolean {
    return this.#since !== undefined && now - this.#since >= LONGEST_MS;
  }

  /** It is as it should be, again; which says nothing of what has cut it short. */
  prolong(now: number): void {
    this.#since ??= now;
    if (!this.#isCutShort) this.#endsAt = Math.min(now + CALM_MS, this.#since + LONGEST_MS);
  }

  /** There is no time to wait for, until everything is read. */
  cutShort(now: number): void {
    this.#since ??= now;
    this.#isCutShort = true;
    this.#endsAt = -Infinity;
  }

  /** Everything is read. */
  end(): void {
    this.#since = undefined;
    this.#isCutShort = false;
    this.#endsAt = -Infinity;
  }
}

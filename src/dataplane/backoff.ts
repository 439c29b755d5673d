/** Pauses that double while something keeps failing. Pure: the clock is an argument. */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export class Backoff {
  #pauseMs = FIRST_PAUSE_MS;
  #retryAt = 0;

  /** Not to be tried before this moment, milliseconds; 0 when nothing has failed. */
  get retryAt(): number {
    return this.#retryAt;
  }

  /** It has failed: sets the moment of the next try. */
  postpone(now: number): void {
    this.#retryAt = now + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  /** It works, or may work now. */
  reset(): void {
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#retryAt = 0;
  }
}

/** How often somebody else changed our key and we put it right, and when we may do so again. */

/**
 * At once the first time, for a mistake of an admin; then ever more slowly: two hosts with one public IP would otherwise
 * outwrite each other hundreds of times a second, and etcd and every other host would bear it.
 */
const PAUSE_MS = { first: 1_000, longest: 60_000 };
/** Nobody touched our key for so long: what comes next is a new matter. */
const QUIET_MS = 600_000;

export class Contest {
  #rewrites = 0;
  #lastAt = -Infinity;

  get rewrites(): number {
    return this.#rewrites;
  }

  /** When the key may be written again, in milliseconds of the clock given to `count`. */
  get notBefore(): number {
    if (this.#rewrites === 0) return -Infinity;
    return this.#lastAt + Math.min(PAUSE_MS.first * 2 ** (this.#rewrites - 1), PAUSE_MS.longest);
  }

  /** Notes a rewrite. @returns how many there were, this one included */
  count(now: number): number {
    this.#lastAt = now;
    return ++this.#rewrites;
  }

  /** @returns whether it has just been quiet for long enough to begin anew */
  endIfQuiet(now: number): boolean {
    if (this.#rewrites === 0 || now - this.#lastAt < QUIET_MS) return false;
    this.#rewrites = 0;
    return true;
  }
}

/** Whether the n-th rewrite is worth a line in the log: at the pace of the pauses that is ever more rarely. */
export function isWorthALine(rewrites: number): boolean {
  return Number.isInteger(Math.log2(rewrites));
}

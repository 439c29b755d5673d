/** Which entries the kernel refused, and when to try them again. Pure: the clock is an argument. */

export interface Failure {
  readonly error: string;
  readonly attempts: number;
  /** Not to be tried before this moment, milliseconds. */
  readonly notBefore: number;
}

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;

export class Failures {
  readonly #byKey = new Map<string, Failure>();
  #total = 0;

  /** How often the kernel refused, since the start. */
  get total(): number {
    return this.#total;
  }

  get all(): ReadonlyMap<string, Failure> {
    return this.#byKey;
  }

  /** @returns whether this key had not failed in this way before */
  add(key: string, error: string, now: number): boolean {
    this.#total++;
    const previous = this.#byKey.get(key);
    const attempts = (previous?.attempts ?? 0) + 1;
    const wait = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), LONGEST_RETRY_MS);
    this.#byKey.set(key, { error, attempts, notBefore: now + wait });
    return previous?.error !== error;
  }

  /** @returns whether the key had failed */
  clear(key: string): boolean {
    return this.#byKey.delete(key);
  }

  /** The world has changed (a link is up, an address is back): whatever was refused may now be accepted. */
  retryAll(): void {
    for (const [key, failure] of this.#byKey) this.#byKey.set(key, { ...failure, notBefore: 0 });
  }

  mayTry(key: string, now: number): boolean {
    const failure = this.#byKey.get(key);
    return failure === undefined || failure.notBefore <= now;
  }

  /** When the first failed key is due again, or undefined when none failed. */
  get nextRetry(): number | undefined {
    let next: number | undefined;
    for (const { notBefore } of this.#byKey.values()) {
      if (next === undefined || notBefore < next) next = notBefore;
    }
    return next;
  }
}

/** A time without the store: what failed in it, and which of that an operator should hear of. Pure. */
import type { StoreError } from './store.js';

/** A round over several endpoints, each of which takes its deadline and a pause, lasts no longer. */
const ROUND_MS = 30_000;

interface Failure {
  readonly error: StoreError;
  readonly at: number;
}

export class Outage {
  readonly #latest = new Map<string, Failure>();

  /** @param since when it began, in milliseconds of the clock given to the methods */
  constructor(readonly since: number) {}

  /** Notes a failure. @returns whether nothing had this cause before in this outage */
  note(error: StoreError, now: number): boolean {
    const cause = causeOf(error);
    const isNew = !this.#latest.has(cause);
    this.#latest.delete(cause);
    this.#latest.set(cause, { error, at: now });
    return isNew;
  }

  /**
   * The failure to be shown: the last one; but of several endpoints one that is down does not hide that another, in the
   * same round, refuses us.
   */
  toShow(now: number): StoreError | undefined {
    const failures = [...this.#latest.values()];
    const refusal = failures.findLast(({ error, at }) => error.kind !== 'unavailable' && now - at < ROUND_MS);
    return (refusal ?? failures.at(-1))?.error;
  }
}

/** What two failures have in common that mean the same to an operator. */
export function causeOf({ kind, advice }: StoreError): string {
  return `${kind} ${advice?.code ?? ''}`;
}

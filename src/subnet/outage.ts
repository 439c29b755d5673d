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

  /**
   * Notes a failure.
   * @returns whether nothing had this cause before in this outage; and the failure to be shown, which is the last one, but of
   * several endpoints one that is down does not hide that another refuses us in the same round
   */
  note(error: StoreError, now: number): { readonly isNew: boolean; readonly shown: StoreError } {
    const cause = causeOf(error);
    const isNew = !this.#latest.delete(cause);
    this.#latest.set(cause, { error, at: now });
    const refusal = [...this.#latest.values()].findLast(
      failure => failure.error.kind !== 'unavailable' && now - failure.at < ROUND_MS,
    );
    return { isNew, shown: refusal?.error ?? error };
  }
}

/** What two failures have in common that mean the same to an operator. */
export function causeOf({ kind, advice }: StoreError): string {
  return `${kind} ${advice?.code ?? ''}`;
}

/** Whether the store answers, and if not, why: told and logged when that changes. */
import type { Logger } from 'pino';
import { causeOf, Outage } from './outage.js';
import type { StoreError, StoreErrorKind } from './store.js';

export interface StoreConnection {
  readonly connected: boolean;
  /** Milliseconds of the clock at which this began. */
  readonly since: number;
  /** Why it is away; while connected, that it refuses lists beside a watch that goes on. */
  readonly error: StoreError | undefined;
}

/** What a failure means for us: only the first is an outage of the store's. */
const WORDS: Readonly<Record<StoreErrorKind, string>> = {
  unavailable: 'etcd is away',
  tls: 'no secure connection to etcd',
  denied: 'etcd refuses us',
  invalid: 'etcd cannot do what it is asked',
};

export class ConnectionWatch {
  readonly #now: () => number;
  readonly #log: Logger;
  readonly #onChange: (connection: StoreConnection) => void;
  #connection: StoreConnection | undefined;
  #outage: Outage | undefined;

  /**
   * @param now milliseconds
   * @param onChange called when the store answers, or does not, or for another reason than before
   */
  constructor(now: () => number, log: Logger, onChange: (connection: StoreConnection) => void) {
    this.#now = now;
    this.#log = log;
    this.#onChange = onChange;
  }

  /** It answers, and nothing is refused. */
  works(): void {
    const before = this.#connection;
    if (before?.connected === true && before.error === undefined) return;
    this.#outage = undefined;
    if (before?.connected === true) {
      this.#log.info('etcd refuses nothing any more');
      this.#set({ connected: true, since: before.since, error: undefined });
      return;
    }
    const now = this.#now();
    if (before !== undefined) {
      const awaySeconds = Math.round((now - before.since) / 100) / 10;
      this.#log.info({ awaySeconds }, 'etcd answers again');
    }
    this.#set({ connected: true, since: now, error: undefined });
  }

  /** There is no watch, and what would lead to one failed. Each cause is logged once in an outage. */
  fails(error: StoreError): void {
    const now = this.#now();
    const outage = (this.#outage ??= new Outage(now));
    const { isNew, shown } = outage.note(error, now);
    if (isNew) this.#log.warn({ err: error }, `${describe(error)}; trying again`);
    const before = this.#connection;
    if (before?.connected === false && isSameCause(before.error, shown)) return;
    this.#set({ connected: false, since: outage.since, error: shown });
  }

  /**
   * Something failed beside a watch that goes on. An answer that is missing once may come next time; a refusal is an
   * operator's to mend.
   */
  failsInPart(error: StoreError): void {
    const before = this.#connection;
    if (before?.connected !== true || error.kind === 'unavailable' || isSameCause(before.error, error))
      return;
    this.#log.warn({ err: error }, `${describe(error)}; the watch goes on`);
    this.#set({ ...before, error });
  }

  #set(connection: StoreConnection): void {
    this.#connection = connection;
    this.#onChange(connection);
  }
}

function isSameCause(a: StoreError | undefined, b: StoreError): boolean {
  return a !== undefined && causeOf(a) === causeOf(b);
}

function describe({ kind, message, advice }: StoreError): string {
  return `${WORDS[kind]}: ${advice?.cause ?? message}`;
}

/** Where the hosts of the model live: a store with its faults, and the time. Implemented in memory and on a real etcd. */
import type { Clock } from '../../../src/daemon/tasks.js';
import type { KeyValue, Store } from '../../../src/subnet/store.js';

/**
 * How a host is cut off: connections are refused; or stay open and carry nothing; or carry requests and no answers, so
 * that writes and renewals are carried out and nobody tells.
 */
export const CUTS = ['refused', 'stalled', 'one-way'] as const;
export type Cut = (typeof CUTS)[number];

/** One host's way to the store. */
export interface Link {
  readonly store: Store;
  cut(how: Cut): void;
  /** What a stalled link still holds arrives now. */
  heal(): void;
  /** The process at this end is gone; what it sent before may still arrive. */
  close(): void;
}

/** Who is told of all that is written under `/net/`. */
export interface Observer {
  /** What is there, when nobody can tell how it came about: at the beginning, and in another history. */
  onSnapshot(entries: readonly KeyValue[]): void;
  onPut(entry: KeyValue): void;
  onDelete(key: string): void;
}

/** What an operator sees and does, and the time. */
export interface World {
  readonly clock: Clock;
  readonly ttlSeconds: number;
  readonly graceSeconds: number;
  /** After so many seconds without disturbance a host that can reach the store knows what it says; undefined: not judged. */
  readonly settleSeconds: number | undefined;
  /** How long everything may take to come to rest. */
  readonly calmSeconds: number;
  connect(): Promise<Link>;
  /** All keys under `/net/`, read round all links. */
  entries(): Promise<readonly KeyValue[]>;
  /** Writes a key that nothing makes expire, as an operator does. */
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  compact(): Promise<void>;
  /** All connections break, and the data stays. */
  restart(): Promise<void>;
  /** All data is lost: another cluster answers at the same address. */
  wipe(): Promise<void>;
  /** Keeps a copy of all data, the only one. */
  backUp(): Promise<void>;
  /** Another cluster answers, which begins with the copy; empty if there is none. */
  restore(): Promise<void>;
  /** Lets time pass, and everything happen that is due in it. */
  pass(seconds: number): Promise<void>;
  /** Watches all writes from now on, round all links. */
  observe(observer: Observer): void;
  /** Nothing goes on after it; who waits for time to pass gets an error. May be called again. */
  close(): Promise<void>;
}

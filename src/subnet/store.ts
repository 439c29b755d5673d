/**
 * The port: what the lease manager needs of a key-value store.
 *
 * Every write is conditional. There is no plain put and no plain delete, so that nobody can overwrite another host's
 * lease by mistake.
 */

/** A key as it stood at one revision. `leaseId` is `0` when nothing makes the key expire. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly leaseId: string;
}

/** All keys under a prefix at one revision of one cluster. */
export interface Snapshot {
  readonly entries: readonly KeyValue[];
  readonly revision: bigint;
  readonly clusterId: string;
}

export type KeyChange =
  | { readonly kind: 'put'; readonly entry: KeyValue }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: bigint };

/** A conditional write that was carried out, or the key as it stands instead (undefined: absent). */
export type WriteResult =
  | { readonly done: true; readonly modRevision: bigint }
  | { readonly done: false; readonly current: KeyValue | undefined };

/** A granted etcd lease. Ids are decimal text: they are 64 bits wide. */
export interface StoreLease {
  readonly id: string;
  readonly ttlSeconds: number;
}

/** Why a watch ended by itself; either way the caller lists again before it trusts what it knows. */
export type WatchEnd =
  | { readonly kind: 'compacted'; readonly revision: bigint }
  | { readonly kind: 'cancelled'; readonly reason: string }
  | { readonly kind: 'other-history'; readonly reason: string }
  | { readonly kind: 'broken'; readonly error: StoreError };

/** What kind of trouble a call met: it decides what the operator is told and whether trying again can help. */
export type StoreErrorKind =
  /** No answer: refused, cut, timed out, no leader. */
  | 'unavailable'
  /** No secure connection: wrong CA, missing or expired certificate, TLS on one side only. */
  | 'tls'
  /** Wrong user or password, or the role lacks a permission. */
  | 'denied'
  /** The store refused the request itself. */
  | 'invalid';

/** What an operator is told beside the message of a failure. It never holds a secret. */
export interface Advice {
  /** Which failure it is, such as `server-expired`: stable, so that a change of it shows. */
  readonly code: string;
  /** The probable cause, in words. */
  readonly cause: string;
  /** The next command to run. */
  readonly next: string;
}

/** A store call that failed; the message says what was being done, against which endpoints, and what came back. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly advice: Advice | undefined;
  constructor(
    readonly kind: StoreErrorKind,
    message: string,
    options?: ErrorOptions & { readonly advice?: Advice | undefined },
  ) {
    super(message, options);
    this.advice = options?.advice;
  }
}

export interface WatchHandlers {
  /** The stream stands and will deliver from the asked revision on. */
  onOpen(): void;
  /**
   * Changes in revision order, of one or more whole revisions. No changes: the store says that `revision` is reached.
   * A deletion that had to be settled by reading back bears the revision of that reading.
   */
  onChanges(changes: readonly KeyChange[], revision: bigint): void;
}

/** All calls reject with StoreError and give up after a deadline of seconds; none retries a write on its own. */
export interface Store {
  /** Reads all keys that start with `prefix`, in pages of one revision. */
  list(prefix: string, signal: AbortSignal): Promise<Snapshot>;
  /** Reads one key. */
  read(key: string): Promise<KeyValue | undefined>;
  /**
   * Watches all keys that start with `prefix` until the stream ends or `signal` aborts.
   * @param from first revision to be told, and the cluster that it belongs to: another one ends the watch
   * @returns why it ended; undefined when `signal` ended it
   */
  watch(
    prefix: string,
    from: { readonly revision: bigint; readonly clusterId: string },
    handlers: WatchHandlers,
    signal: AbortSignal,
  ): Promise<WatchEnd | undefined>;

  /** Writes the key only if it is absent. */
  createIfAbsent(key: string, value: string, leaseId: string): Promise<WriteResult>;
  /** Writes the key only if its last change is `modRevision`. */
  replaceIfUnchanged(key: string, value: string, leaseId: string, modRevision: bigint): Promise<WriteResult>;
  /** Deletes the key only if its last change is `modRevision`. */
  deleteIfUnchanged(key: string, modRevision: bigint): Promise<WriteResult>;

  grantLease(ttlSeconds: number): Promise<StoreLease>;
  /** What is left of a lease, or undefined when it is gone. */
  readLease(id: string): Promise<(StoreLease & { readonly grantedSeconds: number }) | undefined>;
  /** Gives a lease back; a lease that is gone already is success. */
  revokeLease(id: string): Promise<void>;
  /**
   * Renews a lease once over the open keep-alive stream.
   * @param answerMs how long one endpoint may take to answer before the next is asked; 10000 by default
   * @returns seconds until it ends from now, or undefined when the lease is gone
   */
  keepAlive(id: string, answerMs?: number): Promise<number | undefined>;

  close(): void;
}

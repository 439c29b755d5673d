/**
 * What the store holds under a prefix, kept up to date.
 *
 * Level-triggered: a list says what is there, a watch says what changes after it, and every few minutes another list
 * proves that nothing was missed. The owner is told real differences only, whichever way they became known. Knows the
 * Store port and nothing of etcd.
 */
import type { Logger } from 'pino';
import { ConnectionWatch, type StoreConnection } from './connection-watch.js';
import {
  StoreError,
  type KeyChange,
  type KeyValue,
  type Snapshot,
  type Store,
  type WatchEnd,
  type WatchHandlers,
} from './store.js';

/** Whether a batch continues what was known before it, or the store was wiped, restored or exchanged. */
export type MirrorHistory = 'same' | 'other-cluster' | 'revision-went-back';

/** Differences that belong together: what one watch answer brought, or all that a list found. */
export interface MirrorBatch {
  readonly cause: 'watch' | 'relist';
  readonly history: MirrorHistory;
  /** What differs from before; a deletion found by a list has the revision of that list. */
  readonly changes: readonly KeyChange[];
  readonly revision: bigint;
  readonly clusterId: string;
}

export interface MirrorHandlers {
  /** The first complete list; called once, before all others but `onConnection`. */
  onReset(snapshot: Snapshot): void;
  onChanges(batch: MirrorBatch): void;
  /** Called when it changes: the store answers, or does not, or for another reason than before. */
  onConnection(connection: StoreConnection): void;
}

export interface MirrorOptions {
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves after `ms` or, without an error, when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
  /** Mean time between lists; each wait is 0.75 to 1.25 of it, so that hosts don't list together. Default 300. */
  readonly relistEverySeconds?: number;
}

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5_000;
/** A watch that stood for so long ends the series of failures. */
const STABLE_MS = 10_000;

/** All up to this revision of this cluster is known. */
export interface Position {
  readonly revision: bigint;
  readonly clusterId: string;
}

export class Mirror {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #handlers: MirrorHandlers;
  readonly #options: MirrorOptions;
  readonly #known = new Map<string, KeyValue>();
  #position: Position | undefined;
  /** Revision of the last list; what a watch brings from before it is old. */
  #listedRevision = 0n;
  /** Revisions at which the watch changed keys while a list is under way. */
  #changedMeanwhile: Map<string, bigint> | undefined;
  #nextListAt = 0;
  readonly #connection: ConnectionWatch;
  #failures = 0;

  constructor(store: Store, prefix: string, handlers: MirrorHandlers, options: MirrorOptions) {
    this.#store = store;
    this.#prefix = prefix;
    this.#handlers = handlers;
    this.#options = options;
    const log = options.log.child({ prefix });
    this.#connection = new ConnectionWatch(options.now, log, connection => handlers.onConnection(connection));
  }

  /** What the store holds, by key, as far as is known. Live: it changes before a handler is called. */
  get entries(): ReadonlyMap<string, KeyValue> {
    return this.#known;
  }

  /** How far it is; undefined before the first list. */
  get position(): Position | undefined {
    return this.#position;
  }

  /**
   * Mirrors until `signal` aborts. Trouble with the store never ends it.
   * @throws what a handler throws
   */
  async run(signal: AbortSignal): Promise<void> {
    // The first list is not delayed, however many hosts start together: etcd answers a thousand lists of a thousand leases
    // in seconds, and who gets no answer in time comes again after a random pause. After an outage there is none, unless
    // it was as long as the time between two lists: the watch goes on where it was.
    while (!signal.aborted) {
      if (this.#position === undefined || this.#nextListAt <= this.#options.now()) {
        const listed = await this.#list(signal);
        if (!listed) {
          await this.#backOff(signal);
          continue;
        }
      }
      const end = await this.#watch(this.#position!, signal);
      // Stopped, or a list on the side found another history and the watch goes on from there.
      if (end === undefined) continue;
      this.#noteEnd(end);
      if (end.kind !== 'broken') this.#nextListAt = 0;
      await this.#backOff(signal);
    }
  }

  /** One watch, with lists on the side when they are due. */
  async #watch(from: Position, signal: AbortSignal): Promise<WatchEnd | undefined> {
    const attempt = new AbortController();
    const either = AbortSignal.any([signal, attempt.signal]);
    let openedAt = Infinity;
    const handlers: WatchHandlers = {
      onOpen: () => {
        openedAt = this.#options.now();
        this.#connection.works();
      },
      onChanges: (changes, revision) => {
        if (!either.aborted) this.#onWatchChanges(changes, { revision, clusterId: from.clusterId });
      },
    };
    const watching = this.#store.watch(
      this.#prefix,
      { revision: from.revision + 1n, clusterId: from.clusterId },
      handlers,
      either,
    );
    const [end] = await Promise.all([
      watching.finally(() => attempt.abort()),
      this.#listNowAndThen(either).finally(() => attempt.abort()),
    ]);
    if (this.#options.now() - openedAt >= STABLE_MS) this.#failures = 0;
    return end;
  }

  /** Lists whenever it is time to, until `signal` aborts or a list shows that the watch is on a history of the past. */
  async #listNowAndThen(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#options.sleep(Math.max(0, this.#nextListAt - this.#options.now()), signal);
      if (signal.aborted) return;
      const history = await this.#list(signal, 'beside a watch');
      if (history !== undefined && history !== 'same') return;
    }
  }

  /**
   * Lists once and hands over what differs.
   * @returns how the list continues what was known, or undefined when no answer came
   */
  async #list(signal: AbortSignal, how?: 'beside a watch'): Promise<MirrorHistory | undefined> {
    const before = this.#position;
    const meanwhile = new Map<string, bigint>();
    let snapshot: Snapshot;
    try {
      this.#changedMeanwhile = meanwhile;
      snapshot = await this.#store.list(this.#prefix, signal);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (signal.aborted) return undefined;
      this.#options.log.debug({ err: error, prefix: this.#prefix }, 'list failed');
      // While the watch stands this is no outage: the watch itself says when the store is away.
      if (how === undefined) this.#connection.fails(error);
      else {
        this.#planNextList();
        this.#connection.failsInPart(error);
      }
      return undefined;
    } finally {
      this.#changedMeanwhile = undefined;
    }
    if (signal.aborted) return undefined;
    this.#planNextList();
    this.#connection.works();
    const history = historyOf(before, snapshot);
    if (before === undefined) this.#reset(snapshot);
    else this.#compare(snapshot, history, meanwhile);
    return history;
  }

  #reset(snapshot: Snapshot): void {
    for (const entry of snapshot.entries) this.#known.set(entry.key, entry);
    this.#moveToList(snapshot);
    this.#handlers.onReset(snapshot);
  }

  #compare(snapshot: Snapshot, history: MirrorHistory, meanwhile: ReadonlyMap<string, bigint>): void {
    const { revision, clusterId } = snapshot;
    // The watch may have overtaken the list.
    const overtaken = (key: string) => (meanwhile.get(key) ?? 0n) > revision;
    const changes = differences(this.#known, snapshot).filter(
      change => history !== 'same' || !overtaken(keyOf(change)),
    );
    for (const change of changes) this.#apply(change);
    if (history === 'same' && revision < this.#position!.revision) this.#listedRevision = revision;
    else this.#moveToList(snapshot);
    if (changes.length === 0 && history === 'same') return;
    this.#handlers.onChanges({ cause: 'relist', history, changes, revision, clusterId });
  }

  #onWatchChanges(offered: readonly KeyChange[], reached: Position): void {
    if (reached.revision > this.#position!.revision) this.#position = reached;
    const changes = offered.filter(change => revisionOf(change) > this.#listedRevision);
    for (const change of changes) {
      this.#apply(change);
      this.#changedMeanwhile?.set(keyOf(change), revisionOf(change));
    }
    if (changes.length > 0) {
      this.#handlers.onChanges({ cause: 'watch', history: 'same', changes, ...reached });
    }
  }

  #apply(change: KeyChange): void {
    if (change.kind === 'put') this.#known.set(change.entry.key, change.entry);
    else this.#known.delete(change.key);
  }

  #moveToList({ revision, clusterId }: Snapshot): void {
    this.#position = { revision, clusterId };
    this.#listedRevision = revision;
  }

  #planNextList(): void {
    const meanMs = (this.#options.relistEverySeconds ?? 300) * 1000;
    this.#nextListAt = this.#options.now() + meanMs * (0.75 + this.#options.random() / 2);
  }

  async #backOff(signal: AbortSignal): Promise<void> {
    const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** ++this.#failures);
    await this.#options.sleep(FIRST_RETRY_MS + this.#options.random() * (longest - FIRST_RETRY_MS), signal);
  }

  #noteEnd(end: WatchEnd): void {
    if (end.kind === 'broken') this.#connection.fails(end.error);
    else this.#options.log.info({ end, prefix: this.#prefix }, 'watch ended; listing again');
  }
}

/**
 * Whether a list continues what was known before. It answers with what is committed when it is asked for, so that within
 * one history it can never be behind.
 */
export function historyOf(before: Position | undefined, snapshot: Position): MirrorHistory {
  if (before === undefined) return 'same';
  if (snapshot.clusterId !== before.clusterId) return 'other-cluster';
  return snapshot.revision < before.revision ? 'revision-went-back' : 'same';
}

/** What turns `known` into the snapshot: deletions first, so that a subnet is free before another key takes it. */
function differences(known: ReadonlyMap<string, KeyValue>, snapshot: Snapshot): KeyChange[] {
  const present = new Set(snapshot.entries.map(({ key }) => key));
  const deletions = [...known.keys()]
    .filter(key => !present.has(key))
    .map((key): KeyChange => ({ kind: 'delete', key, modRevision: snapshot.revision }));
  const puts = snapshot.entries
    .filter(entry => !isSameEntry(known.get(entry.key), entry))
    .map((entry): KeyChange => ({ kind: 'put', entry }));
  return [...deletions, ...puts];
}

function isSameEntry(a: KeyValue | undefined, b: KeyValue): boolean {
  return a?.modRevision === b.modRevision && a.value === b.value && a.leaseId === b.leaseId;
}

function keyOf(change: KeyChange): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}

function revisionOf(change: KeyChange): bigint {
  return change.kind === 'put' ? change.entry.modRevision : change.modRevision;
}

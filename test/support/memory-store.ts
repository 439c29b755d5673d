/**
 * The store port in memory, with etcd's rules: one revision per write, history that can be compacted, leases that end.
 * `store-contract.ts` runs the same cases on this and on a real etcd.
 */
import {
  StoreError,
  type KeyChange,
  type KeyValue,
  type Snapshot,
  type Store,
  type StoreLease,
  type WatchEnd,
  type WatchHandlers,
  type WriteResult,
} from '../../src/subnet/store.js';

interface Revision {
  readonly revision: bigint;
  readonly changes: readonly KeyChange[];
}

interface Watcher {
  readonly prefix: string;
  next: bigint;
  readonly handlers: WatchHandlers;
  readonly end: (end: WatchEnd | undefined) => void;
}

interface MemoryLease {
  readonly grantedSeconds: number;
  expiresAt: number;
}

export interface MemoryBackup {
  readonly revision: bigint;
  readonly keys: ReadonlyMap<string, KeyValue>;
  readonly leases: ReadonlyMap<string, MemoryLease>;
}

export class MemoryStore implements Store {
  /** How often each was called. */
  readonly calls = { list: 0, watch: 0 };
  private clusterId = '1';
  private revision = 1n;
  private compacted = 0n;
  private history: Revision[] = [];
  private readonly keys = new Map<string, KeyValue>();
  private readonly leases = new Map<string, MemoryLease>();
  private readonly watchers = new Set<Watcher>();
  private nextLease = 7_000n;
  private away: StoreError | undefined;

  /** @param now milliseconds; leases end by it */
  constructor(private readonly now: () => number) {}

  // What an operator or another host does.

  put(key: string, value: string, leaseId = '0'): bigint {
    return this.commit([this.putChange(key, value, leaseId)]);
  }

  remove(key: string): bigint {
    return this.commit([{ kind: 'delete', key, modRevision: this.revision + 1n }]);
  }

  /** Forgets the history before `revision`; watchers that are up to date go on. */
  compact(revision = this.revision): void {
    this.compacted = revision;
    this.history = this.history.filter(entry => entry.revision >= revision);
  }

  /** No call gets an answer and every watch breaks, until `comeBack`. */
  goAway(error = new StoreError('unavailable', 'memory store is away')): void {
    this.away = error;
    this.endWatches({ kind: 'broken', error });
  }

  comeBack(): void {
    this.away = undefined;
  }

  /** All connections break; as etcd's, the leases begin their time anew. */
  restart(): void {
    for (const lease of this.leases.values()) lease.expiresAt = this.now() + lease.grantedSeconds * 1000;
    this.endWatches({ kind: 'broken', error: new StoreError('unavailable', 'memory store restarts') });
  }

  /** The last writes never reach the open watches, which go on as if nothing had been. */
  loseEvents(): void {
    for (const watcher of this.watchers) watcher.next = this.revision + 1n;
  }

  endWatches(end: WatchEnd): void {
    for (const watcher of [...this.watchers]) watcher.end(end);
  }

  /** All data is lost and another cluster answers, or the same one from an old backup. */
  replaceHistory(options: { readonly clusterId?: string; readonly revision: bigint }): void {
    this.clusterId = options.clusterId ?? this.clusterId;
    this.revision = options.revision;
    this.compacted = 0n;
    this.history = [];
    this.keys.clear();
    this.leases.clear();
  }

  /** Everything as it is now, for `restore`; no history. */
  backup(): MemoryBackup {
    const { revision } = this;
    return { revision, keys: new Map(this.keys), leases: new Map(this.leases) };
  }

  /** Another cluster answers, which begins with a backup; as etcd's, the leases begin their time anew. */
  restore({ revision, keys, leases }: MemoryBackup): void {
    this.replaceHistory({ clusterId: `${this.clusterId}'`, revision });
    // What came before it is not told.
    this.compacted = revision;
    for (const [key, entry] of keys) this.keys.set(key, entry);
    for (const [id, lease] of leases) this.leases.set(id, { ...lease });
    this.restart();
  }

  /** Ends the leases whose time is over. */
  tick(): void {
    for (const [id, lease] of [...this.leases]) if (lease.expiresAt <= this.now()) this.endLease(id);
  }

  get openWatches(): number {
    return this.watchers.size;
  }

  // The port.

  async list(prefix: string, signal: AbortSignal): Promise<Snapshot> {
    this.calls.list++;
    await this.answer(signal);
    const entries = [...this.keys.values()].filter(({ key }) => key.startsWith(prefix));
    entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    return { entries, revision: this.revision, clusterId: this.clusterId };
  }

  async read(key: string): Promise<KeyValue | undefined> {
    await this.answer();
    return this.keys.get(key);
  }

  async watch(
    prefix: string,
    from: { readonly revision: bigint; readonly clusterId: string },
    handlers: WatchHandlers,
    signal: AbortSignal,
  ): Promise<WatchEnd | undefined> {
    this.calls.watch++;
    await Promise.resolve();
    if (signal.aborted) return undefined;
    if (this.away !== undefined) return { kind: 'broken', error: this.away };
    if (from.clusterId !== this.clusterId) return { kind: 'other-history', reason: 'another cluster id' };
    if (from.revision - 1n > this.revision) return { kind: 'other-history', reason: 'revision went back' };
    handlers.onOpen();
    if (from.revision <= this.compacted) return { kind: 'compacted', revision: this.compacted };
    return new Promise(resolve => {
      const onAbort = () => watcher.end(undefined);
      const watcher: Watcher = {
        prefix,
        next: from.revision,
        handlers,
        end: end => {
          this.watchers.delete(watcher);
          signal.removeEventListener('abort', onAbort);
          resolve(end);
        },
      };
      signal.addEventListener('abort', onAbort);
      this.watchers.add(watcher);
      this.deliver(watcher);
    });
  }

  async createIfAbsent(key: string, value: string, leaseId: string): Promise<WriteResult> {
    await this.answer();
    const current = this.keys.get(key);
    if (current !== undefined) return { done: false, current };
    return { done: true, modRevision: this.commit([this.putChange(key, value, leaseId)]) };
  }

  async replaceIfUnchanged(
    key: string,
    value: string,
    leaseId: string,
    modRevision: bigint,
  ): Promise<WriteResult> {
    await this.answer();
    const current = this.keys.get(key);
    if (current?.modRevision !== modRevision) return { done: false, current };
    return { done: true, modRevision: this.commit([this.putChange(key, value, leaseId)]) };
  }

  async deleteIfUnchanged(key: string, modRevision: bigint): Promise<WriteResult> {
    await this.answer();
    const current = this.keys.get(key);
    if (current?.modRevision !== modRevision) return { done: false, current };
    return { done: true, modRevision: this.remove(key) };
  }

  async grantLease(ttlSeconds: number): Promise<StoreLease> {
    await this.answer();
    const id = String(this.nextLease++);
    this.leases.set(id, { grantedSeconds: ttlSeconds, expiresAt: this.now() + ttlSeconds * 1000 });
    return { id, ttlSeconds };
  }

  async readLease(id: string): Promise<(StoreLease & { readonly grantedSeconds: number }) | undefined> {
    await this.answer();
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    const ttlSeconds = Math.floor((lease.expiresAt - this.now()) / 1000);
    return { id, ttlSeconds, grantedSeconds: lease.grantedSeconds };
  }

  async revokeLease(id: string): Promise<void> {
    await this.answer();
    if (this.leases.has(id)) this.endLease(id);
  }

  async keepAlive(id: string): Promise<number | undefined> {
    await this.answer();
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    lease.expiresAt = this.now() + lease.grantedSeconds * 1000;
    return lease.grantedSeconds;
  }

  close(): void {
    this.goAway(new StoreError('unavailable', 'the store was closed'));
  }

  private async answer(signal?: AbortSignal): Promise<void> {
    await Promise.resolve();
    if (signal?.aborted === true) throw new StoreError('unavailable', 'stopped by the caller');
    if (this.away !== undefined) throw this.away;
    this.tick();
  }

  private putChange(key: string, value: string, leaseId: string): KeyChange {
    if (leaseId !== '0' && !this.leases.has(leaseId)) throw new StoreError('invalid', `no lease ${leaseId}`);
    const modRevision = this.revision + 1n;
    const createRevision = this.keys.get(key)?.createRevision ?? modRevision;
    return { kind: 'put', entry: { key, value, createRevision, modRevision, leaseId } };
  }

  private endLease(id: string): void {
    this.leases.delete(id);
    const keys = [...this.keys.values()].filter(({ leaseId }) => leaseId === id);
    if (keys.length === 0) return;
    this.commit(keys.map(({ key }) => ({ kind: 'delete', key, modRevision: this.revision + 1n })));
  }

  private commit(changes: readonly KeyChange[]): bigint {
    this.revision++;
    for (const change of changes) {
      if (change.kind === 'put') this.keys.set(change.entry.key, change.entry);
      else this.keys.delete(change.key);
    }
    this.history.push({ revision: this.revision, changes });
    for (const watcher of this.watchers) queueMicrotask(() => this.deliver(watcher));
    return this.revision;
  }

  private deliver(watcher: Watcher): void {
    for (const { revision, changes } of this.history) {
      if (revision < watcher.next || !this.watchers.has(watcher)) continue;
      watcher.next = revision + 1n;
      const wanted = changes.filter(change =>
        (change.kind === 'put' ? change.entry.key : change.key).startsWith(watcher.prefix),
      );
      if (wanted.length > 0) watcher.handlers.onChanges(wanted, revision);
    }
  }
}

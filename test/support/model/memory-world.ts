/** The model's world in memory, on a clock that only moves when told to: a sequence takes milliseconds. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../../src/daemon/tasks.js';
import { StoreError, type Store, type WatchEnd, type WatchHandlers } from '../../../src/subnet/store.js';
import { FakeClock } from '../fake-clock.js';
import { MemoryStore } from '../memory-store.js';
import type { Cut, Link, World } from './world.js';

/** As the store on etcd: deadline of a call, and when pings tell that a connection is dead. */
const CALL_MS = 5_000;
const PING_MS = 15_000;
/** No agent has reason for more calls at one moment: it would be a loop without a pause. */
const MOST_CALLS_AT_ONCE = 500;

const never = new AbortController().signal;
// Every wait listens to it.
setMaxListeners(0, never);

export function createMemoryWorld(): World {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const nothing = store.backup();
  let backup = nothing;
  return {
    clock,
    ttlSeconds: 60,
    graceSeconds: 40,
    settleSeconds: 45,
    calmSeconds: 400,
    connect: async () => new MemoryLink(store, clock),
    entries: async () => (await store.list('/net/', never)).entries,
    put: async (key, value) => void store.put(key, value),
    remove: async key => {
      if ((await store.read(key)) !== undefined) store.remove(key);
    },
    compact: async () => store.compact(),
    restart: async () => store.restart(),
    wipe: async () => store.restore(nothing),
    backUp: async () => {
      backup = store.backup();
    },
    restore: async () => store.restore(backup),
    pass: seconds => clock.pass(seconds * 1000, () => store.tick()),
    observe: observer => {
      const handlers: WatchHandlers = {
        onOpen: () => undefined,
        onChanges: changes => {
          for (const change of changes) {
            if (change.kind === 'put') observer.onPut(change.entry);
            else observer.onDelete(change.key);
          }
        },
      };
      const follow = async (): Promise<void> => {
        const from = await store.list('/net/', never);
        observer.onSnapshot(from.entries);
        const next = { revision: from.revision + 1n, clusterId: from.clusterId };
        await store.watch('/net/', next, handlers, never);
        return follow();
      };
      void follow();
    },
    close: async () => clock.stop(),
  };
}

const unavailable = (why: string) => new StoreError('unavailable', why);

class MemoryLink implements Link {
  readonly store: Store;
  readonly #clock: Clock;
  #cut: Cut | undefined;
  #isClosed = false;
  #lastCallAt = -Infinity;
  #callsAtOnce = 0;
  /** What is on its way while the link is stalled, in order. */
  #held: (() => void)[] = [];
  readonly #watches = new Set<(end: WatchEnd) => void>();

  constructor(store: MemoryStore, clock: Clock) {
    this.#clock = clock;
    this.store = {
      list: (...args) => this.#call(() => store.list(...args)),
      read: key => this.#call(() => store.read(key)),
      createIfAbsent: (...args) => this.#call(() => store.createIfAbsent(...args)),
      replaceIfUnchanged: (...args) => this.#call(() => store.replaceIfUnchanged(...args)),
      deleteIfUnchanged: (...args) => this.#call(() => store.deleteIfUnchanged(...args)),
      grantLease: ttlSeconds => this.#call(() => store.grantLease(ttlSeconds)),
      readLease: id => this.#call(() => store.readLease(id)),
      revokeLease: id => this.#call(() => store.revokeLease(id)),
      keepAlive: id => this.#call(() => store.keepAlive(id)),
      watch: (prefix, from, handlers, signal) => this.#watch(store, prefix, from, handlers, signal),
      close: () => this.close(),
    };
  }

  cut(how: Cut): void {
    this.#cut = how;
    if (how === 'refused') this.#breakWatches('connection refused');
    else void this.#missPings();
  }

  heal(): void {
    this.#cut = undefined;
    for (const arrive of this.#held.splice(0)) arrive();
  }

  close(): void {
    this.#isClosed = true;
    this.#breakWatches('the store was closed');
  }

  async #missPings(): Promise<void> {
    const cut = this.#cut;
    await this.#clock.sleep(PING_MS, never);
    if (this.#cut === cut) this.#breakWatches('ping timeout');
  }

  #breakWatches(why: string): void {
    for (const end of [...this.#watches]) end({ kind: 'broken', error: unavailable(why) });
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    await Promise.resolve();
    this.#countCall();
    if (this.#isClosed) throw unavailable('the store was closed');
    switch (this.#cut) {
      case undefined:
        return this.#unlessCutMeanwhile(call());
      case 'refused':
        throw unavailable('connection refused');
      case 'stalled':
        this.#held.push(() => void call().catch(() => undefined));
        return this.#deadline();
      case 'one-way':
        call().catch(() => undefined);
        return this.#deadline();
    }
  }

  #countCall(): void {
    const now = this.#clock.now();
    this.#callsAtOnce = now === this.#lastCallAt ? this.#callsAtOnce + 1 : 1;
    this.#lastCallAt = now;
    if (this.#callsAtOnce > MOST_CALLS_AT_ONCE) throw new Error('calls without a pause');
  }

  async #unlessCutMeanwhile<T>(answer: Promise<T>): Promise<T> {
    const value = await answer;
    if (this.#cut !== undefined) throw unavailable('cut before the answer came');
    return value;
  }

  async #deadline(): Promise<never> {
    await this.#clock.sleep(CALL_MS, never);
    throw unavailable('deadline exceeded');
  }

  async #watch(
    store: MemoryStore,
    prefix: string,
    from: { readonly revision: bigint; readonly clusterId: string },
    handlers: WatchHandlers,
    signal: AbortSignal,
  ): Promise<WatchEnd | undefined> {
    this.#countCall();
    if (this.#isClosed) return { kind: 'broken', error: unavailable('the store was closed') };
    if (this.#cut === 'refused') return { kind: 'broken', error: unavailable('connection refused') };
    if (this.#cut !== undefined) {
      await this.#clock.sleep(CALL_MS, signal);
      return signal.aborted ? undefined : { kind: 'broken', error: unavailable('not opened in time') };
    }
    const stop = new AbortController();
    let isOver = false;
    const onAbort = () => stop.abort();
    signal.addEventListener('abort', onAbort);
    const later = (arrive: () => void) => {
      const unlessOver = () => {
        if (!isOver) arrive();
      };
      if (this.#cut === undefined) unlessOver();
      else this.#held.push(unlessOver);
    };
    let end!: (end: WatchEnd) => void;
    const broken = new Promise<WatchEnd>(resolve => (end = resolve));
    this.#watches.add(end);
    const inner = store.watch(
      prefix,
      from,
      {
        onOpen: () => later(() => handlers.onOpen()),
        onChanges: (changes, revision) => later(() => handlers.onChanges(changes, revision)),
      },
      stop.signal,
    );
    const result = await Promise.race([broken, inner]);
    isOver = true;
    this.#watches.delete(end);
    stop.abort();
    signal.removeEventListener('abort', onAbort);
    return result;
  }
}

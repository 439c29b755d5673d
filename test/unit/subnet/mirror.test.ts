import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { StoreConnection } from '../../../src/subnet/connection-watch.js';
import { Mirror, type MirrorBatch } from '../../../src/subnet/mirror.js';
import {
  StoreError,
  type KeyChange,
  type Snapshot,
  type Store,
  type StoreErrorKind,
} from '../../../src/subnet/store.js';
import { MemoryStore } from '../../support/memory-store.js';
import { recordedLog, type LogLine } from '../../support/recorded-log.js';
import { until } from '../../support/store-contract.js';

/** Time that only moves when a test says so. */
class Clock {
  ms = 0;
  /** Every wait that was asked for, in milliseconds. */
  readonly waits: number[] = [];
  private readonly sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.waits.push(ms);
    return new Promise(resolve => {
      const wake = () => {
        this.sleepers.delete(sleeper);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { at: this.ms + ms, wake };
      this.sleepers.add(sleeper);
      signal.addEventListener('abort', wake);
      if (signal.aborted) wake();
    });
  }

  advance(ms: number): void {
    this.ms += ms;
    for (const sleeper of [...this.sleepers]) if (sleeper.at <= this.ms) sleeper.wake();
  }
}

interface Fixture {
  readonly store: MemoryStore;
  readonly clock: Clock;
  readonly resets: Snapshot[];
  readonly batches: MirrorBatch[];
  readonly connections: StoreConnection[];
  readonly lines: LogLine[];
  /** What an owner knows that does as the handlers say. */
  readonly known: Map<string, string>;
  readonly done: Promise<void>;
  readonly stop: () => Promise<void>;
  /** Lets the retries of the next seconds happen until `condition` holds. */
  readonly retryUntil: (condition: () => boolean, what: string) => Promise<void>;
}

function apply(known: Map<string, string>, changes: readonly KeyChange[]): void {
  for (const change of changes) {
    if (change.kind === 'put') known.set(change.entry.key, change.entry.value);
    else known.delete(change.key);
  }
}

function start(
  teardown: (fn: () => void) => void,
  store: MemoryStore,
  clock: Clock,
  seenAs: Store = store,
  onBatch?: (batch: MirrorBatch) => void,
  random = 0.5,
): Fixture {
  const resets: Snapshot[] = [];
  const batches: MirrorBatch[] = [];
  const connections: StoreConnection[] = [];
  const known = new Map<string, string>();
  const { log, lines } = recordedLog();
  const mirror = new Mirror(
    seenAs,
    '/net/',
    {
      onReset: snapshot => {
        resets.push(snapshot);
        for (const { key, value } of snapshot.entries) known.set(key, value);
      },
      onChanges: batch => {
        batches.push(batch);
        apply(known, batch.changes);
        onBatch?.(batch);
      },
      onConnection: connection => connections.push(connection),
    },
    {
      log,
      now: () => clock.ms,
      sleep: (ms, signal) => clock.sleep(ms, signal),
      random: () => random,
      relistEverySeconds: 100,
    },
  );
  const stopping = new AbortController();
  const done = mirror.run(stopping.signal);
  done.catch(() => undefined);
  const stop = async () => {
    stopping.abort();
    await done;
  };
  teardown(() => stopping.abort());
  const retryUntil = (condition: () => boolean, what: string) =>
    until(() => {
      if (!condition()) clock.advance(500);
      return condition();
    }, what);
  return { store, clock, resets, batches, connections, lines, known, done, stop, retryUntil };
}

/** A mirror that watches a store with the keys `/net/a` and `/net/b`. */
async function watching(t: Test, random?: number): Promise<Fixture> {
  const clock = new Clock();
  const store = new MemoryStore(() => clock.ms);
  store.put('/net/a', 'a1');
  store.put('/net/b', 'b1');
  const fixture = start(fn => t.teardown(fn), store, clock, store, undefined, random);
  await until(() => store.openWatches === 1, 'the watch');
  return fixture;
}

const flat = (batches: readonly MirrorBatch[]) =>
  batches.map(({ cause, history, changes }) => [
    cause,
    history,
    ...changes.map(change =>
      change.kind === 'put' ? `${change.entry.key}=${change.entry.value}` : change.key,
    ),
  ]);

t.test('first all that is there, then what changes', async t => {
  const { store, resets, batches, connections, stop } = await watching(t);
  t.strictSame(
    resets.map(({ entries }) => entries.map(({ key }) => key)),
    [['/net/a', '/net/b']],
  );
  store.put('/net/c', 'c1');
  store.put('/other', 'x');
  store.remove('/net/a');
  await until(() => batches.length === 2, 'the changes');
  t.strictSame(flat(batches), [
    ['watch', 'same', '/net/c=c1'],
    ['watch', 'same', '/net/a'],
  ]);
  t.strictSame(connections, [{ connected: true, since: 0, error: undefined }]);
  await stop();
  t.equal(store.openWatches, 0);
});

t.test('a store that is away at the start is asked until it answers', async t => {
  const clock = new Clock();
  const store = new MemoryStore(() => clock.ms);
  store.put('/net/a', 'a1');
  const error = new StoreError('unavailable', 'refused');
  store.goAway(error);
  const { resets, connections, retryUntil, stop } = start(fn => t.teardown(fn), store, clock);
  await until(() => connections.length === 1, 'the first failure');
  await retryUntil(() => store.calls.list >= 10, 'ten attempts');
  t.ok(clock.waits.every(ms => ms >= 200 && ms <= 5000));
  t.ok(clock.waits[0]! < clock.waits[3]! && clock.waits[3]! < clock.waits[8]!, 'the waits grow');
  t.strictSame(connections, [{ connected: false, since: 0, error }]);
  const denied = new StoreError('denied', 'wrong password');
  store.goAway(denied);
  await retryUntil(() => connections.length === 2, 'another kind of trouble is told');
  store.comeBack();
  await retryUntil(() => resets.length === 1, 'the first list');
  t.match(connections.slice(1), [{ connected: false, since: 0, error: denied }, { connected: true }]);
  await stop();
});

t.test(
  'of several causes of an outage each is told once, and a refusal is not hidden by an outage',
  async t => {
    const clock = new Clock();
    const store = new MemoryStore(() => clock.ms);
    const failure = (kind: StoreErrorKind, code: string) =>
      new StoreError(kind, code, { advice: { code, cause: `the cause of ${code}`, next: 'look' } });
    const [refused, silent, expired] = [
      failure('unavailable', 'connection-refused'),
      failure('unavailable', 'no-answer'),
      failure('tls', 'server-expired'),
    ];
    store.goAway(refused);
    const { connections, lines, retryUntil, stop } = start(fn => t.teardown(fn), store, clock);
    const shown = () => connections.map(({ error }) => error?.message);
    await until(() => connections.length === 1, 'the first failure');
    store.goAway(silent);
    await retryUntil(() => connections.length === 2, 'another cause of the same kind');
    t.strictSame(shown(), ['connection-refused', 'no-answer']);
    store.goAway(expired);
    await retryUntil(() => connections.length === 3, 'another kind');
    // Two endpoints in turn: one is down, the other has an expired certificate.
    for (let turn = 0; turn < 4; turn++) {
      const before = store.calls.list;
      store.goAway(turn % 2 === 0 ? refused : expired);
      await retryUntil(() => store.calls.list > before, 'the next attempt');
    }
    t.strictSame(shown().slice(2), ['server-expired'], 'the refusal stays');
    store.goAway(refused);
    await retryUntil(() => connections.length === 4, 'until it is long past');
    t.match(connections.at(-1), { connected: false, since: 0, error: refused });
    t.strictSame(
      lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg),
      [
        'etcd is away: the cause of connection-refused; trying again',
        'etcd is away: the cause of no-answer; trying again',
        'no secure connection to etcd: the cause of server-expired; trying again',
      ],
      'each cause has one line',
    );
    store.comeBack();
    await retryUntil(() => connections.length === 5, 'the end');
    t.match(connections.at(-1), { connected: true, error: undefined });
    await stop();
  },
);

t.test('lists that are refused beside a watch that goes on are told, and are no outage', async t => {
  const denied = new StoreError('denied', 'permission denied');
  let refuse = true;
  const clock = new Clock();
  const store = new MemoryStore(() => clock.ms);
  const seen: Store = Object.create(store, {
    list: {
      value: (...args: Parameters<Store['list']>) =>
        store.calls.list > 0 && refuse ? Promise.reject(denied) : store.list(...args),
    },
  }) as Store;
  const { connections, batches, stop } = start(fn => t.teardown(fn), store, clock, seen);
  await until(() => store.openWatches === 1, 'the watch');
  const relistUntil = (count: number) =>
    until(() => {
      if (connections.length < count) clock.advance(125_000);
      return connections.length === count;
    }, `${count} connections`);
  await relistUntil(2);
  clock.advance(125_000);
  store.put('/net/a', 'a1');
  await until(() => batches.length === 1, 'a change on the watch');
  refuse = false;
  await relistUntil(3);
  t.match(connections, [
    { connected: true, since: 0, error: undefined },
    { connected: true, since: 0, error: denied },
    { connected: true, since: 0, error: undefined },
  ]);
  await stop();
});

t.test('after a cut the watch goes on where it was, without a list', async t => {
  const { store, batches, connections, retryUntil, stop } = await watching(t);
  store.put('/net/c', 'c1');
  await until(() => batches.length === 1, 'the first change');
  store.goAway();
  store.put('/net/c', 'c2');
  store.remove('/net/b');
  await until(() => connections.length === 2, 'the cut');
  store.comeBack();
  await retryUntil(() => batches.length === 3, 'what was missed');
  t.strictSame(flat(batches.slice(1)), [
    ['watch', 'same', '/net/c=c2'],
    ['watch', 'same', '/net/b'],
  ]);
  t.strictSame(
    connections.map(({ connected }) => connected),
    [true, false, true],
  );
  t.equal(store.calls.list, 1);
  await stop();
});

t.test('after a compaction only the differences come, in one batch', async t => {
  const { store, clock, batches, retryUntil, stop } = await watching(t);
  store.goAway();
  store.put('/net/a', 'a1');
  store.put('/net/a', 'a2');
  store.remove('/net/b');
  store.put('/net/c', 'c1');
  store.compact();
  store.comeBack();
  await retryUntil(() => batches.length === 1 && store.openWatches === 1, 'the batch');
  t.strictSame(flat(batches), [['relist', 'same', '/net/b', '/net/a=a2', '/net/c=c1']]);
  t.ok(clock.ms < 5_000, 'at once, not when the next list is due');
  store.put('/net/d', 'd1');
  await until(() => batches.length === 2, 'the watch goes on');
  await stop();
});

t.test('a list every few minutes finds what a watch has lost, and says nothing when nothing is', async t => {
  const { store, clock, batches, stop } = await watching(t);
  clock.advance(100_000);
  await until(() => store.calls.list === 2, 'the second list');
  store.put('/net/c', 'c1');
  store.remove('/net/a');
  store.loseEvents();
  t.strictSame(batches, []);
  clock.advance(99_000);
  clock.advance(1_000);
  await until(() => batches.length === 1, 'the batch');
  t.strictSame(flat(batches), [['relist', 'same', '/net/a', '/net/c=c1']]);
  t.equal(store.calls.watch, 1, 'the watch was left alone');
  await stop();
});

t.test('lists are due in time even when watches keep breaking', async t => {
  const { store, clock, stop } = await watching(t);
  for (let i = 0; i < 4; i++) {
    clock.advance(40_000);
    store.endWatches({ kind: 'broken', error: new StoreError('unavailable', 'cut') });
    await until(() => {
      clock.advance(200);
      return store.openWatches === 1;
    }, 'the next watch');
  }
  // One that a cut interrupts is made again.
  t.ok(store.calls.list >= 2 && store.calls.list <= 3);
  await stop();
});

t.test('hosts that began together list at different times', async t => {
  const meanMs = 100_000;
  const spacing = async (random: number) => {
    const { clock, stop } = await watching(t, random);
    clock.advance(clock.waits[0]!);
    await until(() => clock.waits.length === 2, 'the second list');
    await stop();
    return clock.waits;
  };
  const [early, late] = [await spacing(0.1), await spacing(0.9)];
  for (const ms of [...early, ...late]) t.ok(ms >= 0.75 * meanMs && ms <= 1.25 * meanMs, `${ms} ms`);
  early.forEach((ms, i) => t.ok(late[i]! - ms > 0.25 * meanMs, `${ms} ms and ${late[i]} ms`));
});

t.test('hosts that a cut hit together come back at different times', async t => {
  /** The most that a host waits before each of its attempts: it doubles, up to the longest of all. */
  const longest = [400, 800, 1600, 3200, 5000, 5000];
  const waits = async (random: number) => {
    const { store, clock, retryUntil, stop } = await watching(t, random);
    // That far off is the next list, which the fixture's clock does not reach.
    const backOffs = () => clock.waits.filter(ms => ms <= 5_000);
    store.goAway();
    await retryUntil(() => backOffs().length >= longest.length, 'the attempts');
    t.equal(store.calls.list, 1, 'all were before a watch');
    await stop();
    return backOffs().slice(0, longest.length);
  };
  const [early, late] = [await waits(0.1), await waits(0.9)];
  for (const [i, most] of longest.entries()) {
    const [a, b] = [early[i]!, late[i]!];
    t.ok(a >= 200 && b <= most, `attempt ${i + 1}: ${a} ms and ${b} ms are within 200 and ${most} ms`);
    t.ok(b - a > (most - 200) / 2, `attempt ${i + 1}: ${a} ms and ${b} ms differ`);
  }
});

t.test('another history is said to be one', async t => {
  for (const [how, history, advance] of [
    [{ clusterId: '2', revision: 50n }, 'other-cluster', 0],
    [{ revision: 1n }, 'revision-went-back', 0],
    // The watch stands and notices nothing.
    [{ clusterId: '2', revision: 50n }, 'other-cluster', 100_000],
    [{ revision: 1n }, 'revision-went-back', 100_000],
  ] as const) {
    const { store, clock, batches, retryUntil, stop } = await watching(t);
    store.replaceHistory(how);
    if (advance > 0) clock.advance(advance);
    else store.endWatches({ kind: 'broken', error: new StoreError('unavailable', 'restarted') });
    await retryUntil(() => batches.length === 1 && store.openWatches === 1, 'the batch');
    t.strictSame(flat(batches), [['relist', history, '/net/a', '/net/b']]);
    store.put('/net/z', 'z1');
    await until(() => batches.length === 2, 'changes of the new history');
    t.strictSame(flat(batches.slice(1)), [['watch', 'same', '/net/z=z1']]);
    await stop();
  }
});

t.test('a list that the watch overtakes takes nothing back', async t => {
  const clock = new Clock();
  const store = new MemoryStore(() => clock.ms);
  store.put('/net/a', 'a1');
  const held: (() => void)[] = [];
  const slow = Object.assign(Object.create(store) as Store, {
    list: async (prefix: string, signal: AbortSignal) => {
      const snapshot = await store.list(prefix, signal);
      if (store.calls.list > 1) await new Promise<void>(resolve => held.push(resolve));
      return snapshot;
    },
  });
  const { batches, known, retryUntil, stop } = start(fn => t.teardown(fn), store, clock, slow);
  await until(() => store.openWatches === 1, 'the watch');
  clock.advance(100_000);
  await until(() => held.length === 1, 'the list under way');
  store.put('/net/b', 'b1');
  store.remove('/net/a');
  await until(() => batches.length === 2, 'the watch to overtake it');
  held[0]!();
  await retryUntil(() => held.length === 2, 'the next list');
  held[1]!();
  t.strictSame([...known], [['/net/b', 'b1']]);
  t.equal(batches.length, 2);
  await stop();
});

t.test('what a slow watch brings after a list told it is not told again', async t => {
  const clock = new Clock();
  const store = new MemoryStore(() => clock.ms);
  store.put('/net/a', 'a1');
  const held: (() => void)[] = [];
  const slow = Object.assign(Object.create(store) as Store, {
    watch: (...[prefix, from, handlers, signal]: Parameters<Store['watch']>) => {
      const onChanges = (changes: readonly KeyChange[], revision: bigint) => {
        held.push(() => handlers.onChanges(changes, revision));
      };
      return store.watch(prefix, from, { onOpen: () => handlers.onOpen(), onChanges }, signal);
    },
  });
  const { batches, known, stop } = start(fn => t.teardown(fn), store, clock, slow);
  await until(() => store.openWatches === 1, 'the watch');
  store.put('/net/b', 'b1');
  store.remove('/net/b');
  store.remove('/net/a');
  store.put('/net/a', 'a2');
  clock.advance(100_000);
  await until(() => batches.length === 1 && held.length === 4, 'the list');
  held.forEach(deliver => deliver());
  t.strictSame(flat(batches), [['relist', 'same', '/net/a=a2']]);
  t.strictSame([...known], [['/net/a', 'a2']]);
  await stop();
});

t.test('a handler that throws ends the mirror', async t => {
  const clock = new Clock();
  const store = new MemoryStore(() => clock.ms);
  const bug = new Error('bug');
  const { done } = start(
    fn => t.teardown(fn),
    store,
    clock,
    store,
    () => {
      throw bug;
    },
  );
  await until(() => store.openWatches === 1, 'the watch');
  store.put('/net/a', 'a1');
  store.loseEvents();
  clock.advance(100_000);
  await t.rejects(done, bug);
  t.equal(store.openWatches, 0);
});

t.test('whatever happens, the owner knows in the end what the store holds', async t => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('put' as const), key: fc.nat(5), value: fc.nat(2) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: fc.nat(5) }) },
    fc.record({
      kind: fc.constantFrom('compact', 'away', 'back', 'cut', 'lose', 'relist', 'restore', 'yield'),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const clock = new Clock();
      const store = new MemoryStore(() => clock.ms);
      const fixture = start(() => undefined, store, clock);
      for (const step of steps) {
        if (step.kind === 'put') store.put(`/net/${step.key}`, String(step.value));
        else if (step.kind === 'remove') store.remove(`/net/${step.key}`);
        else if (step.kind === 'compact') store.compact();
        else if (step.kind === 'away') store.goAway();
        else if (step.kind === 'back') store.comeBack();
        else if (step.kind === 'cut') {
          store.endWatches({ kind: 'broken', error: new StoreError('unavailable', 'cut') });
        } else if (step.kind === 'lose') store.loseEvents();
        else if (step.kind === 'relist') clock.advance(130_000);
        else if (step.kind === 'restore') store.replaceHistory({ clusterId: '2', revision: 3n });
        else await new Promise(resolve => setImmediate(resolve));
      }
      store.comeBack();
      const holds = async () => {
        clock.advance(6_000);
        const { entries } = await store.list('/net/', AbortSignal.timeout(1000));
        const same = entries.every(({ key, value }) => fixture.known.get(key) === value);
        return same && entries.length === fixture.known.size && store.openWatches === 1;
      };
      await until(holds, 'both to be the same');
      t.equal(fixture.resets.length, 1);
      await fixture.stop();
    }),
    { numRuns: 100 },
  );
});

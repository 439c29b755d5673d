/** What every Store does, as cases that run on the store in memory and on a real etcd. */
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Test } from 'tap';
import type { KeyChange, Store, WatchEnd } from '../../src/subnet/store.js';

export interface StoreUnderTest {
  readonly store: Store;
  /** Writes a key as an operator does, whatever it holds. */
  readonly put: (key: string, value: string) => Promise<void>;
  /** Forgets all history up to now. */
  readonly compact: () => Promise<void>;
  /** Lets the time pass in which a lease of `seconds` ends. */
  readonly pass: (seconds: number) => Promise<void>;
}

const never = new AbortController().signal;

/**
 * Adds the cases to a tap test; each works under keys of its own.
 * @param make gives a store; it may be the same one for all cases
 */
export function storeContract(t: Test, make: (t: Test) => Promise<StoreUnderTest>): void {
  let count = 0;
  const add = (name: string, run: (t: Test, under: StoreUnderTest, root: string) => Promise<void>) => {
    t.test(name, async t => run(t, await make(t), `/contract/${++count}`));
  };

  add('a key is created once', async (t, { store }, root) => {
    const first = await store.createIfAbsent(`${root}/a`, 'one', '0');
    t.ok(first.done);
    const second = await store.createIfAbsent(`${root}/a`, 'two', '0');
    t.match(second, { done: false, current: { key: `${root}/a`, value: 'one', leaseId: '0' } });
    const entry = await store.read(`${root}/a`);
    t.equal(entry?.value, 'one');
    t.equal(entry?.modRevision, first.done && first.modRevision);
    t.equal(entry?.createRevision, entry?.modRevision);
    t.equal(await store.read(`${root}/b`), undefined);
  });

  add('a key is replaced only at the known revision', async (t, { store }, root) => {
    const key = `${root}/a`;
    t.strictSame(await store.replaceIfUnchanged(key, 'x', '0', 1n), { done: false, current: undefined });
    const created = await store.createIfAbsent(key, 'one', '0');
    const revision = created.done ? created.modRevision : 0n;
    const replaced = await store.replaceIfUnchanged(key, 'two', '0', revision);
    t.ok(replaced.done && replaced.modRevision > revision);
    t.match(await store.replaceIfUnchanged(key, 'three', '0', revision), {
      done: false,
      current: { value: 'two', createRevision: revision },
    });
  });

  add('a key is deleted only at the known revision', async (t, { store }, root) => {
    const key = `${root}/a`;
    const created = await store.createIfAbsent(key, 'one', '0');
    const revision = created.done ? created.modRevision : 0n;
    t.match(await store.deleteIfUnchanged(key, revision - 1n), { done: false, current: { value: 'one' } });
    const deleted = await store.deleteIfUnchanged(key, revision);
    t.ok(deleted.done && deleted.modRevision > revision);
    t.strictSame(await store.deleteIfUnchanged(key, revision), { done: false, current: undefined });
  });

  add(
    'a list holds what starts with the prefix, in the order of the keys',
    async (t, { store, put }, root) => {
      for (const name of ['s/b', 's/a', 'sx', 'r/z', 't']) await put(`${root}/${name}`, name);
      const { entries, revision, clusterId } = await store.list(`${root}/s`, never);
      t.strictSame(
        entries.map(({ key, value }) => [key, value]),
        ['s/a', 's/b', 'sx'].map(name => [`${root}/${name}`, name]),
      );
      t.ok(entries.every(({ modRevision }) => modRevision <= revision));
      t.match(clusterId, /^\d+$/);
      t.strictSame((await store.list(`${root}/none`, never)).entries, []);
      await t.rejects(store.list(root, AbortSignal.abort()), { name: 'StoreError' });
    },
  );

  add('a lease keeps its keys and takes them along', async (t, { store }, root) => {
    const lease = await store.grantLease(600);
    t.equal(lease.ttlSeconds, 600);
    t.match(lease.id, /^[1-9]\d*$/);
    for (const name of ['a', 'b', 'c']) {
      t.ok((await store.createIfAbsent(`${root}/${name}`, name, lease.id)).done);
    }
    t.equal((await store.read(`${root}/a`))?.leaseId, lease.id);
    const read = await store.readLease(lease.id);
    t.match(read, { id: lease.id, grantedSeconds: 600 });
    t.ok(read!.ttlSeconds > 590 && read!.ttlSeconds <= 600);
    t.equal(await store.keepAlive(lease.id), 600);

    const watch = openWatch(store, root, await store.list(root, never));
    await watch.opened;
    await store.revokeLease(lease.id);
    await until(() => watch.changes.length > 0, 'the deletions');
    const kinds = watch.changes[0]!.map(change => change.kind);
    t.strictSame(kinds, ['delete', 'delete', 'delete'], 'one revision comes in one piece');
    watch.stop();
    t.strictSame((await store.list(root, never)).entries, []);
  });

  add('a lease that is gone', async (t, { store }, root) => {
    const { id } = await store.grantLease(600);
    await store.revokeLease(id);
    await store.revokeLease(id);
    t.equal(await store.readLease(id), undefined);
    t.equal(await store.keepAlive(id), undefined);
    await t.rejects(store.createIfAbsent(`${root}/a`, 'x', id), { name: 'StoreError', kind: 'invalid' });
  });

  add('a lease that nobody renews ends', async (t, { store, pass }, root) => {
    const { id, ttlSeconds } = await store.grantLease(5);
    t.ok((await store.createIfAbsent(`${root}/a`, 'x', id)).done);
    await pass(ttlSeconds);
    const goneBy = Date.now() + 15_000;
    while ((await store.read(`${root}/a`)) !== undefined && Date.now() < goneBy) await pass(0.2);
    t.equal(await store.read(`${root}/a`), undefined);
    t.equal(await store.keepAlive(id), undefined);
  });

  add('a watch brings all changes from its revision on', async (t, { store, put }, root) => {
    await put(`${root}/a`, 'before');
    const snapshot = await store.list(root, never);
    await put(`${root}/a`, 'missed');
    const watch = openWatch(store, root, snapshot);
    await watch.opened;
    await put(`${root}x`, 'starts with the prefix too');
    await put(root.slice(0, -1), 'not under the prefix');
    const entry = await store.read(`${root}/a`);
    await store.deleteIfUnchanged(`${root}/a`, entry!.modRevision);
    await until(() => watch.changes.flat().length >= 3, 'three changes');
    t.strictSame(
      watch.changes.flat().map(change => (change.kind === 'put' ? change.entry.value : change.kind)),
      ['missed', 'starts with the prefix too', 'delete'],
    );
    t.strictSame(watch.revisions, [...watch.revisions].sort(), 'revisions rise');
    watch.stop();
    t.equal(await watch.end, undefined);
  });

  add('a watch from before the compaction says so', async (t, { store, put, compact }, root) => {
    const snapshot = await store.list(root, never);
    for (const value of ['1', '2', '3']) await put(`${root}/a`, value);
    await compact();
    const watch = openWatch(store, root, snapshot);
    const { revision } = await store.list(root, never);
    t.strictSame(await watch.end, { kind: 'compacted', revision });
    t.strictSame(watch.changes, []);
  });

  add('a deletion in the compacted revision itself is not lost', async (t, { store, compact }, root) => {
    const { id } = await store.grantLease(60);
    const written = await store.createIfAbsent(`${root}/a`, '1', id);
    const snapshot = await store.list(root, never);
    await store.deleteIfUnchanged(`${root}/a`, written.done ? written.modRevision : 0n);
    await compact();
    const watch = openWatch(store, root, snapshot);
    t.strictSame(await watch.end, { kind: 'compacted', revision: snapshot.revision + 1n });
    t.strictSame(watch.changes, []);
  });

  add('a watch on another history says so', async (t, { store }, root) => {
    const { revision, clusterId } = await store.list(root, never);
    const ahead = openWatch(store, root, { revision: revision + 100n, clusterId });
    t.match(await ahead.end, { kind: 'other-history' });
    const elsewhere = openWatch(store, root, { revision, clusterId: '42' });
    t.match(await elsewhere.end, { kind: 'other-history' });
  });
}

/** A watch that records what it brings. */
export interface RecordedWatch {
  /** Rejects when the watch ends before. */
  readonly opened: Promise<void>;
  /** One element for each call of `onChanges`. */
  readonly changes: (readonly KeyChange[])[];
  readonly revisions: bigint[];
  readonly end: Promise<WatchEnd | undefined>;
  stop(): void;
}

/** Watches from the revision after a snapshot. */
export function openWatch(
  store: Store,
  prefix: string,
  after: { readonly revision: bigint; readonly clusterId: string },
): RecordedWatch {
  const stopping = new AbortController();
  const changes: (readonly KeyChange[])[] = [];
  const revisions: bigint[] = [];
  let onOpen!: () => void;
  let onEnd!: (end: unknown) => void;
  const opened = new Promise<void>((resolve, reject) => {
    onOpen = resolve;
    onEnd = end => reject(new Error(`the watch ended before it opened: ${inspect(end)}`));
  });
  // Some only wait for the end.
  opened.catch(() => undefined);
  const end = store.watch(
    prefix,
    { revision: after.revision + 1n, clusterId: after.clusterId },
    {
      onOpen,
      onChanges: (batch, revision) => {
        if (batch.length > 0) changes.push(batch);
        revisions.push(revision);
      },
    },
    stopping.signal,
  );
  end.then(onEnd, onEnd);
  return { opened, changes, revisions, end, stop: () => stopping.abort() };
}

/** Waits until `condition` holds. @throws after the deadline, naming `what` */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await delay(5);
  }
}

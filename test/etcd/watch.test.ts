import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { inOrder, never, putAll, startEtcdFixture } from '../support/etcd-store.js';
import { openWatch, until } from '../support/store-contract.js';

t.test('a catch-up of many mebibytes comes in whole revisions', needsEtcd(), async t => {
  const { store, direct } = await startEtcdFixture(t);
  const snapshot = await store.list('/net/', never);
  const value = 'x'.repeat(450_000);
  for (let i = 0; i < 12; i++) {
    await direct
      .if('/net/none', 'Create', '==', 0)
      .then(...['a', 'b', 'c'].map(name => direct.put(`/net/${name}`).value(value)))
      .commit();
  }
  const watch = openWatch(store, '/net/', snapshot);
  await until(() => watch.changes.flat().length === 36, 'all changes');
  watch.stop();
  for (const batch of watch.changes) {
    const revisions = batch.map(change => (change.kind === 'put' ? change.entry.modRevision : 0n));
    t.ok(inOrder(revisions));
    t.equal(revisions.length, 3 * new Set(revisions).size, 'each with its three keys');
  }
  t.equal((await store.list('/net/', never)).entries.length, 3);
});

t.test('a list of many keys comes in pages of one revision', needsEtcd(), async t => {
  const { store, direct } = await startEtcdFixture(t);
  await putAll(
    direct,
    Array.from({ length: 4500 }, (_, i) => `/net/${String(i).padStart(4, '0')}`),
    'x',
  );
  const { entries, revision } = await store.list('/net/', never);
  t.equal(entries.length, 4500);
  t.equal(new Set(entries.map(({ key }) => key)).size, 4500);
  t.ok(entries.every(({ modRevision }) => modRevision <= revision));
});

t.test('a page of a list may be larger than grpc-js takes by default', needsEtcd(), async t => {
  const { store, direct } = await startEtcdFixture(t);
  const large = 'x'.repeat(1_000_000);
  for (let i = 0; i < 5; i++) await direct.put(`/net/${i}`).value(large);
  const { entries } = await store.list('/net/', never);
  t.equal(entries.length, 5);
  t.ok(entries.every(({ value }) => value === large));
});

t.test(
  'a page of a list may be larger than any answer: it is asked for in smaller ones',
  needsEtcd(),
  async t => {
    const { store, direct } = await startEtcdFixture(t);
    const names = Array.from({ length: 100 }, (_, i) => `/net/${String(i).padStart(3, '0')}`);
    await putAll(direct, names, 'small');
    // 70 MB in the middle: more than the 64 MiB that a client takes at once.
    const largest = 'x'.repeat(1_400_000);
    for (const name of names.slice(20, 70)) await direct.put(name).value(largest);
    const { entries, revision } = await store.list('/net/', never);
    t.strictSame(
      entries.map(({ key }) => key),
      names,
    );
    t.equal(entries.filter(({ value }) => value === largest).length, 50);
    t.ok(entries.every(({ modRevision }) => modRevision <= revision));
  },
);

t.test('a watch that cannot be opened ends in time', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t, {}, { requestTimeoutMs: 5_000 });
  const snapshot = await store.list('/net/', never);
  proxy.stall('both');
  const { end } = openWatch(store, '/net/', snapshot);
  t.match(await end, {
    kind: 'broken',
    error: { message: /watch \/net\/ from revision 2 at http.* within 5 s/ },
  });
});

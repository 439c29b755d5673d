/** Much at once, and etcd put back to an older state: in the end the mirror holds what a list says. */
import { join } from 'node:path';
import t from 'tap';
import type { Store } from '../../src/subnet/store.js';
import { needsEtcd } from '../support/etcd.js';
import { mirror, type Mirrored } from '../support/etcd-mirror.js';
import { inOrder, never, putAll, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';

/** What the mirror's owner knows when it has believed all it was told, by key. */
function known({ resets, batches }: Mirrored): Record<string, string> {
  const values = new Map<string, string>();
  for (const { key, value } of resets[0]!.entries) values.set(key, value);
  for (const change of batches.flatMap(batch => batch.changes)) {
    if (change.kind === 'put') values.set(change.entry.key, change.entry.value);
    else values.delete(change.key);
  }
  return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function listed(store: Store): Promise<Record<string, string>> {
  const { entries } = await store.list('/net/', never);
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

t.test('10,000 puts while the mirror lives', needsEtcd(), async t => {
  const { store, direct } = await startEtcdFixture(t);
  const mirrored = await mirror(t, store);
  await until(mirrored.connected, 'the watch');
  const keys = Array.from({ length: 5_000 }, (_, i) => `/net/${String(i).padStart(4, '0')}`);
  await putAll(direct, keys, 'first');
  await putAll(direct, keys, 'second');
  await until(() => mirrored.revisions().length >= 10_000, 'all changes', 30_000);
  t.equal(mirrored.revisions().length, 10_000, 'none lost, none doubled');
  t.ok(inOrder(mirrored.revisions()));
  t.ok(mirrored.batches.every(({ cause }) => cause === 'watch'));
  t.strictSame(known(mirrored), await listed(store));
});

t.test('a catch-up larger than 4 MiB after a cut', needsEtcd(), async t => {
  const { proxy, store, direct } = await startEtcdFixture(t);
  const mirrored = await mirror(t, store);
  await until(mirrored.connected, 'the watch');
  proxy.cut();
  await until(() => !mirrored.connected(), 'the cut to be noticed');
  for (let i = 0; i < 12; i++) await direct.put(`/net/${i}`).value('x'.repeat(1_000_000));
  proxy.heal();
  await until(() => mirrored.revisions().length >= 12, 'all changes', 30_000);
  t.equal(mirrored.revisions().length, 12);
  t.ok(mirrored.batches.every(({ cause }) => cause === 'watch'));
  const names = Array.from({ length: 12 }, (_, i) => `/net/${i}`);
  t.strictSame(Object.keys(known(mirrored)).sort(), names.sort());
});

t.test('etcd is restored from an older snapshot', needsEtcd(), async t => {
  const { etcd, store, direct } = await startEtcdFixture(t);
  await direct.put('/net/a').value('old');
  await direct.put('/net/b').value('old');
  const snapshot = join(etcd.directory, 'snapshot');
  await etcd.etcdctl('snapshot', 'save', snapshot);
  await direct.put('/net/a').value('new');
  await direct.delete().key('/net/b');
  await direct.put('/net/c').value('new');
  const mirrored = await mirror(t, store);
  await until(mirrored.connected, 'the watch');
  t.strictSame(known(mirrored), { '/net/a': 'new', '/net/c': 'new' });

  await etcd.stop();
  etcd.wipe();
  await etcd.restore(snapshot);
  await etcd.start();
  const old = { '/net/a': 'old', '/net/b': 'old' };
  await until(() => mirrored.batches.length > 0, 'the other history', 20_000);
  t.match(mirrored.batches[0], { cause: 'relist', history: /^(revision-went-back|other-cluster)$/ });
  t.strictSame(known(mirrored), old);
  await etcd.etcdctl('put', '/net/d', 'later');
  await until(() => mirrored.changes().includes('/net/d=later'), 'changes of the restored history');
  t.strictSame(known(mirrored), await listed(store));
});

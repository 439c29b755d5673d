import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { mirror } from '../support/etcd-mirror.js';
import { inOrder, putAll, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';

t.test('nothing is lost or doubled when a long catch-up is cut twice', needsEtcd(), async t => {
  const { proxy, store, direct } = await startEtcdFixture(t);
  let cuts = 0;
  const mirrored = await mirror(t, store, () => {
    if (cuts > 2 || mirrored.revisions().length > 3000) return;
    cuts++;
    proxy.drop();
  });
  await until(mirrored.connected, 'the watch');
  proxy.cut();
  await until(() => !mirrored.connected(), 'the cut to be noticed');
  await putAll(
    direct,
    Array.from({ length: 5000 }, (_, i) => `/net/${i}`),
    'x',
  );
  proxy.heal();
  await until(() => mirrored.revisions().length >= 5000, 'all changes', 30_000);
  t.ok(cuts >= 2);
  t.equal(mirrored.revisions().length, 5000);
  t.equal(new Set(mirrored.changes()).size, 5000);
  t.ok(inOrder(mirrored.revisions()));
  t.ok(mirrored.batches.every(({ cause }) => cause === 'watch'));
});

import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { mirror } from '../support/etcd-mirror.js';
import { never, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';

t.test('changes come across a cut, a restart and a crash of etcd', needsEtcd(), async t => {
  const { etcd, proxy, store, direct } = await startEtcdFixture(t);
  const { changes, batches, connected } = await mirror(t, store);
  await direct.put('/net/a').value('1');
  await until(() => changes().length === 1, 'the first change');
  proxy.cut();
  await until(() => !connected(), 'the cut to be noticed');
  await direct.put('/net/a').value('2');
  proxy.heal();
  await until(() => changes().length === 2, 'the change of the cut');
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await etcd.restart(signal);
    await etcd.etcdctl('put', '/net/a', signal);
  }
  await until(() => changes().length === 4, 'the changes of the restarts');
  t.strictSame(changes(), ['/net/a=1', '/net/a=2', '/net/a=SIGTERM', '/net/a=SIGKILL']);
  t.ok(batches.every(({ cause, history }) => cause === 'watch' && history === 'same'));
});

t.test('differences come across a compaction and another cluster', needsEtcd(), async t => {
  const { etcd, proxy, store, direct } = await startEtcdFixture(t);
  await direct.put('/net/a').value('1');
  await direct.put('/net/b').value('1');
  const { batches, changes, connected } = await mirror(t, store);
  await until(connected, 'the watch');
  proxy.cut();
  await until(() => !connected(), 'the cut to be noticed');
  await direct.put('/net/a').value('2');
  await direct.delete().key('/net/b');
  const { header } = await direct.put('/net/c').value('1');
  await etcd.etcdctl('compact', header.revision);
  proxy.heal();
  await until(() => changes().length === 3, 'the differences');
  t.match(batches, [{ cause: 'relist', history: 'same' }]);
  t.strictSame(changes(), ['/net/b', '/net/a=2', '/net/c=1']);

  await etcd.stop();
  etcd.wipe();
  await etcd.start();
  await until(() => batches.length === 2, 'the other history');
  // One member that is bootstrapped again with the same URLs gets the same cluster id.
  t.match(batches[1], { cause: 'relist', history: /^(revision-went-back|other-cluster)$/ });
  t.strictSame(changes().slice(3).sort(), ['/net/a', '/net/c']);
  await etcd.etcdctl('put', '/net/z', '1');
  await until(() => changes().includes('/net/z=1'), 'changes of the other history');
});

t.test('keys and values that are no text harm nothing', needsEtcd(), async t => {
  const { store, direct } = await startEtcdFixture(t);
  const { changes } = await mirror(t, store);
  await direct.put(Buffer.from('/net/\xff', 'latin1')).value(Buffer.of(0, 0xfe));
  await direct.put(Buffer.from('/net/\xfe\n', 'latin1')).value('');
  await direct.delete().key(Buffer.from('/net/\xff', 'latin1'));
  await direct.put('/net/ä').value('ö');
  await until(() => changes().length === 4, 'four changes');
  t.strictSame(changes(), ['/net/\\xff=\0\ufffd', '/net/\\xfe\\x0a=', '/net/\\xff', '/net/ä=ö']);
  const { entries } = await store.list('/net/', never);
  t.strictSame(
    entries.map(({ key }) => key),
    ['/net/ä', '/net/\\xfe\\x0a'],
  );
});

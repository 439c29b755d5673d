import { Etcd3 } from 'etcd3';
import t from 'tap';
import { KeepAliveStream } from '../../src/subnet/etcd3-keep-alive.js';
import { needsEtcd } from '../support/etcd.js';
import { makeStore, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';

t.test('a lease of an earlier process is kept, across cuts and a restart', needsEtcd(), async t => {
  const { etcd, proxy, store } = await startEtcdFixture(t);
  const earlier = makeStore(t, { endpoints: [etcd.url] });
  const { id } = await earlier.grantLease(60);
  t.ok((await earlier.createIfAbsent('/net/a', 'x', id)).done);
  earlier.close();
  await t.rejects(earlier.keepAlive(id), { name: 'StoreError', kind: 'unavailable' });

  t.equal(await store.keepAlive(id), 60);
  const { connections } = proxy;
  t.equal(await store.keepAlive(id), 60);
  t.equal(proxy.connections, connections, 'over the same connection');
  proxy.drop();
  t.equal(await store.keepAlive(id), 60, 'over a new one');
  await etcd.restart('SIGKILL');
  t.equal(await store.keepAlive(id), 60);
  t.equal((await store.read('/net/a'))?.leaseId, id);
});

t.test('many renewals at once each get their own answer', needsEtcd(), async t => {
  const { store } = await startEtcdFixture(t);
  const leases = await Promise.all([600, 700, 800].map(seconds => store.grantLease(seconds)));
  await store.revokeLease(leases[1]!.id);
  const answers = await Promise.all([...leases, ...leases].map(({ id }) => store.keepAlive(id)));
  t.strictSame(answers, [600, undefined, 800, 600, undefined, 800]);
});

t.test('a stream that gives no answer is replaced', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  const client = new Etcd3({ hosts: [proxy.url] });
  t.teardown(() => client.close());
  const stream = new KeepAliveStream({ client, streamOptions: {} });
  t.teardown(() => stream.close());
  const { id } = await store.grantLease(600);
  t.equal(await stream.renew(id, 30_000), 600);
  proxy.stall('answers');
  await t.rejects(stream.renew(id, 300), { kind: 'unavailable', message: /within 0.3 s/ });
  proxy.heal();
  await until(async () => (await stream.renew(id, 300).catch(() => 0)) === 600, 'an answer');
});

t.test('close ends what is under way', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  const { id } = await store.grantLease(600);
  await store.keepAlive(id);
  proxy.stall('both');
  const renewal = t.rejects(store.keepAlive(id), { name: 'StoreError', kind: 'unavailable' });
  store.close();
  await renewal;
});

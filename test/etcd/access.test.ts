import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { needsEtcd, startEtcd, type Etcd } from '../support/etcd.js';
import { makeCertificates } from '../support/etcd-certificates.js';
import { makeStore, never, startEtcdFixture } from '../support/etcd-store.js';
import { openWatch, until } from '../support/store-contract.js';

/** Users `root` and `bob`, who may use `/net/` only. */
async function enableAuth(etcd: Etcd): Promise<void> {
  await etcd.etcdctl('user', 'add', 'root:root-secret');
  await etcd.etcdctl('user', 'grant-role', 'root', 'root');
  await etcd.etcdctl('role', 'add', 'net');
  await etcd.etcdctl('role', 'grant-permission', 'net', '--prefix=true', 'readwrite', '/net/');
  await etcd.etcdctl('user', 'add', 'bob:bob-secret');
  await etcd.etcdctl('user', 'grant-role', 'bob', 'net');
  await etcd.etcdctl('auth', 'enable');
}

t.test('a wrong password and a missing permission are told apart from an outage', needsEtcd(), async t => {
  const { etcd } = await startEtcdFixture(t);
  await enableAuth(etcd);
  const endpoints = [etcd.url];

  const wrong = makeStore(t, { endpoints, username: 'bob', password: 'not-this' });
  const failures = await Promise.all([
    wrong.list('/net/', never).catch((error: unknown) => error),
    wrong.keepAlive('1').catch((error: unknown) => error),
    openWatch(wrong, '/net/', { revision: 1n, clusterId: '1' }).end,
  ]);
  t.match(failures, [{ kind: 'denied' }, { kind: 'denied' }, { kind: 'broken', error: { kind: 'denied' } }]);
  t.notMatch(JSON.stringify(failures.map(String)), /not-this/);

  const anonymous = makeStore(t, { endpoints });
  await t.rejects(anonymous.read('/net/a'), { name: 'StoreError', kind: 'denied' });

  const bob = makeStore(t, { endpoints, username: 'bob', password: 'bob-secret' });
  const snapshot = await bob.list('/net/', never);
  await t.rejects(bob.list('/other/', never), {
    kind: 'denied',
    message: /list \/other\/ at http:.*permission denied/,
  });
  t.match(await openWatch(bob, '/other/', snapshot).end, { kind: 'broken', error: { kind: 'denied' } });
});

t.test('a watch and a lease go on after the token has expired', needsEtcd(), async t => {
  const ttlSeconds = 1;
  const { etcd, proxy, store } = await startEtcdFixture(
    t,
    { args: [`--auth-token-ttl=${ttlSeconds}`], etcdctlArgs: [] },
    { username: 'bob', password: 'bob-secret' },
  );
  await enableAuth(etcd);
  const snapshot = await store.list('/net/', never);
  const { id } = await store.grantLease(600);
  const watch = openWatch(store, '/net/', snapshot);
  await watch.opened;
  t.equal(await store.keepAlive(id), 600);

  // Nothing shows from outside that etcd has dropped a token but a call that needs it.
  await delay(ttlSeconds * 1000 * 3);
  proxy.drop();
  t.match(await watch.end, { kind: 'broken' });
  const again = openWatch(store, '/net/', snapshot);
  await again.opened;
  t.equal(await store.keepAlive(id), 600);
  await etcd.etcdctl('--user=root:root-secret', 'put', '/net/a', '1');
  await until(() => again.changes.length === 1, 'the change');
  again.stop();
});

t.test('TLS', needsEtcd(), async t => {
  const certificates = makeCertificates();
  t.teardown(() => certificates.remove());
  const { caFile, otherCaFile, server, client } = certificates;
  const start = async (clientCaFile?: string) => {
    const etcd = await startEtcd({
      tls: { ...server, ...(clientCaFile === undefined ? {} : { clientCaFile }) },
      etcdctlArgs: [`--cacert=${caFile}`, `--cert=${client.certFile}`, `--key=${client.keyFile}`],
    });
    t.teardown(() => etcd.destroy());
    return `https://localhost:${etcd.port}`;
  };
  const [open, strict] = await Promise.all([start(), start(caFile)]);
  const read = (endpoint: string, tls?: { caFile?: string; certFile?: string; keyFile?: string }) =>
    makeStore(t, { endpoints: [endpoint], ...(tls === undefined ? {} : { tls }) }).read('/net/a');

  t.equal(await read(open, { caFile }), undefined, 'a CA alone will do');
  t.equal(await read(strict, { caFile, ...client }), undefined, 'a client certificate');
  await t.rejects(read(open, { caFile: otherCaFile }), { name: 'StoreError', kind: 'tls' }, 'a wrong CA');
  await t.rejects(read(open), { name: 'StoreError', kind: 'tls' }, 'no CA');
  await t.rejects(
    read(strict, { caFile }),
    { kind: 'tls', message: /bad certificate/ },
    'no client certificate',
  );
  await t.rejects(
    read(open.replace('https', 'http')),
    { name: 'StoreError', kind: 'unavailable' },
    'plain http to TLS',
  );
});

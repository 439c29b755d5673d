import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { AS_ROOT, enableAuth } from '../support/etcd-auth.js';
import { startEtcdAgent } from '../support/etcd-agent.js';
import { makeStore, never, startEtcdFixture } from '../support/etcd-store.js';
import { matchAll } from '../support/match-all.js';
import { recordedLog } from '../support/recorded-log.js';
import { openWatch, until } from '../support/store-contract.js';

t.test('each way of being refused is told apart, and none reads like an outage', needsEtcd(), async t => {
  const { etcd } = await startEtcdFixture(t);
  const endpoints = [etcd.url];
  const bob = { username: 'bob', password: 'bob-secret', keyPrefix: '/net/' };

  const early = makeStore(t, { endpoints, ...bob });
  await t.rejects(early.read('/net/a'), {
    name: 'StoreError',
    kind: 'denied',
    advice: {
      code: 'auth-disabled',
      cause: /not enabled in this etcd/,
      next: /leave out.*etcdctl auth enable/,
    },
  });
  await enableAuth(etcd);
  t.equal(await early.read('/net/a'), undefined, 'once it is enabled, all is well');

  const wrong = makeStore(t, { endpoints, ...bob, password: 'not-this' });
  const failures = await Promise.all([
    wrong.list('/net/', never).catch((error: unknown) => error),
    wrong.keepAlive('1').catch((error: unknown) => error),
    openWatch(wrong, '/net/', { revision: 1n, clusterId: '1' }).end,
  ]);
  const expected = { kind: 'denied', advice: { code: 'wrong-password', next: /--user bob get/ } };
  t.match(failures, [expected, expected, { kind: 'broken', error: expected }]);
  t.notMatch(inspect(failures, { depth: null, showHidden: true }), /not-this/);

  await t.rejects(makeStore(t, { endpoints }).read('/net/a'), {
    name: 'StoreError',
    kind: 'denied',
    advice: { code: 'no-user', next: /--etcd-username/ },
  });

  const abroad = makeStore(t, { endpoints, ...bob, keyPrefix: '/other/' });
  const snapshot = await early.list('/net/', never);
  const advice = {
    code: 'no-permission',
    cause: 'the user "bob" has no role that may read and write all keys that start with /other/',
    next: /--user root role grant-permission ROLE --prefix=true readwrite \/other\//,
  };
  await t.rejects(abroad.list('/other/', never), {
    kind: 'denied',
    message: /list \/other\/ at http:.*permission denied/,
    advice,
  });
  await t.rejects(abroad.createIfAbsent('/other/a', 'x', '0'), {
    name: 'StoreError',
    kind: 'denied',
    advice,
  });
  t.match(await openWatch(abroad, '/other/', snapshot).end, {
    kind: 'broken',
    error: { kind: 'denied', advice },
  });
});

t.test('a password that is rotated in etcd and in its file', needsEtcd(), async t => {
  const { etcd, proxy } = await startEtcdFixture(t);
  await enableAuth(etcd);
  const passwordFile = join(t.testdir({ password: 'bob-secret\n' }), 'password');
  const { log, lines } = recordedLog();
  const store = makeStore(t, { endpoints: [proxy.url], username: 'bob', passwordFile, log });
  const snapshot = await store.list('/net/', never);
  const watch = openWatch(store, '/net/', snapshot);
  await watch.opened;
  const { id } = await store.grantLease(600);

  await etcd.etcdctlWithInput('new-secret\n', AS_ROOT, 'user', 'passwd', 'bob', '--interactive=false');
  await t.rejects(store.list('/net/', never), {
    name: 'StoreError',
    kind: 'denied',
    advice: { code: 'wrong-password' },
  });
  writeFileSync(passwordFile, '');
  await t.rejects(store.read('/net/a'), { name: 'StoreError', kind: 'denied' });
  writeFileSync(passwordFile, 'new-secret\n');
  await t.rejects(store.read('/net/a'), { name: 'StoreError', kind: 'denied' }, 'the failure that shows it');
  t.equal(await store.read('/net/a'), undefined);
  t.equal(await store.keepAlive(id), 600);
  await etcd.etcdctl(AS_ROOT, 'put', '/net/a', '1');
  await until(() => watch.changes.length === 1, 'the change on the watch of before');
  watch.stop();
  matchAll(
    t,
    lines.filter(({ level }) => level !== 'debug'),
    [
      {
        level: 'warn',
        msg: `etcd: the password file ${passwordFile} is empty; what was read before stays in use, and the files are tried again`,
      },
      { level: 'info', msg: 'credential files have changed: new connections to etcd use them' },
    ],
  );
  t.notMatch(JSON.stringify(lines), /secret/);
});

t.test('a role that may read only: all is known, and what is refused is said', needsEtcd(), async t => {
  const { etcd, store } = await startEtcdFixture(
    t,
    {},
    { username: 'bob', password: 'bob-secret', keyPrefix: '/net/' },
  );
  await enableAuth(etcd, 'read');
  const agent = startEtcdAgent(t, store, 60);
  await until(() => agent.troubles.length > 0, 'the refusal');
  t.ok(agent.connection()?.connected, 'the mirror is content');
  t.match(agent.troubles[0], {
    kind: 'denied',
    message: /create \/net\/subnets\/.*permission denied/,
    advice: { code: 'no-permission', next: /grant-permission ROLE --prefix=true readwrite \/net\// },
  });
  await etcd.etcdctl(AS_ROOT, 'role', 'grant-permission', 'net', '--prefix=true', 'readwrite', '/net/');
  await until(() => agent.owned.length === 1, 'the lease');
});

t.test('an agent outlives its tokens', needsEtcd(), async t => {
  const { etcd, proxy, store } = await startEtcdFixture(
    t,
    { args: ['--auth-token-ttl=1'] },
    { username: 'bob', password: 'bob-secret' },
  );
  await enableAuth(etcd);
  const agent = startEtcdAgent(t, store, 6);
  await until(() => agent.renewals() >= 4, 'renewals for longer than tokens last');
  const drop = async () => {
    proxy.drop();
    await until(() => !agent.connected(), 'the cut');
  };
  for (const cut of [drop, () => etcd.restart('SIGKILL')]) {
    const renewals = agent.renewals();
    await cut();
    await until(() => agent.renewals() >= renewals + 2, 'renewals after a cut');
    const value = String(renewals);
    await etcd.etcdctl(AS_ROOT, 'put', '/net/news', value);
    await until(() => agent.entries().get('/net/news')?.value === value, 'a change on the watch');
  }
  t.equal(agent.owned.length, 1);
  t.ok(
    agent.troubles.every(({ kind }) => kind === 'unavailable'),
    'no token was refused for good',
  );
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
  await etcd.etcdctl(AS_ROOT, 'put', '/net/a', '1');
  await until(() => again.changes.length === 1, 'the change');
  again.stop();
});

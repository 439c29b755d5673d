import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { makeStore, never, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/** Of a request: some of them run into it, and a slow machine must have answered the others by then. */
const TIMEOUT_MS = 5_000;
/** An outage may be repeated, since the pauses of a busy machine only add: the least is what it takes. */
const TRIES = 3;

t.test('of twenty that create a key one does', needsEtcd(), async t => {
  const { etcd } = await startEtcdFixture(t);
  const stores = Array.from({ length: 20 }, () => makeStore(t, { endpoints: [etcd.url] }));
  const results = await Promise.all(
    stores.map((store, i) => store.createIfAbsent('/net/a', `host ${i}`, '0')),
  );
  const winners = results.flatMap((result, i) => (result.done ? [i] : []));
  t.equal(winners.length, 1);
  const [entry] = (await stores[0]!.list('/net/', never)).entries;
  t.equal(entry?.value, `host ${winners[0]}`);
  for (const result of results) if (!result.done) t.strictSame(result.current, entry);
});

t.test('a write whose answer is lost is decided by the key', needsEtcd(), async t => {
  const { proxy, store, direct } = await startEtcdFixture(t);
  const { id } = await store.grantLease(600);

  /** Starts a write, waits until etcd has carried it out, and cuts the connection before the answer is through. */
  async function loseAnswer<T>(write: () => Promise<T>, carriedOut: () => Promise<boolean>): Promise<T> {
    proxy.stall('answers');
    const result = write();
    await until(carriedOut, 'the write');
    proxy.cut();
    proxy.heal();
    return result;
  }
  const value = () => direct.get('/net/a').string();

  const created = await loseAnswer(
    () => store.createIfAbsent('/net/a', 'one', id),
    async () => (await value()) === 'one',
  );
  const revision = (await store.read('/net/a'))!.modRevision;
  t.strictSame(created, { done: true, modRevision: revision });

  const replaced = await loseAnswer(
    () => store.replaceIfUnchanged('/net/a', 'two', id, revision),
    async () => (await value()) === 'two',
  );
  const entry = (await store.read('/net/a'))!;
  t.strictSame(replaced, { done: true, modRevision: entry.modRevision });

  const overtaken = await loseAnswer(
    () => store.replaceIfUnchanged('/net/a', 'three', id, entry.modRevision),
    async () => {
      if ((await value()) !== 'three') return false;
      await direct.put('/net/a').value('of another host');
      return true;
    },
  );
  t.match(overtaken, { done: false, current: { value: 'of another host', leaseId: '0' } });

  const last = (await store.read('/net/a'))!.modRevision;
  const deleted = await loseAnswer(
    () => store.deleteIfUnchanged('/net/a', last),
    async () => (await value()) === null,
  );
  t.ok(deleted.done && deleted.modRevision > last);
});

t.test('a write that never arrived is reported, not repeated', needsEtcd(), async t => {
  const { proxy, store, direct } = await startEtcdFixture(t, {}, { requestTimeoutMs: TIMEOUT_MS });
  await store.list('/net/', never);
  proxy.stall('both');
  const write = store.createIfAbsent('/net/a', 'one', '0');
  const rejected = t.rejects(write, {
    name: 'StoreError',
    kind: 'unavailable',
    message: /it was not carried out$/,
  });
  // The write is given up in time; the read that follows gets through.
  const connections = proxy.connections;
  await until(() => {
    if (proxy.connections > connections) return true;
    proxy.forget();
    return false;
  }, 'a new connection');
  proxy.heal();
  await rejected;
  t.equal(await direct.get('/net/a').string(), null);
});

t.test('calls move on from an endpoint that does not answer and stay away from it', needsEtcd(), async t => {
  const { etcd } = await startEtcdFixture(t);
  const target = { host: etcd.address, port: etcd.port };
  const proxies = await Promise.all([1, 2, 3].map(() => startTcpProxy(target)));
  for (const proxy of proxies) t.teardown(() => proxy.close());
  const requestTimeoutMs = 10_000;
  const store = makeStore(t, { endpoints: proxies.map(({ url }) => url), requestTimeoutMs });
  t.equal(await store.read('/net/a'), undefined);
  const inUse = proxies.findIndex(({ connections }) => connections > 0);
  proxies[inUse]!.stall('both');
  proxies[(inUse + 1) % 3]!.cut();
  t.equal(await store.read('/net/a'), undefined);
  t.equal(proxies[(inUse + 2) % 3]!.connections, 1);
  const before = Date.now();
  for (let i = 0; i < 5; i++) await store.read('/net/a');
  t.ok((await store.createIfAbsent('/net/a', 'x', '0')).done);
  t.ok(Date.now() - before < requestTimeoutMs, 'the frozen endpoint was not asked again');
});

t.test('a connection that a firewall has forgotten is replaced', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t, {}, { requestTimeoutMs: TIMEOUT_MS });
  t.equal(await store.read('/net/a'), undefined);
  proxy.forget();
  t.equal(await store.read('/net/a'), undefined, 'the second attempt has a new connection');
});

t.test('calls get through soon after an outage, however many have failed in it', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  t.equal(await store.read('/net/a'), undefined);
  const answered = async () => (await store.read('/net/a').catch(() => 'away')) === undefined;
  const seconds: number[] = [];
  do {
    proxy.cut();
    for (let i = 0; i < 5; i++)
      await t.rejects(store.read('/net/a'), { name: 'StoreError', kind: 'unavailable' });
    proxy.heal();
    const healed = performance.now();
    await until(answered, 'an answer');
    seconds.push((performance.now() - healed) / 1000);
  } while (Math.min(...seconds) > 4.5 && seconds.length < TRIES);
  t.comment(`answered after ${seconds.join(', ')} s`);
  t.ok(Math.min(...seconds) <= 4.5, "etcd3's own circuit breaker would let none through for 5 s");
});

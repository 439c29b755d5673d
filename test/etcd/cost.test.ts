/** What an agent costs etcd, by etcd's own count: at its start, while nothing happens, and while etcd is out of reach. */
import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { startEtcdAgent, type EtcdAgent } from '../support/etcd-agent.js';
import { readEtcdRequests, requestsBetween, type EtcdRequests } from '../support/etcd-requests.js';
import { putAll, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';

/** A renewal comes every 10 seconds: one that is answered 5 seconds late is sent once more, and that is another call. */
const TTL_SECONDS = 30;

/** What etcd was asked when no renewal was under way: all keep-alives are those of this agent, and answered. */
async function readBetweenRenewals(url: string, agent: EtcdAgent): Promise<EtcdRequests> {
  let requests = await readEtcdRequests(url);
  await until(async () => {
    requests = await readEtcdRequests(url);
    return keepAlivesIn(requests) === agent.renewals() - 1;
  }, 'a keep-alive for each renewal and no more');
  return requests;
}

const keepAlivesIn = ({ received }: EtcdRequests) => received.LeaseKeepAlive ?? 0;

/** The first renewal may come at any moment of its interval, so that keep-alives are counted by themselves. */
function withoutKeepAlives({ started, received }: EtcdRequests): EtcdRequests {
  const without = (counts: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(counts).filter(([method]) => method !== 'LeaseKeepAlive'));
  return { started: without(started), received: without(received) };
}

t.test('a start is one list, one grant, one transaction, one watch', needsEtcd(), async t => {
  const { etcd, proxy, store } = await startEtcdFixture(t);
  const before = await readEtcdRequests(etcd.url);
  const agent = startEtcdAgent(t, store, TTL_SECONDS);
  await until(() => agent.renewals() >= 1 && agent.connected(), 'the start');
  const once = { Range: 1, LeaseGrant: 1, Txn: 1, Watch: 1 };
  const started = await readBetweenRenewals(etcd.url, agent);
  t.strictSame(withoutKeepAlives(requestsBetween(before, started)), { started: once, received: once });
  t.equal(proxy.connections, 1);

  await until(() => agent.renewals() >= 2, 'the first renewal');
  const idle = await readBetweenRenewals(etcd.url, agent);
  t.equal(idle.started.LeaseKeepAlive, 1);
  await until(() => agent.renewals() >= 4, 'two more renewals');
  const after = await readBetweenRenewals(etcd.url, agent);
  t.strictSame(
    requestsBetween(idle, after),
    { started: {}, received: { LeaseKeepAlive: keepAlivesIn(after) - keepAlivesIn(idle) } },
    'and then renewals on the stream that is open, and nothing else',
  );
  t.equal(proxy.connections, 1, 'all over one connection');
  t.equal(agent.owned.length, 1);
});

t.test('many keys cost a start more pages of its list, and nothing else', needsEtcd(), async t => {
  const { etcd, proxy, store, direct } = await startEtcdFixture(t);
  const keys = Array.from({ length: 4_500 }, (_, i) => `/net/peers/${String(i).padStart(4, '0')}`);
  await putAll(direct, keys, 'x');
  const before = await readEtcdRequests(etcd.url);
  const agent = startEtcdAgent(t, store, TTL_SECONDS);
  await until(() => agent.renewals() >= 1 && agent.connected(), 'the start');
  const once = { LeaseGrant: 1, Txn: 1, Watch: 1 };
  const after = await readBetweenRenewals(etcd.url, agent);
  const expected = { ...once, Range: 3 };
  t.strictSame(withoutKeepAlives(requestsBetween(before, after)), { started: expected, received: expected });
  t.equal(proxy.connections, 1);
});

t.test('an etcd that refuses connections is tried about once a second', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  const agent = startEtcdAgent(t, store, 6);
  await until(() => agent.renewals() >= 2 && agent.connected(), 'the start');
  proxy.cut();
  const begun = performance.now();
  const refusedAfter = async (seconds: number) => {
    await until(() => performance.now() - begun > seconds * 1000, `${seconds} s`, 60_000);
    return proxy.refused;
  };
  // The quick tries come first: nobody waits long for an etcd that restarts.
  const early = await refusedAfter(10);
  const late = (await refusedAfter(20)) - early;
  t.comment(`${early} connections in 10 s, then ${late} in 10 s, by watch and renewals together`);
  t.ok(early <= 60, `${early} connections`);
  t.ok(late >= 2 && late <= 25, `${late} connections`);
  proxy.heal();
  await until(() => agent.connected(), 'the connection', 20_000);
});

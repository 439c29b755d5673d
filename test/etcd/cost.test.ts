/** What an agent costs etcd, by etcd's own count: at its start, while nothing happens, and while etcd is out of reach. */
import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import { startEtcdAgent, type EtcdAgent } from '../support/etcd-agent.js';
import { readEtcdRequests, requestsBetween, type EtcdRequests } from '../support/etcd-requests.js';
import { putAll, startEtcdFixture } from '../support/etcd-store.js';
import { until } from '../support/store-contract.js';

/** What etcd was asked when no renewal was under way: its keep-alives are the renewals that this only agent has had. */
async function readBetweenRenewals(url: string, agent: EtcdAgent): Promise<EtcdRequests> {
  let requests = await readEtcdRequests(url);
  await until(async () => {
    requests = await readEtcdRequests(url);
    return requests.received.LeaseKeepAlive === agent.renewals();
  }, 'a keep-alive for each renewal and no more');
  return requests;
}

t.test('a start is one list, one grant, one transaction, one watch, one keep-alive', needsEtcd(), async t => {
  const { etcd, proxy, store } = await startEtcdFixture(t);
  const before = await readEtcdRequests(etcd.url);
  const agent = startEtcdAgent(t, store, 6);
  await until(() => agent.renewals() === 1 && agent.connected(), 'the start');
  const once = { Range: 1, LeaseGrant: 1, Txn: 1, Watch: 1, LeaseKeepAlive: 1 };
  t.strictSame(requestsBetween(before, await readBetweenRenewals(etcd.url, agent)), {
    started: once,
    received: once,
  });
  t.equal(proxy.connections, 1);

  const idle = await readBetweenRenewals(etcd.url, agent);
  await until(() => agent.renewals() >= 5, 'four renewals', 30_000);
  const after = await readBetweenRenewals(etcd.url, agent);
  t.strictSame(
    requestsBetween(idle, after),
    {
      started: {},
      received: { LeaseKeepAlive: after.received.LeaseKeepAlive! - idle.received.LeaseKeepAlive! },
    },
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
  const agent = startEtcdAgent(t, store, 6);
  await until(() => agent.renewals() >= 1 && agent.connected(), 'the start', 30_000);
  const once = { LeaseGrant: 1, Txn: 1, Watch: 1 };
  const after = await readBetweenRenewals(etcd.url, agent);
  t.strictSame(requestsBetween(before, after), {
    started: { ...once, Range: 3, LeaseKeepAlive: 1 },
    received: { ...once, Range: 3, LeaseKeepAlive: after.received.LeaseKeepAlive! },
  });
  t.equal(proxy.connections, 1);
});

t.test('an etcd that refuses connections is tried about once a second', needsEtcd(), async t => {
  const { proxy, store } = await startEtcdFixture(t);
  const agent = startEtcdAgent(t, store, 60);
  await until(() => agent.renewals() === 1 && agent.connected(), 'the start');
  proxy.cut();
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  await until(() => seconds() > 10, 'ten seconds', 20_000);
  const { refused } = proxy;
  t.comment(`${refused} connections in ${seconds().toFixed(1)} s`);
  t.ok(refused >= 2, 'it goes on trying');
  // The first second has the quick ones: nobody waits long for an etcd that restarts.
  t.ok(refused <= seconds() + 5, `${refused} connections`);
  proxy.heal();
  await until(() => agent.connected(), 'the connection', 20_000);
});

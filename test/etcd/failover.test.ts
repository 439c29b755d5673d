/** Several endpoints, the first of which fails in one way or another: the lease is kept, and no change is missed. */
import t, { type Test } from 'tap';
import { lookAt } from '../../src/subnet/etcd3-probe.js';
import { needsEtcd, type Etcd } from '../support/etcd.js';
import { startEtcdAgent, type EtcdAgent } from '../support/etcd-agent.js';
import { AS_ROOT, enableAuth } from '../support/etcd-auth.js';
import { startMembers } from '../support/etcd-members.js';
import { makeStore, startEtcdFixture } from '../support/etcd-store.js';
import { freePort } from '../support/free-port.js';
import { KEY_PREFIX } from '../support/lease-host.js';
import { until } from '../support/store-contract.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/** A frozen endpoint is noticed by gRPC's pings after 15 s. */
const NOTICE_MS = 40_000;
const TTL_SECONDS = 6;
/** An agent's own: after so long it asks the next endpoint. */
const REQUEST_TIMEOUT_MS = 5_000;
const BOB = { username: 'bob', password: 'bob-secret' };

/** An agent that begins with the first of the endpoints. */
function startAgent(t: Test, endpoints: readonly string[], user: object = {}): EtcdAgent {
  const options = { endpoints, random: () => 0, requestTimeoutMs: REQUEST_TIMEOUT_MS };
  return startEtcdAgent(t, makeStore(t, { ...options, ...user }), TTL_SECONDS);
}

/** The lease key as etcd has it: `key mod-revision lease`, a line each. */
async function leaseKeys(etcd: Etcd, ...args: string[]): Promise<string> {
  const text = await etcd.etcdctl(...args, 'get', '--prefix', KEY_PREFIX, '--write-out=fields');
  return text
    .split('\n')
    .filter(line => /^"(?:Key|ModRevision|Lease)"/.test(line))
    .join('\n');
}

/** Goes on for longer than the lease lasts unless it is renewed, and sees a change. */
async function livesOn(
  t: Test,
  agent: EtcdAgent,
  etcd: Etcd,
  before: string,
  ...args: string[]
): Promise<void> {
  const renewals = agent.renewals();
  await until(() => agent.renewals() >= renewals + 4, 'renewals for longer than the lease lasts', NOTICE_MS);
  await etcd.etcdctl(...args, 'put', '/net/news', 'seen');
  await until(() => agent.entries().get('/net/news')?.value === 'seen', 'a change on the watch', NOTICE_MS);
  t.equal(agent.owned.length, 1, 'the lease was never lost');
  t.equal(await leaseKeys(etcd, ...args), before, 'and its key never touched');
}

t.test('an endpoint that is no good from the start', needsEtcd(), async t => {
  const { etcd } = await startEtcdFixture(t);
  await enableAuth(etcd);
  const silent = await startTcpProxy({ host: etcd.address, port: etcd.port });
  t.teardown(() => silent.close());
  silent.stall('both');
  for (const [what, bad] of [
    ['refuses', `http://127.0.0.1:${await freePort()}`],
    ['takes connections and is silent', silent.url],
    ['has a name that does not resolve', 'http://no-such-host.invalid:2379'],
  ] as const) {
    await t.test(`it ${what}`, async t => {
      const agent = startAgent(t, [bad, etcd.url], BOB);
      await until(() => agent.owned.length === 1, 'a lease', NOTICE_MS);
      await livesOn(t, agent, etcd, await leaseKeys(etcd, AS_ROOT), AS_ROOT);
    });
    await etcd.etcdctl(AS_ROOT, 'del', '--prefix', '/net/');
  }
});

t.test('a look at an endpoint', needsEtcd(), async t => {
  const { etcd, proxy } = await startEtcdFixture(t);
  const credentials = {
    ca: undefined,
    caEnds: [],
    client: undefined,
    clientEndsAt: undefined,
    password: undefined,
  };
  const answers = async (url: string, withinMs = 500) => (await lookAt(url, credentials, withinMs)).answers;
  t.equal(await answers(etcd.url, 30_000), true);
  t.equal(await answers(etcd.url.replace('http:', 'https:')), false, 'it speaks no TLS');
  t.equal(await answers(`http://127.0.0.1:${await freePort()}`), false);
  t.equal(await answers('http://no-such-host.invalid:2379'), false);
  proxy.stall('both');
  t.equal(await answers(proxy.url), false);
});

t.test('the member in use freezes, and the others go on', needsEtcd(), async t => {
  const members = await startMembers(t, 3);
  const [first, second] = members as [Etcd, Etcd];
  await enableAuth(first);
  const agent = startAgent(
    t,
    members.map(({ url }) => url),
    BOB,
  );
  await until(() => agent.renewals() > 0, 'a lease');
  const before = await leaseKeys(second, AS_ROOT);
  first.freeze();
  t.teardown(() => first.thaw());
  await livesOn(t, agent, second, before, AS_ROOT);

  // Another agent starts while the first endpoint is frozen, and logs in elsewhere.
  const late = startAgent(
    t,
    members.map(({ url }) => url),
    BOB,
  );
  await until(() => late.owned.length === 1, 'its lease', NOTICE_MS);
});

t.test('the member in use is killed', needsEtcd(), async t => {
  const members = await startMembers(t, 3);
  const [first, second] = members as [Etcd, Etcd];
  const agent = startAgent(
    t,
    members.map(({ url }) => url),
  );
  await until(() => agent.renewals() > 0, 'a lease');
  const before = await leaseKeys(second);
  await first.stop('SIGKILL');
  await livesOn(t, agent, second, before);
});

t.test('the connection to the endpoint in use goes dark', needsEtcd(), async t => {
  const { etcd, proxy } = await startEtcdFixture(t);
  const agent = startAgent(t, [proxy.url, etcd.url]);
  await until(() => agent.renewals() > 0, 'a lease');
  const before = await leaseKeys(etcd);
  proxy.stall('both');
  await livesOn(t, agent, etcd, before);
});

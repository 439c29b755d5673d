/** The host's own lease when etcd loses its memory, answers get lost, or others write to our key. */
import { getEventListeners } from 'node:events';
import { setImmediate as settle } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { formatPrefix, parsePrefix } from '../../../src/address/prefix.js';
import { formatLeaseValue } from '../../../src/subnet/lease.js';
import { findOwnLease, type LeaseWish } from '../../../src/subnet/manager.js';
import { News } from '../../../src/subnet/news.js';
import { StoreError } from '../../../src/subnet/store.js';
import { FakeClock } from '../../support/fake-clock.js';
import {
  attributesOf,
  KEY_PREFIX,
  nodeOf,
  rangeUpTo,
  startLeaseHost,
  TTL_SECONDS,
  valueSince,
  watchedStore,
  type LeaseHost,
  type StoreHooks,
} from '../../support/lease-host.js';
import { matchAll } from '../../support/match-all.js';
import { MemoryStore } from '../../support/memory-store.js';

const OWN_IP = '192.0.2.1';
const OTHER_IP = '192.0.2.99';
const keyOf = (subnet: number) => `${KEY_PREFIX}10.5.${subnet}.0-24`;
const valueOf = (publicIp: string) => formatLeaseValue(attributesOf(publicIp));
const vxlanOf = (publicIp: string) => formatLeaseValue({ publicIp, backendType: 'vxlan' });
const away = () => {
  throw new StoreError('unavailable', 'away');
};

/** One store, one clock, and a host with what the test does around its calls. */
function lab(t: Test) {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const hooks: StoreHooks = {};
  const watched = watchedStore(store, hooks);
  const start = (
    wish: Partial<LeaseWish> = {},
    how: { readonly seed?: bigint; readonly isBehind?: boolean } = {},
  ): Promise<LeaseHost> =>
    startLeaseHost(store, clock, stop => t.teardown(stop), wish, { store: watched.store, ...how });
  const pass = (seconds: number) => clock.pass(seconds * 1000, () => store.tick());
  return { clock, store, hooks, watched, start, pass, count: watched.count };
}

const messages = (host: LeaseHost, level: string) =>
  host.lines.filter(line => line.level === level).map(line => line.msg);

const subnetsOf = (host: LeaseHost) => host.owned.map(({ subnet }) => formatPrefix(subnet));

const preferring = (number: number): Partial<LeaseWish> => ({
  preferred: [{ subnet: parsePrefix(`10.5.${number}.0/24`)!, origin: 'state' }],
});

/** Raises the revision, so that what a restored store says is older than what the host wrote. */
function age(store: MemoryStore): void {
  for (let i = 0; i < 100; i++) store.put('/net/other', String(i));
}

t.test('an old backup with an older value of ours: rewritten at once, and renewed', async t => {
  const { store, start, pass } = lab(t);
  age(store);
  const host = await start();
  const renewals = host.renewals.length;
  store.replaceHistory({ revision: 7n });
  const { id } = await store.grantLease(TTL_SECONDS);
  store.put(keyOf(1), vxlanOf(OWN_IP), id);
  await host.relist('revision-went-back');
  await pass(1);
  t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP), leaseId: id });
  t.ok(host.renewals.length > renewals, 'without waiting for its time');
  t.equal(host.owned.length, 1);
  matchAll(t, messages(host, 'warn'), [
    'etcd was restored with an older lease of ours for 10.5.1.0/24: written anew',
  ]);
});

t.test('a wiped etcd in which another host holds our key at a lower revision: lost at once', async t => {
  for (const isReserved of [false, true]) {
    const { store, start, pass } = lab(t);
    age(store);
    if (isReserved) store.put(keyOf(1), valueOf(OWN_IP));
    const host = await start();
    store.replaceHistory({ clusterId: '2', revision: 3n });
    store.put(keyOf(1), valueOf(OTHER_IP));
    await host.relist('other-cluster');
    await pass(1);
    t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.2.0/24'], `reserved: ${isReserved}`);
    t.strictSame(host.troubles, ['lost: taken']);
    t.match(await store.read(keyOf(1)), { value: valueOf(OTHER_IP) });
  }
});

t.test('a backup of before our key, which the mirror had yet to see: acquired again', async t => {
  const { store, start, pass } = lab(t);
  const host = await start({}, { isBehind: true });
  store.remove(keyOf(1));
  await host.relist('revision-went-back');
  await pass(1);
  t.strictSame(host.troubles, ['lost: wiped']);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.1.0/24']);
});

t.test('an etcd lease that had ended lives again in a backup', async t => {
  for (const seconds of [60, TTL_SECONDS * 0.95]) {
    const { clock, store, start, pass } = lab(t);
    const keepAlive = store.keepAlive.bind(store);
    const host = await start();
    store.keepAlive = () => Promise.resolve(undefined);
    await clock.pass(seconds * 1000);
    store.keepAlive = keepAlive;
    const { leaseId } = host.owned[0]!;
    t.equal(host.owned.length, 1);
    await host.relist('revision-went-back');
    await pass(1);
    if (seconds === 60) {
      t.strictSame(host.troubles, [], 'its time was not over: the word of the mirror was awaited');
      matchAll(t, host.owned, [{ origin: 'free' }]);
    } else {
      t.strictSame(host.troubles, ['lost: expired']);
      matchAll(t, host.owned, [{ origin: 'free' }, { origin: 'own', leaseId }]);
    }
    t.equal(host.renewals.at(-1), TTL_SECONDS, 'renewed at once');
  }
});

t.test(
  'a wiped etcd in which our key holds garbage: another subnet, not a lease that cannot be renewed',
  async t => {
    const { store, start, pass } = lab(t);
    age(store);
    const host = await start();
    store.replaceHistory({ clusterId: '2', revision: 3n });
    store.put(keyOf(1), '{"PublicIP": ');
    await host.relist('other-cluster');
    await pass(1);
    t.strictSame(host.troubles, ['lost: wiped']);
    t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.2.0/24']);
    t.match(await store.read(keyOf(1)), { value: '{"PublicIP": ' });
  },
);

t.test('two hosts with one public IP do not outwrite each other', async t => {
  const { clock, store, start, pass, count } = lab(t);
  const one = await start();
  const attributes = { publicIp: OWN_IP, backendType: 'vxlan' };
  const other = await startLeaseHost(store, clock, stop => t.teardown(stop), { attributes });
  await pass(1200);
  const writes = count('replaceIfUnchanged');
  t.ok(writes > 10 && writes < 30, `${writes} by the one in 20 minutes`);
  t.equal(one.owned.length + other.owned.length, 2, 'and nobody gives up');
  t.equal(one.troubles.at(-1), `contested: ${writes}`);
  const [first, ...more] = messages(one, 'warn');
  t.equal(first, 'our lease was changed by somebody else: written anew');
  t.ok(more.length < 6, `${more.length} more lines`);
  t.match(more[0], /changed by somebody else 2 times: does another host have the public IP 192.0.2.1\?/);

  await other.stop();
  await pass(120);
  t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP) });
  await pass(720);
  t.equal(one.troubles.at(-1), 'contested: 0', 'it is over');
  store.put(keyOf(1), vxlanOf(OWN_IP));
  await pass(0);
  t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP) }, 'the next one is put right at once');
});

t.test('while a change waits to be put right, renewals go on', async t => {
  const { store, start, pass, count } = lab(t);
  const host = await start();
  const { leaseId } = host.owned[0]!;
  for (let i = 0; i < 40; i++) {
    store.put(keyOf(1), vxlanOf(OWN_IP), leaseId);
    await pass(30);
  }
  t.ok(count('keepAlive') > 15);
  t.ok(count('replaceIfUnchanged') < 30);
  t.equal(host.owned.length, 1);
});

t.test('a change is put right as soon as it may be', async t => {
  const { store, start, pass, count } = lab(t);
  await start();
  for (const seconds of [0, 1, 2, 4, 8]) {
    const before = count('replaceIfUnchanged');
    store.put(keyOf(1), vxlanOf(OWN_IP));
    await pass(seconds * 0.9);
    if (seconds > 0) t.equal(count('replaceIfUnchanged'), before, 'not yet');
    await pass(seconds * 0.1);
    t.equal(count('replaceIfUnchanged'), before + 1, `after ${seconds} s`);
  }
});

t.test('what goes wrong with a lease is told, and logged once', async t => {
  const { hooks, start, pass } = lab(t);
  const host = await start();
  hooks.before = away;
  await pass(120);
  const failures = host.troubles.length;
  t.ok(failures > 5, `${failures} failures`);
  t.ok(host.troubles.every(trouble => trouble === 'failed: away'));
  t.strictSame(messages(host, 'warn'), ['lease of 10.5.1.0/24 not renewed: away']);
  t.equal(messages(host, 'debug').length, failures - 1);
  hooks.before = undefined;
  await pass(120);
  matchAll(t, messages(host, 'info').slice(1), [/^lease of 10.5.1.0\/24 renewed again after \d\d s$/]);
  t.equal(host.troubles.length, failures);
});

t.test('what is in the way of a first lease is told, and each cause logged once', async t => {
  const { hooks, start, pass } = lab(t);
  const failWith = (error: StoreError) => {
    hooks.before = () => {
      throw error;
    };
  };
  failWith(new StoreError('denied', 'permission denied'));
  const host = await start();
  await pass(60);
  failWith(new StoreError('unavailable', 'away'));
  await pass(60);
  t.ok(host.troubles.filter(trouble => trouble === 'not acquired: permission denied').length > 5);
  t.equal(host.troubles.at(-1), 'not acquired: away');
  t.strictSame(messages(host, 'warn'), ['no lease yet: permission denied', 'no lease yet: away']);
  hooks.before = undefined;
  await pass(10);
  t.ok(host.owned.length);
});

t.test('a create without an answer is tried again on the same subnet first', async t => {
  const { clock, store, hooks, watched, pass } = lab(t);
  hooks.before = method => {
    if (method === 'createIfAbsent') away();
  };
  let seed = 0n;
  const options = {
    store: watched.store,
    // Each choice of a free subnet would be another.
    get seed() {
      return seed++;
    },
  };
  const host = await startLeaseHost(store, clock, stop => t.teardown(stop), {}, options);
  hooks.before = undefined;
  await pass(10);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24']);
  t.equal(watched.count('grantLease'), 1);
  t.equal((await store.list(KEY_PREFIX, new AbortController().signal)).entries.length, 1);
});

t.test('a create that was carried out although its answer was lost is ours', async t => {
  for (const isBehind of [false, true]) {
    const { store, hooks, start, pass, count } = lab(t);
    hooks.after = method => {
      if (method !== 'createIfAbsent') return;
      hooks.after = undefined;
      away();
    };
    const host = await start({}, { isBehind });
    await pass(10);
    t.equal(host.owned.length, 1);
    t.equal(count('grantLease'), 1);
    await host.stop();
    t.ok(await store.read(keyOf(1)), 'its etcd lease is in use, and not given back');
  }
});

t.test('before another subnet is tried, what may yet land has lost its etcd lease', async t => {
  for (const isRevoked of [true, false]) {
    const { store, hooks, start, pass } = lab(t);
    const creates: [key: string, leaseId: string][] = [];
    const create = store.createIfAbsent.bind(store);
    store.createIfAbsent = async (key, value, leaseId) => {
      creates.push([key, leaseId]);
      return creates.length === 1 ? away() : create(key, value, leaseId);
    };
    hooks.before = method => {
      if (method === 'revokeLease' && !isRevoked) away();
    };
    const host = await start();
    store.put(keyOf(1), valueOf(OTHER_IP));
    await pass(10);
    t.strictSame(subnetsOf(host), ['10.5.2.0/24']);
    const [[lateKey, lateLease], [, lease]] = creates as [[string, string], [string, string]];
    t.equal(lateKey, keyOf(1));
    t.not(lease, lateLease);
    store.remove(lateKey);
    const landing = create(lateKey, valueOf(OWN_IP), lateLease);
    if (isRevoked) await t.rejects(landing, { message: /^no lease/ });
    else await landing;
    await pass(TTL_SECONDS);
    t.equal(await store.read(lateKey), undefined, 'nobody keeps it alive');
    t.ok(await store.read(keyOf(2)));
  }
});

t.test('of several leases with our public IP the one that we had last is ours', async t => {
  const entry = (subnet: number) => ({
    ...{ key: keyOf(subnet), value: valueOf(OWN_IP), createRevision: 1n, modRevision: 1n, leaseId: '0' },
  });
  const find = (preferredKey: string | undefined, ...subnets: number[]) =>
    findOwnLease(subnets.map(entry), KEY_PREFIX, {
      publicIp: OWN_IP,
      node: nodeOf(OWN_IP),
      range: rangeUpTo(9),
      preferredKey,
    })?.key;
  t.equal(find(keyOf(3), 2, 3, 4), keyOf(3));
  t.equal(find(undefined, 2, 3, 4), keyOf(2));
  t.equal(find(keyOf(5), 2, 3, 4), keyOf(2));
  t.equal(find(keyOf(200), 3, 200), keyOf(3), 'but one in range first');
  t.equal(find(keyOf(201), 200, 201), keyOf(201));

  const { store, start, pass } = lab(t);
  for (const subnet of [2, 4]) store.put(keyOf(subnet), valueOf(OWN_IP));
  const host = await start({ preferredKey: keyOf(4) });
  t.strictSame(subnetsOf(host), ['10.5.4.0/24']);
  store.remove(keyOf(4));
  store.put(keyOf(4), valueOf(OWN_IP));
  await pass(1);
  t.equal(host.owned.at(-1)!.key, keyOf(4));
});

t.test('after a loss too', async t => {
  const { store, hooks, start, pass } = lab(t);
  const host = await start({}, { seed: 4n });
  const { value, leaseId } = host.owned[0]!;
  store.put(keyOf(2), valueOf(OWN_IP));
  hooks.after = async method => {
    if (method !== 'read') return;
    hooks.after = undefined;
    store.put(keyOf(5), value, leaseId);
    await settle();
  };
  store.remove(keyOf(5));
  await pass(1);
  t.strictSame(host.troubles, ['lost: deleted']);
  t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.5.0/24']);
});

t.test('our key without our public IP is ours until it names another host', async t => {
  const { store, start, pass, count } = lab(t);
  const host = await start();
  const { leaseId } = host.owned[0]!;
  for (let i = 0; i < 3; i++) store.put(keyOf(1), '{}', leaseId);
  await pass(10);
  t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP), leaseId });
  t.equal(host.owned.length, 1);
  t.ok(count('replaceIfUnchanged') <= 3);

  store.put(keyOf(1), '{}');
  await pass(60);
  t.match(
    await store.read(keyOf(1)),
    { value: valueSince(OWN_IP), leaseId },
    'a put by hand does not make it stay for ever',
  );
  t.equal(host.owned.length, 1);

  store.put(keyOf(1), valueOf(OTHER_IP));
  await pass(60);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.2.0/24'], 'what names another host is left to it');
  t.equal(host.troubles.at(-1), 'lost: taken');
  t.match(await store.read(keyOf(1)), { value: valueOf(OTHER_IP) });
  t.equal(await store.readLease(leaseId), undefined, 'the etcd lease without a key is given back');
});

t.test('an etcd lease that may still hold a key of ours is not revoked', async t => {
  const { store, hooks, start, pass, count } = lab(t);
  const host = await start();
  const { leaseId, value } = host.owned[0]!;
  store.put(keyOf(7), valueOf(OTHER_IP), leaseId);
  store.put(keyOf(1), valueOf(OTHER_IP));
  await pass(1);
  t.strictSame(host.troubles, ['lost: taken']);
  t.equal(count('revokeLease'), 0, 'another key hangs on it');

  const second = host.owned[1]!;
  store.put(second.key, valueOf(OTHER_IP));
  hooks.before = method => {
    if (method !== 'read') return;
    hooks.before = undefined;
    store.put(second.key, value, second.leaseId);
  };
  await pass(1);
  t.strictSame(host.troubles, ['lost: taken', 'lost: taken']);
  t.equal(count('revokeLease'), 0, 'our key is back, which the mirror had yet to show');
});

t.test('waiting leaves nothing behind on the signal', async t => {
  const never = new AbortController().signal;
  const any = t.capture(AbortSignal, 'any');
  const clock = new FakeClock();
  const news = new News(clock.sleep);
  for (let i = 0; i < 20; i++) {
    const waiting = news.wait(1_000, never);
    t.equal(getEventListeners(never, 'abort').length, 1);
    news.note([], 'same');
    await waiting;
  }
  t.equal(getEventListeners(never, 'abort').length, 0);
  t.strictSame(any(), [], 'nor made from it');

  const stop = new AbortController();
  const waiting = news.wait(1_000, stop.signal);
  stop.abort();
  await waiting;
  await news.wait(1_000, stop.signal);
});

t.test('that an earlier subnet is taken is said once', async t => {
  const { store, hooks, start, pass } = lab(t);
  store.put(keyOf(5), valueOf(OTHER_IP));
  hooks.before = method => {
    if (method === 'grantLease') away();
  };
  const host = await start(preferring(5));
  await pass(60);
  hooks.before = undefined;
  await pass(10);
  const earlier = messages(host, 'warn').filter(message => message.startsWith('earlier subnet'));
  t.strictSame(earlier, ['earlier subnet 10.5.5.0/24 is taken or out of range: another is chosen']);
  t.equal(host.owned.length, 1);
});

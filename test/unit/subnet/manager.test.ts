import t, { type Test } from 'tap';
import { formatPrefix, parsePrefix } from '../../../src/address/prefix.js';
import { formatLeaseValue } from '../../../src/subnet/lease.js';
import { findOwnLease, type LeaseWish } from '../../../src/subnet/manager.js';
import { formatReservation } from '../../../src/subnet/reservation.js';
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
import { MemoryStore } from '../../support/memory-store.js';
import { matchAll } from '../../support/match-all.js';

const OWN_IP = '192.0.2.1';
const OTHER_IP = '192.0.2.99';
const keyOf = (subnet: number) => `${KEY_PREFIX}10.5.${subnet}.0-24`;
const valueOf = (publicIp: string) => formatLeaseValue(attributesOf(publicIp));

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
  return { clock, store, hooks, start, pass, count: watched.count };
}

const preferring = (...numbers: number[]): Partial<LeaseWish> => ({
  preferred: numbers.map((number, i) => ({
    subnet: parsePrefix(`10.5.${number}.0/24`)!,
    origin: i === 0 ? 'state' : 'subnet-file',
  })),
});

const messages = (host: LeaseHost, level: string) =>
  host.lines.filter(line => line.level === level).map(line => line.msg);

const subnetsOf = (host: LeaseHost) => host.owned.map(({ subnet }) => formatPrefix(subnet));

t.test('a new host takes a free subnet under an etcd lease, and says so', async t => {
  const { store, start, pass, count } = lab(t);
  store.put(keyOf(1), valueOf(OTHER_IP));
  const host = await start();
  const entry = (await store.read(keyOf(2)))!;
  t.equal(
    entry.value,
    '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw",' +
      '"Selvedge":{"NodeID":"000000000000000000000000c0000201","Name":"host-192.0.2.1","Since":"2026-01-01T00:00:00Z"}}',
  );
  t.strictSame(host.owned, [
    {
      key: keyOf(2),
      subnet: parsePrefix('10.5.2.0/24'),
      since: '2026-01-01T00:00:00Z',
      value: entry.value,
      modRevision: entry.modRevision,
      leaseId: entry.leaseId,
      origin: 'free',
      granted: { at: 0, seconds: TTL_SECONDS },
    },
  ]);
  t.match(await store.readLease(entry.leaseId), { grantedSeconds: TTL_SECONDS });
  t.strictSame(host.renewals, [TTL_SECONDS], 'proven at once');

  await pass(3 * TTL_SECONDS);
  t.strictSame(await store.read(keyOf(2)), entry, 'kept alive without a write');
  t.ok(host.renewals.length > 30, 'at least once a minute');
  t.equal(host.owned.length, 1);
  t.equal(count('grantLease'), 1);
  matchAll(t, messages(host, 'info'), ['leased 10.5.2.0/24 (a free subnet)']);
});

t.test('a host that comes back goes on with its own lease, key untouched', async t => {
  const { store, start, pass, count } = lab(t);
  const first = await start();
  await first.stop();
  const before = await store.read(keyOf(1));
  await pass(TTL_SECONDS / 2);

  const host = await start(preferring(7));
  matchAll(t, host.owned, [{ key: keyOf(1), origin: 'own', leaseId: before!.leaseId }]);
  await pass(2 * TTL_SECONDS);
  t.strictSame(await store.read(keyOf(1)), before);
  t.equal(count('grantLease'), 1, 'by the first one');
});

t.test('an own lease that says something else is rewritten by compare, under its etcd lease', async t => {
  const { store, start, pass, count } = lab(t);
  const { id } = await store.grantLease(TTL_SECONDS);
  store.put(keyOf(3), formatLeaseValue({ publicIp: OWN_IP, backendType: 'vxlan' }), id);
  const before = (await store.read(keyOf(3)))!;
  const host = await start();
  await pass(TTL_SECONDS);
  const after = (await store.read(keyOf(3)))!;
  t.equal(after.value, valueSince(OWN_IP));
  t.match(after, { leaseId: id, createRevision: before.createRevision });
  matchAll(t, host.owned, [{ key: keyOf(3), origin: 'own', modRevision: after.modRevision }]);
  t.equal(count('replaceIfUnchanged'), 1);
});

t.test('a reservation stays one', async t => {
  for (const value of [valueOf(OWN_IP), formatLeaseValue({ publicIp: OWN_IP, backendType: 'vxlan' })]) {
    const { store, start, pass, count } = lab(t);
    store.put(keyOf(3), value);
    const host = await start();
    await pass(TTL_SECONDS);
    t.match(await store.read(keyOf(3)), { value: valueSince(OWN_IP), leaseId: '0' });
    matchAll(t, host.owned, [{ leaseId: '0', origin: 'own' }]);
    t.ok(host.renewals.length > 1 && host.renewals.every(seconds => seconds === undefined));
    t.equal(count('keepAlive') + count('grantLease'), 0);
  }
});

t.test('an earlier subnet is preferred: that of the state, then that of the file, then any', async t => {
  const cases: readonly (readonly [taken: number[], preferred: number[], subnet: number, origin: string])[] =
    [
      [[], [5, 6], 5, 'state'],
      [[5], [5, 6], 6, 'subnet-file'],
      [[5, 6], [5, 6], 1, 'free'],
      [[], [200, 6], 6, 'subnet-file'],
      [[], [200], 1, 'free'],
    ];
  for (const [taken, preferred, subnet, origin] of cases) {
    const { store, start } = lab(t);
    for (const number of taken) store.put(keyOf(number), valueOf(OTHER_IP));
    const host = await start(preferring(...preferred));
    matchAll(t, host.owned, [{ key: keyOf(subnet), origin }], JSON.stringify([taken, preferred]));
  }
});

t.test('keys of other lengths and families count as taken, garbage does not', async t => {
  const { store, start } = lab(t);
  store.put(`${KEY_PREFIX}10.5.0.0-22`, valueOf(OTHER_IP));
  store.put(`${KEY_PREFIX}10.5.4.16-28`, '{');
  store.put(`${KEY_PREFIX}10.5.5.0-24&fd00::-64`, valueOf(OTHER_IP));
  store.put(`${KEY_PREFIX}10.5.6.1-24`, valueOf(OTHER_IP));
  store.put('/net/config', '10.5.7.0-24');
  t.strictSame(subnetsOf(await start()), ['10.5.6.0/24']);
});

t.test('a lost race costs another try, not another etcd lease', async t => {
  const { store, hooks, start, pass, count } = lab(t);
  let rivals = 3;
  hooks.before = method => {
    if (method === 'createIfAbsent' && rivals > 0)
      store.put(keyOf(4 - rivals), valueOf(`192.0.2.1${rivals--}`));
  };
  const host = await start();
  await pass(5);
  t.strictSame(subnetsOf(host), ['10.5.4.0/24']);
  t.equal(count('grantLease'), 1);
  t.equal(count('createIfAbsent'), 4);
});

t.test('31 hosts start at once on 30 subnets', async t => {
  const { clock, store, pass } = lab(t);
  const hosts: LeaseHost[] = [];
  const publicIpOf = (i: number) => `192.0.2.${i + 1}`;
  const starts = Array.from({ length: 31 }, (_, i) =>
    startLeaseHost(
      store,
      clock,
      stop => t.teardown(stop),
      { range: rangeUpTo(30), publicIp: publicIpOf(i), attributes: attributesOf(publicIpOf(i)) },
      // Two meet on most subnets, so that races are lost.
      { seed: BigInt(i >> 1) },
    ),
  );
  hosts.push(...(await Promise.all(starts)));
  await pass(20);
  const served = hosts.filter(({ owned }) => owned.length === 1);
  t.equal(served.length, 30);
  t.equal(new Set(served.flatMap(subnetsOf)).size, 30);
  const { entries } = await store.list(KEY_PREFIX, new AbortController().signal);
  t.equal(entries.length, 30);
  const left = hosts.find(({ owned }) => owned.length === 0)!;
  t.strictSame(left.exhaustions, [30n]);
  matchAll(t, messages(left, 'error'), [
    /^no subnet is free: all 30 between 10.5.1.0 and 10.5.30.0 are leased/,
  ]);

  const leaver = served[7]!;
  await leaver.stop();
  store.remove(leaver.owned[0]!.key);
  await pass(1);
  t.strictSame(subnetsOf(left), subnetsOf(leaver), 'the first free one is taken at once');
  t.ok(
    served.every(({ owned }) => owned.length === 1),
    'the others have not moved',
  );
});

t.test(
  'while nothing is free, that is said once; an etcd lease that ends meanwhile is no obstacle',
  async t => {
    const { store, hooks, start, pass, count } = lab(t);
    for (let i = 1; i <= 8; i++) store.put(keyOf(i), valueOf(OTHER_IP));
    hooks.before = method => {
      hooks.before = method === 'createIfAbsent' ? undefined : hooks.before;
      if (method === 'createIfAbsent') store.put(keyOf(9), valueOf(OTHER_IP));
    };
    const host = await start();
    await pass(2 * TTL_SECONDS);
    store.put('/net/subnets/10.6.0.0-24', valueOf(OTHER_IP));
    await pass(60);
    t.strictSame(host.owned, []);
    t.strictSame(host.exhaustions, [9n]);
    t.equal(messages(host, 'error').length, 1);
    store.remove(keyOf(4));
    await pass(10);
    t.strictSame(subnetsOf(host), ['10.5.4.0/24']);
    t.equal(count('grantLease'), 2, 'the first had ended');
  },
);

t.test('an etcd lease that ended: the same subnet again', async t => {
  const { store, start, pass } = lab(t);
  const host = await start(preferring(5));
  const { leaseId } = host.owned[0]!;
  await store.revokeLease(leaseId);
  await pass(1);
  matchAll(t, host.owned, [{ key: keyOf(5) }, { key: keyOf(5) }]);
  t.not(host.owned[1]!.leaseId, leaseId);
  t.match(await store.read(keyOf(5)), { leaseId: host.owned[1]!.leaseId });
});

t.test(
  'an etcd lease that ended, told by the store before the mirror: no haste, no second subnet',
  async t => {
    const { store, start, pass, count } = lab(t);
    const host = await start(preferring(5));
    host.fallBehind();
    await store.revokeLease(host.owned[0]!.leaseId);
    await pass(300);
    t.equal(host.owned.length, 1);
    t.ok(count('keepAlive') <= 6, `${count('keepAlive')} times in 300 s`);
    t.strictSame(host.troubles, [], 'who ended it before its time, the mirror will tell');
    host.catchUp();
    await pass(1);
    t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.5.0/24']);
  },
);

t.test('a key that an admin deleted: the same subnet again, new or resumed', async t => {
  const { store, start, pass } = lab(t);
  const host = await start({}, { seed: 4n });
  store.put(keyOf(1), valueOf(OTHER_IP));
  store.remove(keyOf(5));
  await pass(1);
  t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.5.0/24']);
  matchAll(t, messages(host, 'warn'), ['lease of 10.5.5.0/24 lost (deleted): acquiring again']);
  t.equal(messages(host, 'info').at(-1), 'leased 10.5.5.0/24 (the subnet that we had)');
  await pass(2 * TTL_SECONDS);
  t.match(await store.read(keyOf(5)), { leaseId: host.owned[1]!.leaseId });
  t.equal(host.owned.length, 2);
  await host.stop();

  const again = await start({}, { seed: 4n });
  store.remove(keyOf(5));
  await pass(1);
  matchAll(t, again.owned, [{ key: keyOf(5), origin: 'own' }, { key: keyOf(5) }]);
});

t.test('a key that is deleted before its own creation is answered', async t => {
  const { store, hooks, start, pass } = lab(t);
  hooks.after = async method => {
    if (method !== 'createIfAbsent') return;
    hooks.after = undefined;
    store.remove(keyOf(1));
    await Promise.resolve();
    await Promise.resolve();
  };
  const host = await start();
  await pass(120);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.1.0/24']);
  t.ok(await store.read(keyOf(1)));
});

t.test('a deletion that was put right before we looked is none', async t => {
  const { store, hooks, start, pass, count } = lab(t);
  const host = await start();
  const { value, leaseId } = host.owned[0]!;
  hooks.before = method => {
    if (method !== 'read') return;
    host.fallBehind();
    store.put(keyOf(1), value, leaseId);
  };
  store.remove(keyOf(1));
  await pass(120);
  t.equal(count('read'), 1, 'it is looked into once');
  host.catchUp();
  await pass(120);
  t.equal(host.owned.length, 1);
  t.match(await store.read(keyOf(1)), { leaseId });
  t.ok(host.renewals.length > 3);
});

t.test('a key that another host took: another subnet, and theirs is left alone', async t => {
  const { store, start, pass } = lab(t);
  const host = await start(preferring(5));
  store.put(keyOf(5), valueOf(OTHER_IP));
  const theirs = await store.read(keyOf(5));
  await pass(1);
  t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.1.0/24']);
  matchAll(t, messages(host, 'error'), [
    `lease of 10.5.5.0/24 lost (taken): ${OTHER_IP} has it now, and it is left to that host; acquiring another`,
  ]);
  matchAll(t, messages(host, 'warn'), [
    'earlier subnet 10.5.5.0/24 is taken or out of range: another is chosen',
  ]);
  t.strictSame(await store.read(keyOf(5)), theirs);
});

t.test('a key that somebody changed is put right by compare', async t => {
  for (const value of ['{', '{}x', formatLeaseValue({ publicIp: OWN_IP, backendType: 'vxlan' })]) {
    const { store, start, pass, count } = lab(t);
    const host = await start();
    const { leaseId } = host.owned[0]!;
    store.put(keyOf(1), value, leaseId);
    await pass(1);
    t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP), leaseId }, value);
    t.equal(host.owned.length, 1);
    t.equal(count('replaceIfUnchanged'), 1);
    matchAll(t, messages(host, 'warn'), ['our lease was changed by somebody else: written anew']);
  }
});

t.test('a key that was put again with the same words is ours as it is', async t => {
  const { store, start, pass, count } = lab(t);
  const host = await start();
  const revision = store.put(keyOf(1), valueSince(OWN_IP));
  await pass(2 * TTL_SECONDS);
  t.match(await store.read(keyOf(1)), { modRevision: revision, leaseId: '0' }, 'a reservation now');
  t.equal(count('replaceIfUnchanged'), 0);
  t.equal(host.owned.length, 1);
  t.equal(host.renewals.at(-1), undefined);
});

t.test(
  'made a reservation and an ordinary lease again: told at once, and kept alive from then on',
  async t => {
    const { store, start, pass, count } = lab(t);
    const host = await start();
    store.put(keyOf(1), valueSince(OWN_IP));
    await pass(1);
    t.strictSame([host.moves, host.renewals.at(-1)], [['0'], undefined]);
    const { id } = await store.grantLease(TTL_SECONDS);
    await pass(30);
    const revision = store.put(keyOf(1), valueSince(OWN_IP), id);
    await pass(1);
    t.strictSame([host.moves, host.renewals.at(-1)], [['0', id], TTL_SECONDS]);
    await pass(3 * TTL_SECONDS);
    t.match(await store.read(keyOf(1)), { modRevision: revision, leaseId: id });
    t.strictSame([subnetsOf(host), host.troubles], [['10.5.1.0/24'], []]);
    t.equal(count('replaceIfUnchanged'), 0);
  },
);

t.test('a reservation is for the host with its public IP, and for nobody else', async t => {
  const { store, start } = lab(t);
  for (const number of [1, 2]) store.put(keyOf(number), formatReservation(`192.0.2.${number + 10}`));
  const [stranger, meant] = [await start(), await start({ publicIp: '192.0.2.12' })];
  t.strictSame([subnetsOf(stranger), subnetsOf(meant)], [['10.5.3.0/24'], ['10.5.2.0/24']]);
  t.match(await store.read(keyOf(1)), { value: formatReservation('192.0.2.11') });
  const last = await start({ publicIp: '192.0.2.13', range: rangeUpTo(2), ...preferring(1) });
  t.strictSame([subnetsOf(last), last.exhaustions], [[], [2n]], 'rather none than one that is reserved');
});

t.test('the mirror may be behind our own writes', async t => {
  const { store, start, pass, count } = lab(t);
  store.put(keyOf(1), formatLeaseValue({ publicIp: OWN_IP, backendType: 'vxlan' }));
  const host = await start({}, { isBehind: true });
  await pass(120);
  host.catchUp();
  await pass(120);
  t.equal(host.owned.length, 1);
  t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP), modRevision: host.owned[0]!.modRevision });
  t.equal(count('replaceIfUnchanged'), 1);
  t.strictSame(messages(host, 'warn'), []);

  const created = await start({ publicIp: OTHER_IP, attributes: attributesOf(OTHER_IP) }, { isBehind: true });
  await pass(120);
  created.catchUp();
  await pass(120);
  t.strictSame(subnetsOf(created), ['10.5.2.0/24']);
});

t.test('a store that is away for less than the TTL costs nothing', async t => {
  const { store, hooks, start, pass } = lab(t);
  const host = await start();
  const before = await store.read(keyOf(1));
  hooks.before = () => {
    throw new StoreError('unavailable', 'away');
  };
  await pass(TTL_SECONDS / 2);
  hooks.before = undefined;
  await pass(2 * TTL_SECONDS);
  t.equal(host.owned.length, 1);
  t.strictSame(await store.read(keyOf(1)), before);
});

t.test('a store that is away when a deletion is to be looked into', async t => {
  const { store, hooks, start, pass } = lab(t);
  const host = await start();
  hooks.before = () => {
    throw new StoreError('unavailable', 'away');
  };
  store.remove(keyOf(1));
  await pass(30);
  t.equal(host.owned.length, 1);
  hooks.before = undefined;
  await pass(10);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.1.0/24']);
});

t.test('a store that is away at the start is asked again, ever more slowly', async t => {
  const { hooks, start, pass, count } = lab(t);
  hooks.before = () => {
    throw new StoreError('unavailable', 'connection refused');
  };
  const host = await start();
  await pass(60);
  t.ok(count('grantLease') >= 12 && count('grantLease') < 20, `${count('grantLease')} times in a minute`);
  t.match(messages(host, 'warn')[0], 'no lease yet: connection refused');
  hooks.before = undefined;
  await pass(10);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24']);
});

t.test('at the end an etcd lease without a key is given back, one with a key stays', async t => {
  const { store, hooks, start, count } = lab(t);
  const host = await start();
  await host.stop();
  t.equal(count('revokeLease'), 0);
  t.ok(await store.read(keyOf(1)));

  hooks.before = method => {
    if (method === 'createIfAbsent') throw new StoreError('unavailable', 'away');
  };
  const second = await start({ publicIp: OTHER_IP, attributes: attributesOf(OTHER_IP) });
  await second.stop();
  t.equal(count('revokeLease'), 1);
  t.equal(await store.readLease('7001'), undefined);
});

t.test('what is no trouble with the store ends the manager', async t => {
  const { hooks, start } = lab(t);
  hooks.before = () => {
    throw new TypeError('a bug');
  };
  const host = await start();
  await t.rejects(host.ended, { message: 'a bug' });
});

t.test('which lease is our own', async t => {
  const entry = (key: string, publicIp: string, value = valueOf(publicIp)) => ({
    ...{ key, value, createRevision: 1n, modRevision: 1n, leaseId: '0' },
  });
  const find = (...entries: ReturnType<typeof entry>[]) =>
    findOwnLease(entries, KEY_PREFIX, { publicIp: OWN_IP, node: nodeOf(OWN_IP), range: rangeUpTo(9) })?.key;
  t.equal(find(), undefined);
  t.equal(find(entry(keyOf(1), OTHER_IP)), undefined);
  t.equal(find(entry(keyOf(3), OWN_IP), entry(keyOf(2), OWN_IP)), keyOf(2), 'the first in key order');
  t.equal(find(entry(keyOf(200), OWN_IP), entry(keyOf(3), OWN_IP)), keyOf(3), 'one in range first');
  t.equal(find(entry(keyOf(200), OWN_IP)), keyOf(200));
  t.equal(find(entry('/other/10.5.3.0-24', OWN_IP), entry(`${KEY_PREFIX}x`, OWN_IP)), undefined);
  t.equal(find(entry(keyOf(3), OWN_IP, '{')), undefined);
});

/** The host's own lease when its public IP or its node id is another host's as well. */
import t, { type Test } from 'tap';
import { formatPrefix, parsePrefix } from '../../../src/address/prefix.js';
import type { LeaseHolder } from '../../../src/subnet/holder.js';
import { formatLeaseValue } from '../../../src/subnet/lease.js';
import type { LeaseWish } from '../../../src/subnet/manager.js';
import { FakeClock } from '../../support/fake-clock.js';
import {
  attributesOf,
  KEY_PREFIX,
  nodeOf,
  rangeUpTo,
  startLeaseHost,
  TTL_SECONDS,
  valueSince,
  type LeaseHost,
} from '../../support/lease-host.js';
import { matchAll } from '../../support/match-all.js';
import { MemoryStore } from '../../support/memory-store.js';

const OWN_IP = '192.0.2.1';
const OTHER_IP = '192.0.2.99';
/** Twice a renewal of a lease of 600 s; etcd tells an age that is up to a second too great. */
const WINDOW_SECONDS = 120;
const OTHER_NODE = { nodeId: 'a'.repeat(32), name: 'elsewhere' };
const keyOf = (subnet: number) => `${KEY_PREFIX}10.5.${subnet}.0-24`;

/** What the other node writes under our public IP. */
const theirValue = formatLeaseValue({
  ...attributesOf(OWN_IP),
  holder: { ...OTHER_NODE, since: '2025-12-01T00:00:00Z' },
});

function lab(t: Test) {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const start = (wish: Partial<LeaseWish> = {}): Promise<LeaseHost> =>
    startLeaseHost(store, clock, stop => t.teardown(stop), wish);
  const pass = (seconds: number) => clock.pass(seconds * 1000, () => store.tick());
  /** A lease of another host, refreshed last so many seconds ago. */
  const theirs = async (subnet: number, value: string, secondsAgo = 0): Promise<string> => {
    const { id } = await store.grantLease(TTL_SECONDS);
    store.put(keyOf(subnet), value, id);
    await pass(secondsAgo);
    return id;
  };
  return { clock, store, start, pass, theirs };
}

const messages = (host: LeaseHost, level: string) =>
  host.lines.filter(line => line.level === level).map(line => line.msg);

const subnetsOf = (host: LeaseHost) => host.owned.map(({ subnet }) => formatPrefix(subnet));

const preferring = (number: number): Partial<LeaseWish> => ({
  preferred: [{ subnet: parsePrefix(`10.5.${number}.0/24`)!, origin: 'state' }],
  preferredKey: keyOf(number),
});

t.test('a lease of flanneld on this host is adopted: our id goes in, its etcd lease stays', async t => {
  const { store, start, pass, theirs } = lab(t);
  const id = await theirs(3, formatLeaseValue(attributesOf(OWN_IP)));
  const host = await start();
  t.match(await store.read(keyOf(3)), { value: valueSince(OWN_IP), leaseId: id });
  t.strictSame(subnetsOf(host), ['10.5.3.0/24']);
  await host.stop();

  await pass(TTL_SECONDS / 2);
  const before = await store.read(keyOf(3));
  const again = await start();
  await pass(TTL_SECONDS / 2);
  t.strictSame(await store.read(keyOf(3)), before, 'a restart writes nothing: since when is kept');
  matchAll(t, again.owned, [{ since: '2026-01-01T00:00:00Z' }]);
});

t.test('since when a subnet is ours is kept when it is acquired again', async t => {
  const { store, start, pass } = lab(t);
  await start();
  await pass(100);
  store.remove(keyOf(1));
  await pass(1);
  t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP) });
});

t.test('another node with our public IP that lives: nothing is acquired, and that is told', async t => {
  const { store, start, pass, theirs } = lab(t);
  const id = await theirs(3, theirValue);
  const host = await start();
  t.match(host.awaited.at(-1), { lease: { key: keyOf(3) } });
  t.ok(host.awaited.at(-1)!.until <= (WINDOW_SECONDS + 1) * 1000);
  await pass(20);
  await store.keepAlive(id);
  await pass(50);
  t.strictSame(host.troubles, [], 'a single refresh may be the doing of etcd');
  await store.keepAlive(id);
  await pass(4);
  t.strictSame(host.troubles, ['duplicate: elsewhere'], 'two are those of a holder');
  t.equal(host.awaited.at(-1), undefined);
  for (let i = 0; i < 20; i++) {
    await store.keepAlive(id);
    await pass(30);
  }
  t.ok(host.troubles.length >= 8 && host.troubles.length <= 14, `${host.troubles.length} times in 10 min`);
  t.strictSame(host.owned, []);
  t.match(await store.read(keyOf(3)), { value: theirValue, leaseId: id });

  await pass(2 * WINDOW_SECONDS);
  t.strictSame(subnetsOf(host), ['10.5.3.0/24'], 'once it is silent, the subnet is ours');
});

t.test('a short lease of a holder that lived is taken over before it expires', async t => {
  const { store, start, pass } = lab(t);
  const { id } = await store.grantLease(30);
  store.put(keyOf(3), theirValue, id);
  const { createRevision } = (await store.read(keyOf(3)))!;
  const host = await start();
  for (let i = 0; i < 6; i++) {
    await pass(10);
    await store.keepAlive(id);
  }
  t.ok(host.troubles.length > 1, 'it was looked at more often than every minute');
  await pass(29);
  t.strictSame(subnetsOf(host), ['10.5.3.0/24']);
  t.match(await store.read(keyOf(3)), { createRevision }, 'the key was never gone');
});

t.test('a key that is written anew shows at once that its holder lives', async t => {
  const signs: readonly (readonly [string, (store: MemoryStore, id: string) => Promise<unknown>])[] = [
    ['another value', async (store, id) => store.put(keyOf(3), `${theirValue} `, id)],
    [
      'another etcd lease',
      async store => store.put(keyOf(3), theirValue, (await store.grantLease(TTL_SECONDS)).id),
    ],
  ];
  for (const [name, sign] of signs) {
    const { store, start, pass, theirs } = lab(t);
    const id = await theirs(3, theirValue);
    const host = await start();
    await pass(60);
    await sign(store, id);
    await pass(4);
    t.strictSame(host.troubles, ['duplicate: elsewhere'], name);
  }
});

t.test(
  'etcd gives all leases their whole time again, as when it elects a leader: no sign of life',
  async t => {
    const { store, start, pass, theirs } = lab(t);
    const id = await theirs(3, theirValue);
    const host = await start();
    await pass(60);
    await store.keepAlive(id);
    await pass(WINDOW_SECONDS - 2);
    t.strictSame([subnetsOf(host), host.troubles], [[], []]);
    await pass(6);
    t.strictSame([subnetsOf(host), host.troubles], [['10.5.3.0/24'], []]);
  },
);

t.test(
  'another node with our public IP that is silent: its subnet is ours, under a new etcd lease',
  async t => {
    const { store, start, pass, theirs } = lab(t);
    const id = await theirs(3, theirValue, 100);
    const host = await start();
    t.strictSame(subnetsOf(host), [], 'refreshed 100 s ago: not yet');
    await pass(22);
    matchAll(t, host.owned, [{ key: keyOf(3), origin: 'own', since: '2026-01-01T00:01:40Z' }]);
    const entry = (await store.read(keyOf(3)))!;
    t.equal(entry.value, valueSince(OWN_IP, 100_000));
    t.not(entry.leaseId, id);
    await store.revokeLease(id);
    await pass(TTL_SECONDS);
    t.strictSame(await store.read(keyOf(3)), entry, 'what became of the old etcd lease does not matter');
    matchAll(t, messages(host, 'warn'), [
      /^lease 10.5.3.0\/24 at 192.0.2.1 taken over from elsewhere \(node a{32}\): nobody refreshes it any more$/,
    ]);

    const late = lab(t);
    await late.theirs(3, theirValue, 300);
    t.strictSame(subnetsOf(await late.start()), ['10.5.3.0/24'], 'silent for long: at once');
  },
);

t.test('a rival whose key goes, or becomes another matter, is waited for no longer', async t => {
  const gone = lab(t);
  const id = await gone.theirs(3, theirValue);
  const host = await gone.start();
  await gone.store.revokeLease(id);
  await gone.pass(1);
  t.strictSame([subnetsOf(host), host.awaited.at(-1)], [['10.5.1.0/24'], undefined]);

  const moved = lab(t);
  await moved.theirs(3, theirValue);
  const other = await moved.start();
  moved.store.put(keyOf(3), formatLeaseValue({ ...attributesOf(OTHER_IP), holder: OTHER_NODE }));
  await moved.pass(1);
  t.strictSame(subnetsOf(other), ['10.5.1.0/24'], 'it has another public IP now');
});

t.test('a lease for our public IP that never expires is ours at once, and stays so', async t => {
  const { store, start, pass } = lab(t);
  store.put(keyOf(3), theirValue);
  const host = await start();
  await pass(TTL_SECONDS);
  t.strictSame(subnetsOf(host), ['10.5.3.0/24']);
  t.match(await store.read(keyOf(3)), { value: valueSince(OWN_IP), leaseId: '0' });
});

t.test('a host that knows its subnet does not take what a silent node left under its address', async t => {
  const { store, start, theirs } = lab(t);
  await theirs(3, theirValue, 300);
  const host = await start(preferring(5));
  t.strictSame(subnetsOf(host), ['10.5.5.0/24']);
  t.match(await store.read(keyOf(3)), { value: theirValue });

  const outside = lab(t);
  await outside.theirs(77, theirValue, 300);
  t.strictSame(
    subnetsOf(await outside.start({ range: rangeUpTo(9) })),
    ['10.5.1.0/24'],
    'nor one out of range',
  );
});

t.test('our public IP has changed: the subnet of our state is ours once it is silent', async t => {
  const { store, start, pass, theirs } = lab(t);
  const id = await theirs(5, valueSince(OTHER_IP));
  const host = await start({ ...preferring(5), node: nodeOf(OTHER_IP) });
  t.strictSame(subnetsOf(host), []);
  await pass(WINDOW_SECONDS + 2);
  t.strictSame(subnetsOf(host), ['10.5.5.0/24']);
  const { value, leaseId } = (await store.read(keyOf(5)))!;
  const holder = { ...nodeOf(OTHER_IP), since: '2026-01-01T00:00:00Z' };
  t.equal(value, formatLeaseValue({ ...attributesOf(OWN_IP), holder }), 'since when is kept');
  t.not(leaseId, id);
});

t.test('the lease of our state is refreshed under another public IP: we are a clone', async t => {
  const { store, start, pass, theirs } = lab(t);
  const id = await theirs(5, valueSince(OTHER_IP));
  const host = await start({ ...preferring(5), node: nodeOf(OTHER_IP) });
  for (let i = 0; i < 2; i++) {
    await pass(30);
    await store.keepAlive(id);
  }
  await pass(4);
  t.strictSame([subnetsOf(host), host.troubles], [['10.5.1.0/24'], []]);
  t.match(await store.read(keyOf(5)), { value: valueSince(OTHER_IP), leaseId: id });
  matchAll(t, messages(host, 'warn'), [
    /is in use at 192.0.2.99 by a host with our node id/,
    /^earlier subnet 10.5.5.0\/24 is taken/,
  ]);
});

t.test('our id under another public IP, and not the lease of our state, is just another host', async t => {
  const { start, theirs } = lab(t);
  await theirs(3, valueSince(OTHER_IP));
  const host = await start({ node: nodeOf(OTHER_IP) });
  t.strictSame([subnetsOf(host), host.awaited], [['10.5.1.0/24'], []]);
});

t.test('a running host whose key names another node has lost it, and does not fight', async t => {
  const { store, start, pass } = lab(t);
  const host = await start();
  const { leaseId } = host.owned[0]!;
  const { id } = await store.grantLease(TTL_SECONDS);
  const revision = store.put(keyOf(1), theirValue, id);
  await pass(1);
  t.strictSame(host.troubles, ['lost: taken']);
  t.equal(await store.readLease(leaseId), undefined, 'our own etcd lease is given back');
  for (let i = 0; i < 10; i++) {
    await store.keepAlive(id);
    await pass(30);
  }
  t.ok(host.troubles.slice(1).every(trouble => trouble === 'duplicate: elsewhere'));
  t.ok(host.troubles.length > 3);
  t.equal((await store.read(keyOf(1)))!.modRevision, revision, 'not written since');
  await store.revokeLease(id);
  await pass(1);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24', '10.5.1.0/24'], 'and has it again once the other is gone');

  const even = lab(t);
  const kept = await even.start();
  even.store.put(keyOf(1), theirValue, kept.owned[0]!.leaseId);
  await even.pass(1);
  t.strictSame(kept.troubles, ['lost: taken'], 'whatever etcd lease keeps it');
});

t.test('who changes our key and leaves our id in it, or writes none, is put right', async t => {
  for (const attributes of [
    { publicIp: OWN_IP, backendType: 'vxlan', holder: nodeOf(OWN_IP) },
    { publicIp: OWN_IP, backendType: 'vxlan' },
  ]) {
    const { store, start, pass } = lab(t);
    const host = await start();
    store.put(keyOf(1), formatLeaseValue(attributes));
    await pass(1);
    t.match(await store.read(keyOf(1)), { value: valueSince(OWN_IP) });
    t.strictSame(host.troubles, ['contested: 1']);
  }
});

t.test('our lease out of the range of the config is given back, and another taken', async t => {
  const { store, start } = lab(t);
  store.put(keyOf(77), valueSince(OWN_IP));
  const host = await start();
  t.equal(await store.read(keyOf(77)), undefined);
  t.strictSame(subnetsOf(host), ['10.5.1.0/24']);
});

t.test('a lease out of range that only bears our public IP is left, and not overlapped', async t => {
  const { store, start } = lab(t);
  store.put(`${KEY_PREFIX}10.5.0.0-22`, formatLeaseValue(attributesOf(OWN_IP)));
  const before = await store.read(`${KEY_PREFIX}10.5.0.0-22`);
  const host = await start();
  t.strictSame(await store.read(`${KEY_PREFIX}10.5.0.0-22`), before);
  t.strictSame(subnetsOf(host), ['10.5.4.0/24']);
  matchAll(t, messages(host, 'warn'), [
    /bears our public IP but is not in the range of the config; left to expire$/,
  ]);
});

t.test('a subnet that was given back is free for ourselves', async t => {
  const { store, start } = lab(t);
  store.put(`${KEY_PREFIX}10.5.0.0-22`, valueSince(OWN_IP));
  const host = await start(preferring(2));
  t.strictSame(subnetsOf(host), ['10.5.2.0/24']);
});

/** Of a flanneld with EnableIPv6. */
const dualKey = `${keyOf(3)}&fd00:3::-64`;
const dualValue = (holder?: LeaseHolder) =>
  formatLeaseValue({
    ...attributesOf(OWN_IP),
    publicIpv6: 'fd00::1',
    backendV6Data: { VNI: 1 },
    ...(holder && { holder }),
  });

// A flanneld that knew the dual-stack lease and lists its IPv4 subnet alone crashes.
t.test('a dual-stack lease with our id is left too: its IPv4 subnet alone does not come back', async t => {
  for (const preferredKey of [dualKey, keyOf(3)]) {
    const { store, start, pass } = lab(t);
    store.put(dualKey, valueSince(OWN_IP), (await store.grantLease(TTL_SECONDS)).id);
    const before = await store.read(dualKey);
    const host = await start({ ...preferring(3), preferredKey });
    t.strictSame(await store.read(dualKey), before);
    t.strictSame(subnetsOf(host), ['10.5.1.0/24']);
    await pass(TTL_SECONDS + 1);
    t.equal(await store.read(dualKey), undefined, 'nothing keeps it');
    t.equal(await store.read(keyOf(3)), undefined);
  }
});

t.test('restored from a snapshot with a dual-stack lease of ours: we keep the subnet of now', async t => {
  const { store, start } = lab(t);
  store.put(dualKey, valueSince(OWN_IP), (await store.grantLease(TTL_SECONDS)).id);
  t.strictSame(subnetsOf(await start(preferring(2))), ['10.5.2.0/24']);
  t.not(await store.read(dualKey), undefined);
});

t.test('a dual-stack lease of flanneld on this host is left, and not overlapped', async t => {
  for (const leaseId of ['granted', '0']) {
    const { store, start, pass } = lab(t);
    const id = leaseId === '0' ? leaseId : (await store.grantLease(2 * TTL_SECONDS)).id;
    store.put(dualKey, dualValue(), id);
    const before = await store.read(dualKey);
    const host = await start(preferring(3));
    await pass(TTL_SECONDS);
    t.strictSame(await store.read(dualKey), before);
    t.strictSame(subnetsOf(host), ['10.5.1.0/24']);
    matchAll(t, messages(host, 'warn'), [
      /^lease 10.5.3.0\/24 bears our public IP but has the IPv6 subnet fd00:3::\/64, .*; left to expire$/,
      /^earlier subnet 10.5.3.0\/24 is taken/,
    ]);
    await host.stop();
    t.strictSame(subnetsOf(await start()), ['10.5.1.0/24'], 'the one without IPv6 is ours');
    await pass(2 * TTL_SECONDS);
    t.equal((await store.read(dualKey)) === undefined, leaseId !== '0', 'nothing keeps it');
  }
});

t.test('a dual-stack lease of another node with our public IP is not taken over', async t => {
  for (const leaseId of ['granted', '0']) {
    const { store, start, pass } = lab(t);
    const id = leaseId === '0' ? leaseId : (await store.grantLease(TTL_SECONDS)).id;
    store.put(dualKey, dualValue({ ...OTHER_NODE, since: '2025-12-01T00:00:00Z' }), id);
    const before = await store.read(dualKey);
    const host = await start(preferring(3));
    t.strictSame(subnetsOf(host), leaseId === '0' ? ['10.5.1.0/24'] : [], 'while its holder may live');
    await pass(WINDOW_SECONDS + 2);
    t.strictSame(subnetsOf(host), ['10.5.1.0/24']);
    t.strictSame(await store.read(dualKey), before);
  }
});

t.test('a dual-stack lease of our state, from before our public IP changed, is not taken over', async t => {
  const { store, start, pass } = lab(t);
  store.put(dualKey, valueSince(OTHER_IP), (await store.grantLease(TTL_SECONDS)).id);
  const before = await store.read(dualKey);
  const host = await start({ ...preferring(3), preferredKey: dualKey, node: nodeOf(OTHER_IP) });
  await pass(WINDOW_SECONDS + 2);
  t.strictSame([subnetsOf(host), await store.read(dualKey)], [['10.5.1.0/24'], before]);
});

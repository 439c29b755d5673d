/** When a lease is renewed, and what is said to have ended it. */
import t, { type Test } from 'tap';
import { formatPrefix } from '../../../src/address/prefix.js';
import { FakeClock } from '../../support/fake-clock.js';
import {
  KEY_PREFIX,
  startLeaseHost,
  TTL_SECONDS,
  valueSince,
  watchedStore,
  type LeaseHost,
  type LeaseHostOptions,
  type StoreHooks,
} from '../../support/lease-host.js';
import { matchAll } from '../../support/match-all.js';
import { MemoryStore } from '../../support/memory-store.js';
import { StoreError } from '../../../src/subnet/store.js';

const KEY = `${KEY_PREFIX}10.5.1.0-24`;

function lab(t: Test) {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const hooks: StoreHooks = {};
  const watched = watchedStore(store, hooks);
  const start = (options: LeaseHostOptions = {}): Promise<LeaseHost> =>
    startLeaseHost(store, clock, stop => t.teardown(stop), {}, { store: watched.store, ...options });
  const pass = (seconds: number) => clock.pass(seconds * 1000, () => store.tick());
  return { clock, store, hooks, start, pass, count: watched.count };
}

/** Ours by its public IP, but not as we wrote it. */
const ANOTHER_VALUE = valueSince('192.0.2.1', 5_000);

type Lab = ReturnType<typeof lab>;

const subnetsOf = (host: LeaseHost) => host.owned.map(({ subnet }) => formatPrefix(subnet));

/** No call gets an answer for so many seconds. */
async function cutOff({ hooks, pass }: Lab, seconds: number): Promise<void> {
  hooks.before = () => {
    throw new StoreError('unavailable', 'away');
  };
  await pass(seconds);
  hooks.before = undefined;
}

t.test('the first renewal is anywhere in the interval, the others are near its end', async t => {
  for (const random of [0.1, 0.25, 0.99]) {
    const { clock, hooks, start, pass } = lab(t);
    const at: number[] = [];
    hooks.before = method => {
      if (method === 'keepAlive') at.push(clock.ms / 1000);
    };
    const fresh = await start({ random });
    t.equal(fresh.renewals.length, 1, 'the grant is as good as a renewal');
    await pass(200);
    const interval = 60 * (0.9 + 0.1 * random);
    const expected = [0, 1, 2].map(n => 60 * random + n * interval);
    t.strictSame(at.slice(0, 3).map(Math.round), expected.map(Math.round), `new lease, random ${random}`);
    await fresh.stop();

    at.length = 0;
    const begin = clock.ms / 1000;
    await start({ random });
    await pass(200);
    const [proof, ...rest] = at.map(each => each - begin);
    t.equal(proof, 0, 'an earlier lease is proven at once');
    t.strictSame(rest.slice(0, 3).map(Math.round), expected.map(Math.round), `and then, random ${random}`);
  }
});

t.test('a lease that was granted for another time gets an etcd lease of ours, once', async t => {
  for (const seconds of [30, 2 * TTL_SECONDS]) {
    const { store, start, pass } = lab(t);
    const { id } = await store.grantLease(seconds);
    const value = valueSince('192.0.2.1');
    store.put(KEY, value, id);
    const host = await start();
    await pass(1);
    const entry = (await store.read(KEY))!;
    t.match(entry, { value });
    t.match(await store.readLease(entry.leaseId), { grantedSeconds: TTL_SECONDS });
    t.equal(await store.readLease(id), undefined, 'the other is given back');
    await pass(3 * TTL_SECONDS);
    t.strictSame(await store.read(KEY), entry);
    t.strictSame([host.troubles, host.owned.length, host.moves], [[], 1, [entry.leaseId]]);
    t.equal(host.renewals.at(-1), TTL_SECONDS);
  }
});

t.test('an operator makes an ordinary lease of our reservation: it gets our time', async t => {
  const { store, start, pass } = lab(t);
  store.put(KEY, valueSince('192.0.2.1'));
  await start();
  await pass(60);
  store.put(KEY, valueSince('192.0.2.1'), (await store.grantLease(86_400)).id);
  await pass(1);
  const { leaseId } = (await store.read(KEY))!;
  t.match(await store.readLease(leaseId), { grantedSeconds: TTL_SECONDS });
});

t.test('the etcd lease of before stays while another key hangs on it', async t => {
  const { store, start, pass } = lab(t);
  const { id } = await store.grantLease(2 * TTL_SECONDS);
  store.put(KEY, valueSince('192.0.2.1'), id);
  store.put(`${KEY_PREFIX}10.5.2.0-24`, 'theirs', id);
  await start();
  await pass(1);
  t.not((await store.read(KEY))!.leaseId, id);
  t.match(await store.read(`${KEY_PREFIX}10.5.2.0-24`), { leaseId: id });
});

t.test('etcd grants no other time: the key is not written, and it is asked once', async t => {
  const { store, start, pass, count } = lab(t);
  const { id } = await store.grantLease(2 * TTL_SECONDS);
  const grant = store.grantLease.bind(store);
  store.grantLease = () => grant(2 * TTL_SECONDS);
  store.put(KEY, valueSince('192.0.2.1'), id);
  const before = await store.read(KEY);
  await start();
  await pass(2 * TTL_SECONDS);
  t.strictSame(await store.read(KEY), before);
  t.strictSame([count('grantLease'), count('revokeLease')], [1, 1]);
});

t.test('the key is written by somebody at that moment: tried again with the next renewal', async t => {
  const { store, hooks, start, pass, count } = lab(t);
  const { id } = await store.grantLease(2 * TTL_SECONDS);
  store.put(KEY, valueSince('192.0.2.1'), id);
  hooks.before = method => {
    if (method !== 'replaceIfUnchanged') return;
    hooks.before = undefined;
    store.put(KEY, valueSince('192.0.2.1'), id);
  };
  const host = await start();
  await pass(1);
  t.match(await store.read(KEY), { leaseId: id });
  t.strictSame([count('grantLease'), count('revokeLease')], [1, 1], 'that grant is given back');
  await pass(60);
  t.match(await store.readLease((await store.read(KEY))!.leaseId), { grantedSeconds: TTL_SECONDS });
  t.strictSame(host.troubles, []);
});

t.test('what ended a lease', async t => {
  const cases: readonly (readonly [
    name: string,
    loss: string,
    end: (host: LeaseHost, lab: Lab) => void | Promise<void>,
  ])[] = [
    ['an admin deletes the key', 'deleted', (_, { store }) => void store.remove(KEY)],
    [
      'an admin revokes the etcd lease',
      'deleted',
      ({ owned }, { store }) => store.revokeLease(owned[0]!.leaseId),
    ],
    [
      'the same, and a renewal tells it before the mirror',
      'deleted',
      async (host, { store, pass }) => {
        host.fallBehind();
        await store.revokeLease(host.owned[0]!.leaseId);
        await pass(100);
        host.catchUp();
      },
    ],
    [
      'an admin puts the key without an etcd lease and revokes ours',
      'deleted',
      async (host, { store }) => {
        host.fallBehind();
        store.put(KEY, ANOTHER_VALUE);
        await store.revokeLease(host.owned[0]!.leaseId);
        host.catchUp();
      },
    ],
    [
      'the same, when its time may be over',
      'expired',
      async (host, lab) => {
        host.fallBehind();
        lab.store.put(KEY, ANOTHER_VALUE);
        await cutOff(lab, TTL_SECONDS + 60);
        host.catchUp();
      },
    ],
    [
      'etcd was restored from when the key had no etcd lease',
      'wiped',
      async (host, { store }) => {
        host.fallBehind();
        store.put(KEY, ANOTHER_VALUE);
        await store.revokeLease(host.owned[0]!.leaseId);
        await host.relist('revision-went-back');
      },
    ],
    [
      'an admin deletes the key while etcd is away for a while',
      'deleted',
      async (_, lab) => {
        await cutOff(lab, TTL_SECONDS / 2);
        lab.store.remove(KEY);
      },
    ],
    ['etcd is away for too long', 'expired', (_, lab) => cutOff(lab, TTL_SECONDS + 60)],
    [
      'the same, and a renewal tells it before the mirror',
      'expired',
      async (host, lab) => {
        host.fallBehind();
        await cutOff(lab, TTL_SECONDS + 60);
        await lab.pass(10);
        host.catchUp();
      },
    ],
    [
      'etcd was wiped',
      'wiped',
      async (host, { store }) => {
        store.replaceHistory({ clusterId: '2', revision: 1n });
        await host.relist('other-cluster');
      },
    ],
    [
      'etcd was wiped, and a renewal tells it before the mirror',
      'wiped',
      async (host, { store, pass }) => {
        store.replaceHistory({ clusterId: '2', revision: 1n });
        await pass(100);
        await host.relist('other-cluster');
      },
    ],
    [
      'etcd was restored from before our lease',
      'wiped',
      async (host, { store }) => {
        store.replaceHistory({ revision: 1n });
        await host.relist('revision-went-back');
      },
    ],
  ];
  for (const [name, loss, end] of cases) {
    const here = lab(t);
    const host = await here.start();
    await here.pass(100);
    await end(host, here);
    await here.pass(10);
    t.strictSame(
      host.troubles.filter(trouble => trouble.startsWith('lost')),
      [`lost: ${loss}`],
      name,
    );
    t.equal(host.owned.length, 2, 'whatever it was, the lease is acquired again');
  }
});

t.test('a reservation has no time that could be over', async t => {
  const here = lab(t);
  here.store.put(KEY, valueSince('192.0.2.1'));
  const host = await here.start();
  await cutOff(here, 10 * TTL_SECONDS);
  here.store.remove(KEY);
  await here.pass(10);
  t.equal(host.troubles.at(-1), 'lost: deleted');
});

t.test('a host that slept: its steady clock stood still, the clock on the wall knows', async t => {
  const { store, start, pass } = lab(t);
  let slept = 0;
  const host = await start({ wallOffset: () => slept });
  slept = TTL_SECONDS * 1000;
  await store.revokeLease(host.owned[0]!.leaseId);
  await pass(1);
  t.strictSame(host.troubles, ['lost: expired']);
});

t.test('the time was over by our clock, but etcd still has the lease: the key was deleted', async t => {
  const { store, start, pass } = lab(t);
  let ahead = 0;
  const host = await start({ wallOffset: () => ahead });
  ahead = TTL_SECONDS * 1000;
  store.remove(KEY);
  await pass(1);
  t.strictSame(host.troubles, ['lost: deleted']);
});

t.test('who leaves when the lease is lost acquires none', async t => {
  const { store, start, pass, count } = lab(t);
  const host = await start({ leavesOnLoss: true });
  store.remove(KEY);
  await pass(60);
  await host.ended;
  t.strictSame([subnetsOf(host), count('createIfAbsent')], [['10.5.1.0/24'], 1]);
  t.equal(await store.read(KEY), undefined);
  matchAll(
    t,
    host.lines.filter(({ level }) => level === 'warn'),
    [],
  );
});

/** Two leases of one subnet under different names: only one of them can be created if absent, and both are. */
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
  type StoreHooks,
} from '../../support/lease-host.js';
import { MemoryStore } from '../../support/memory-store.js';

const FIRST = `${KEY_PREFIX}10.5.1.0-24`;
/** Half of the first subnet, as a host has it that reads another config. */
const ELDER = `${KEY_PREFIX}10.5.1.128-25`;

/** A host that looks, and before it creates its key somebody writes one that overlaps. */
async function race(t: Test, key: string, value: string, options: { isBehind?: boolean } = {}) {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const { id } = await store.grantLease(TTL_SECONDS);
  const hooks: StoreHooks = {
    before: method => {
      if (method !== 'createIfAbsent') return;
      hooks.before = undefined;
      store.put(key, value, id);
    },
  };
  const watched = watchedStore(store, hooks);
  const host = await startLeaseHost(
    store,
    clock,
    stop => t.teardown(stop),
    {},
    { store: watched.store, ...options },
  );
  const pass = () => clock.pass(120_000, () => store.tick());
  return { store, host, pass };
}

const subnetsOf = (host: LeaseHost) => host.owned.map(({ subnet }) => formatPrefix(subnet));

t.test('the older one stays, and the host takes another subnet', async t => {
  const { store, host, pass } = await race(t, ELDER, valueSince('192.0.2.99'));
  await pass();
  t.same(subnetsOf(host), ['10.5.1.0/24', '10.5.2.0/24']);
  t.same(host.troubles, ['lost: taken']);
  t.equal(await store.read(FIRST), undefined);
  t.match(await store.read(ELDER), { value: valueSince('192.0.2.99') });
  t.match(
    host.lines.filter(({ level }) => level === 'error'),
    [{ msg: /10\.5\.1\.128-25 of 192\.0\.2\.99 overlaps .*10\.5\.1\.0-24 and is older: ours is given back/ }],
  );
});

t.test('it is seen when the mirror has caught up, not before', async t => {
  const { host, pass } = await race(t, ELDER, valueSince('192.0.2.99'), { isBehind: true });
  await pass();
  t.same(subnetsOf(host), ['10.5.1.0/24']);
  host.catchUp();
  await pass();
  t.same(subnetsOf(host), ['10.5.1.0/24', '10.5.2.0/24']);
});

t.test('what is no lease, is beside ours, or comes later costs no subnet', async t => {
  for (const [key, value] of [
    [ELDER, 'no lease'],
    [`${KEY_PREFIX}10.5.2.0-24`, valueSince('192.0.2.99')],
  ] as const) {
    const { host, pass } = await race(t, key, value);
    await pass();
    t.same(subnetsOf(host), ['10.5.1.0/24'], key);
  }
  const { store, host, pass } = await race(t, '/net/other', '');
  await pass();
  store.put(ELDER, valueSince('192.0.2.99'), '0');
  await pass();
  t.same(subnetsOf(host), ['10.5.1.0/24'], 'the younger of the two is the other');
});

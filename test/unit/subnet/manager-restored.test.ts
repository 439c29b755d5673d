/** The host's own lease in an etcd that was restored from an older snapshot, or has lost data. */
import t, { type Test } from 'tap';
import { formatPrefix, parsePrefix } from '../../../src/address/prefix.js';
import type { LeaseWish } from '../../../src/subnet/manager.js';
import { FakeClock } from '../../support/fake-clock.js';
import {
  KEY_PREFIX,
  rangeUpTo,
  startLeaseHost,
  TTL_SECONDS,
  valueSince,
  type LeaseHost,
} from '../../support/lease-host.js';
import { MemoryStore } from '../../support/memory-store.js';

const OWN_IP = '192.0.2.1';
const OTHER_IP = '192.0.2.99';
const keyOf = (subnet: number) => `${KEY_PREFIX}10.5.${subnet}.0-24`;
const subnetsOf = (host: LeaseHost) => host.owned.map(({ subnet }) => formatPrefix(subnet));

/** A host that has 10.5.5.0/24, in an etcd that then is restored to when it had 10.5.3.0/24. */
async function restored(
  t: Test,
  before: { readonly isReserved?: boolean; readonly isTaken?: boolean } = {},
): Promise<{ readonly store: MemoryStore; readonly host: LeaseHost }> {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const { id } = await store.grantLease(TTL_SECONDS);
  store.put(keyOf(3), valueSince(OWN_IP), before.isReserved === true ? '0' : id);
  if (before.isTaken === true) store.put(keyOf(5), valueSince(OTHER_IP), id);
  const backup = store.backup();
  store.replaceHistory({ revision: 100n });
  const wish: Partial<LeaseWish> = {
    preferred: [{ subnet: parsePrefix('10.5.5.0/24')!, origin: 'state' }],
    preferredKey: keyOf(5),
  };
  const host = await startLeaseHost(store, clock, stop => t.teardown(stop), wish);
  t.strictSame(subnetsOf(host), ['10.5.5.0/24']);
  store.restore(backup);
  await host.relist('other-cluster');
  await clock.pass(5_000, () => store.tick());
  return { store, host };
}

t.test('a host keeps the subnet that it has, and gives back the one that it had before', async t => {
  const { store, host } = await restored(t);
  t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.5.0/24']);
  t.equal(await store.read(keyOf(3)), undefined);
  t.not(await store.read(keyOf(5)), undefined);
});

t.test('when another host has its subnet there, it goes on with the one that it had before', async t => {
  const { store, host } = await restored(t, { isTaken: true });
  t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.3.0/24']);
  t.match(await store.read(keyOf(5)), { value: valueSince(OTHER_IP) });
});

t.test('a reservation is the word of an admin, and is followed', async t => {
  const { store, host } = await restored(t, { isReserved: true });
  t.strictSame(subnetsOf(host), ['10.5.5.0/24', '10.5.3.0/24']);
  t.match(await store.read(keyOf(3)), { leaseId: '0' });
});

t.test('nobody chooses the subnet of a peer that is kept though etcd has lost it', async t => {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const wish = { range: rangeUpTo(3) };
  const options = { keptKeys: [keyOf(1), keyOf(3)] };
  const host = await startLeaseHost(store, clock, stop => t.teardown(stop), wish, options);
  t.strictSame(subnetsOf(host), ['10.5.2.0/24']);
});

import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { releaseLease } from '../../../src/daemon/release.js';
import type { OwnLease } from '../../../src/subnet/manager.js';
import { StoreError } from '../../../src/subnet/store.js';
import { FakeClock } from '../../support/fake-clock.js';
import { matchAll } from '../../support/match-all.js';
import { MemoryStore } from '../../support/memory-store.js';
import { recordedLog } from '../../support/recorded-log.js';

const KEY = '/net/subnets/10.5.1.0-24';
const OTHER_KEY = '/net/subnets/10.5.2.0-24';
const never = new AbortController().signal;

/** A store with our key, made by `put`, and what a mirror knows of it. */
async function lab(isReservation = false, otherKeys: readonly string[] = []) {
  const clock = new FakeClock();
  const store = new MemoryStore(clock.now);
  const leaseId = isReservation ? '0' : (await store.grantLease(600)).id;
  const modRevision = store.put(KEY, 'ours', leaseId);
  for (const key of otherKeys) store.put(key, 'theirs', leaseId);
  const { log, lines } = recordedLog();
  const own: OwnLease = {
    ...{ key: KEY, subnet: parsePrefix('10.5.1.0/24')!, value: 'ours', modRevision, leaseId },
    origin: 'free',
  };
  const keys = async () => (await store.list('/net/', never)).entries;
  const entries = new Map((await keys()).map(entry => [entry.key, entry]));
  const release = () => releaseLease(own, { store, entries, clock, log });
  return { clock, store, own, lines, release, keys: async () => (await keys()).map(({ key }) => key) };
}

t.test('the key goes with its etcd lease', async t => {
  const { store, own, lines, release, keys } = await lab();
  t.equal(await release(), true);
  t.strictSame(await keys(), []);
  t.equal(await store.readLease(own.leaseId), undefined);
  matchAll(t, lines, [{ level: 'info', msg: /^lease of 10.5.1.0\/24 given back/ }]);
});

t.test('a reservation stays', async t => {
  const { lines, release, keys } = await lab(true);
  t.equal(await release(), false);
  t.strictSame(await keys(), [KEY]);
  matchAll(t, lines, [{ level: 'info', msg: /^10.5.1.0\/24 is reserved for this host and stays so/ }]);
});

t.test('what somebody else hung on our etcd lease stays', async t => {
  const { release, keys } = await lab(false, [OTHER_KEY]);
  await release();
  t.strictSame(await keys(), [OTHER_KEY]);
});

t.test('a store that is away, and one that does not answer, hold nobody up for long', async t => {
  const { store, lines, release } = await lab();
  store.goAway(new StoreError('unavailable', 'connection refused'));
  t.equal(await release(), false);
  matchAll(t, lines, [{ level: 'warn', msg: /not given back: connection refused; it will expire$/ }]);

  const silent = await lab();
  silent.store.revokeLease = () => new Promise(() => undefined);
  const released = silent.release();
  await silent.clock.pass(2_000);
  await released;
  matchAll(t, silent.lines, [{ level: 'warn', msg: /not given back: no answer within 2 s/ }]);
});

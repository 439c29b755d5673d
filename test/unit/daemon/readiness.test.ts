/** Readiness comes with the last of its conditions, and goes with the first that ends. */
import t from 'tap';
import { emptyFacts, type Facts } from '../../../src/daemon/facts.js';
import { lackOf } from '../../../src/daemon/readiness.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { answered, CLOCK, CONFIG, entryOf, joined, started, withFiles } from '../../support/status-facts.js';

const lack = (facts: Facts) => lackOf(facts, '/net/config', CLOCK);

t.test('before the network is joined: what is awaited', async t => {
  t.equal(lack(emptyFacts(0)), 'waiting for etcd to answer');
  t.equal(lack(started()), 'waiting for etcd to answer');
  t.equal(lack(answered()), 'waiting for a config at /net/config that can be used');
  t.equal(lack(answered(CONFIG)), 'waiting for a subnet');
});

t.test('a host whose peers are programmed, and what takes its readiness away', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2), entryOf(3)]);
  t.match(lack(facts), /^waiting for the kernel to hold all peers/);
  await reconciling.settled();
  t.match(lack(facts), /^waiting for the kernel to hold all peers, and the files for Docker/);
  await withFiles(t, facts);
  t.equal(lack(facts), undefined, 'ready');

  t.equal(lack({ ...facts, stopping: true }), 'the agent stops');
  t.equal(lack({ ...facts, ownLost: 'taken' }), 'the lease of 10.5.1.0/24 is lost (taken)');
  t.equal(lack({ ...facts, expiresAt: CLOCK.steady }), 'the lease of 10.5.1.0/24 has run out');
  t.equal(lack({ ...facts, expiresAt: undefined }), undefined, 'a reservation has no end');
  t.match(lack({ ...facts, own: undefined }), 'waiting for a subnet');

  reconciling.disturbance.refused = nl.RTM_NEWNEIGH;
  facts.overlay?.applyChanges([{ kind: 'put', entry: entryOf(4) }], 'believe');
  await reconciling.settled();
  t.equal(lack(facts), '1 of 3 peers are not programmed', 'while the kernel refuses a part of it');
  reconciling.disturbance.refused = undefined;
  reconciling.reconciler.doubtAfterChange('underlay');
  await reconciling.settled();
  t.equal(lack(facts), undefined, 'and it comes back');
});

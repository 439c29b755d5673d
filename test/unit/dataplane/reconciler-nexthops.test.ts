/** When the reconciler leads routes through nexthop objects and when not, on a fake kernel that speaks encoded bytes. */
import t from 'tap';
import type { Entry } from '../../../src/dataplane/model.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeNexthop, encodeNexthopSelector } from '../../../src/dataplane/netlink/nexthop.js';
import { nexthopEntry, OWN_ADDRESS, peerEntries, sorted, vxlanLink } from '../../support/dataplane.js';
import { FakeKernel } from '../../support/fake-kernel.js';
import { nexthopOn } from '../../support/netlink-contract-entries.js';
import { allOf, CREATE, sentBy, startWithPeers } from '../../support/programmed-peers.js';
import { startReconciling } from '../../support/reconciling.js';

t.test('a kernel without nexthop objects gets classic routes', async t => {
  const lab = startReconciling(t);
  lab.disturbance.refused = nl.RTM_GETNEXTHOP;
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  for (const n of [2, 3]) lab.reconciler.setPeer(`${n}`, peerEntries(n));
  lab.reconciler.setPeersComplete();
  lab.reconciler.allowPruning();
  await lab.settled();
  lab.disturbance.refused = undefined;
  const classic = sorted([OWN_ADDRESS, ...peerEntries(2), ...peerEntries(3)]);
  t.same(await lab.held(), classic);
  t.equal(lab.reconciler.view.readTrouble, undefined);
  t.match(await sentBy(lab, () => lab.reconciler.doubt()), { changes: 0 }, 'and is asked but once');
  t.same(
    lab.log.filter(({ msg }) => msg.includes('nexthop')).map(({ msg }) => msg),
    ['this kernel has no nexthop objects: all routes are classic'],
  );
});

t.test('an id that is taken makes that peer’s route classic until it is free', async t => {
  const lab = await startWithPeers(t);
  const { id } = nexthopEntry(5);
  const foreign = { ...nexthopOn(lab.underlayIndex, id, '192.168.77.9'), protocol: 4, flags: 0 };
  lab.fake.act(nl.RTM_NEWNEXTHOP, CREATE, writer => encodeNexthop(writer, foreign));
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.settled();
  await lab.advance(500);
  const found = nexthopEntry(5, { gateway: '192.168.77.9', device: 'up0', onLink: false, protocol: 4 });
  t.same(await lab.held(), sorted([...allOf(2, 3, 4), ...peerEntries(5), found]));
  t.match(lab.reconciler.peerState('5'), { programmed: true, error: undefined });
  const { failures, conflicts } = lab.reconciler.view;
  t.same([failures.size, conflicts.size], [0, 0]);
  t.equal(lab.reconciler.view.obstacles.taken.size, 1);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, id));
  await lab.advance(61_000);
  t.same(await lab.held(), allOf(2, 3, 4, 5));
});

t.test('nexthop objects from so many peers on, and not to and fro at the limit', async t => {
  // The host counts as one.
  const range = { from: 5, downTo: 3 };
  const lab = startReconciling(t, new FakeKernel(), range);
  const classic = (...peers: number[]): Entry[] =>
    sorted([OWN_ADDRESS, ...peers.flatMap(n => peerEntries(n))]);
  const holds = async (expected: Entry[], what: string): Promise<void> => {
    await lab.settled();
    t.same(await lab.held(), expected, what);
  };
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  for (const n of [2, 3, 4]) lab.reconciler.setPeer(`${n}`, peerEntries(n));
  lab.reconciler.setPeersComplete();
  lab.reconciler.allowPruning();
  await holds(classic(2, 3, 4), 'few');
  lab.reconciler.setPeer('5', peerEntries(5));
  await holds(allOf(2, 3, 4, 5), 'enough: all of them');
  lab.reconciler.setPeer('5', []);
  lab.reconciler.setPeer('4', []);
  await holds(allOf(2, 3), 'fewer, but they are there');
  const next = startReconciling(t, lab.fake, range);
  next.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  for (const n of [2, 3]) next.reconciler.setPeer(`${n}`, peerEntries(n));
  next.reconciler.setPeersComplete();
  next.reconciler.allowPruning();
  await next.settled();
  t.equal(next.stats().changes, 0, 'a restart leaves it at that');
  lab.reconciler.setPeer('3', []);
  await holds(classic(2), 'few again: no nexthop object is left');
  t.equal(lab.reconciler.view.repairs, 0, 'none of this is damage');
});

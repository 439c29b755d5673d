/** The reconciler and what the kernel announces of single entries: put right at once, and once. */
import t from 'tap';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { SELVEDGE_ROUTE_PROTOCOL } from '../../../src/dataplane/model.js';
import { encodeNexthop, encodeNexthopSelector } from '../../../src/dataplane/netlink/nexthop.js';
import { nexthopEntry, overlayRoute, peerEntries, subnetOf } from '../../support/dataplane.js';
import { nexthopOn, routeOn } from '../../support/netlink-contract-entries.js';
import {
  allOf,
  CREATE,
  deviceOf,
  putRoute,
  sentBy,
  startWithPeers,
  warnings,
} from '../../support/programmed-peers.js';

/** Then what we have changed before is no longer taken for the reason of what is announced. */
const LATER_MS = 1_001;

t.test('what is announced as gone is put back before anything is read', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lost = nexthopEntry(3);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
  t.equal((await lab.held()).length, allOf(2, 3, 4).length - 2, 'with its route');
  lab.disturbance.refused = nl.RTM_GETROUTE;
  lab.reconciler.doubt([{ entry: lost, isThere: false }]);
  await lab.settled();
  t.ok(lab.reconciler.view.readTrouble, 'nothing could be read');
  t.same(await lab.held(), allOf(2, 3, 4));
  lab.disturbance.refused = undefined;
  await lab.advance(500);
  t.match(lab.reconciler.view, { repairs: 2, drift: 2, repairsByKind: { nexthop: 1, route: 1 } });
  t.same(
    lab.log.map(({ msg }) => msg).filter(msg => msg.startsWith('repaired')),
    ['repaired 2 kernel entries'],
  );
});

t.test('what bears our marks and leads elsewhere is put right before anything is read, too', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const { index } = deviceOf(lab);
  putRoute(lab, { ...routeOn(index, '10.5.3.0', '10.5.3.9'), protocol: SELVEDGE_ROUTE_PROTOCOL });
  lab.disturbance.refused = nl.RTM_GETROUTE;
  const altered = overlayRoute(subnetOf(3), { gateway: '10.5.3.9' });
  lab.reconciler.doubt([{ entry: altered, isThere: true }]);
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4));
  t.match(lab.reconciler.view, { repairs: 1, drift: 1 });
});

t.test('no route is made by an object that is gone and another program’s by now', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lost = nexthopEntry(3);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
  const theirs = { ...nexthopOn(lab.underlayIndex, lost.id, '192.168.77.9'), protocol: 4 };
  lab.fake.act(nl.RTM_NEWNEXTHOP, CREATE, writer => encodeNexthop(writer, theirs));
  lab.disturbance.refused = nl.RTM_GETROUTE;
  lab.reconciler.doubt([{ entry: lost, isThere: false }]);
  await lab.settled();
  t.notOk(lab.fake.state.routes.some(({ destination }) => [...destination].join('.') === '10.5.3.0'));
  t.match(lab.reconciler.view, { repairs: 0, drift: 0, failures: new Map() });
});

t.test('what is announced as gone by mistake, or was not wanted, makes no difference', async t => {
  const lab = await startWithPeers(t);
  const [route] = peerEntries(9).slice(-1);
  t.match(await sentBy(lab, () => lab.reconciler.doubt([{ entry: route!, isThere: false }])), { changes: 0 });
  const here = nexthopEntry(3);
  await sentBy(lab, () => lab.reconciler.doubt([{ entry: here, isThere: false }]));
  t.same(await lab.held(), allOf(2, 3, 4));
  t.match(lab.reconciler.view, { failures: new Map(), conflicts: new Map() });
});

t.test('what is announced while a reading finds it, too, is put back once', async t => {
  const lab = await startWithPeers(t);
  const lost = nexthopEntry(3);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
  const { dumps, changes } = lab.stats();
  lab.reconciler.doubt();
  // The answer to the first dump comes with the next turn of the event loop.
  while (lab.stats().dumps === dumps) await Promise.resolve();
  lab.reconciler.doubt([{ entry: lost, isThere: false }]);
  await lab.settled();
  t.equal(lab.stats().changes - changes, 2);
  t.same(await lab.held(), allOf(2, 3, 4));
  t.same(warnings(lab), []);
  t.match(lab.reconciler.view, { repairs: 2, drift: 2 });
});

t.test('of what is fought over, an announcement makes no more repairs than a reading does', async t => {
  const lab = await startWithPeers(t);
  const lost = nexthopEntry(3);
  const { changes } = lab.stats();
  for (let round = 0; round < 8; round++) {
    await lab.advance(LATER_MS);
    lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
    lab.reconciler.doubt([{ entry: lost, isThere: false }]);
    await lab.settled();
  }
  t.equal(lab.stats().changes - changes, 14, 'seven repairs of two entries, and then a pause');
  t.match(lab.reconciler.view, { contests: [{ repairs: 7 }, { repairs: 7 }], drift: 16 });
});

t.test('what is announced of our own changes of a moment ago changes nothing', async t => {
  const lab = await startWithPeers(t);
  const doubts = async (n: number) =>
    sentBy(lab, () => lab.reconciler.doubt([{ entry: nexthopEntry(n), isThere: false }]));
  t.match(await doubts(3), { changes: 0 }, 'of a start');
  await lab.advance(LATER_MS);
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.settled();
  t.match(await doubts(5), { changes: 0 }, 'of a peer that has joined');
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, nexthopEntry(3).id));
  lab.reconciler.doubt();
  await lab.settled();
  await lab.advance(300);
  t.match(await doubts(3), { changes: 0 }, 'of a repair, heard after a long pass');
  t.same(warnings(lab), []);
  t.match(lab.reconciler.view, { repairs: 2, drift: 2 });
});

/** The reconciler and what the kernel announces of single entries: put right at once, and once. */
import t from 'tap';
import { macToBytes } from '../../../src/address/mac.js';
import { UNREAD_NEWS, type Announced, type News } from '../../../src/dataplane/announced.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { SELVEDGE_ROUTE_PROTOCOL } from '../../../src/dataplane/model.js';
import { encodeLink, encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { encodeNeighbour } from '../../../src/dataplane/netlink/neighbour.js';
import {
  encodeNexthop,
  encodeNexthopSelector,
  type NexthopRequest,
} from '../../../src/dataplane/netlink/nexthop.js';
import {
  fdbEntry,
  macOf,
  neighbourEntry,
  newsOf,
  nexthopEntry,
  OWN_ADDRESS,
  overlayRoute,
  peerEntries,
  subnetOf,
  UNDERLAY,
  underlayRoute,
  vtepOf,
  vxlanLink,
} from '../../support/dataplane.js';
import { arpOn, fdbOn, nexthopOn, routeOn } from '../../support/netlink-contract-entries.js';
import {
  allOf,
  CREATE,
  deviceOf,
  putRoute,
  REPLACE,
  sentBy,
  setPeers,
  startWithPeers,
  warnings,
} from '../../support/programmed-peers.js';
import type { Reconciling } from '../../support/reconciling.js';

/** What was announced, and all of it. */

/** Then what we have changed before is no longer taken for the reason of what is announced. */
const LATER_MS = 1_001;
/** Of `calm.ts`. */
const CALM_MS = 100;
const LONGEST_MS = 1_000;

t.test('what is announced as gone is put back before anything is read', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lost = nexthopEntry(3);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
  t.equal((await lab.held()).length, allOf(2, 3, 4).length - 2, 'with its route');
  const news = newsOf({ entry: lost, isThere: false });
  t.match(await sentBy(lab, () => lab.reconciler.doubt(news)), { dumps: 0, changes: 2 });
  t.same(await lab.held(), allOf(2, 3, 4));
  await lab.advance(CALM_MS);
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
  const altered = overlayRoute(subnetOf(3), { gateway: '10.5.3.9' });
  const news = newsOf({ entry: altered, isThere: true });
  t.match(await sentBy(lab, () => lab.reconciler.doubt(news)), { dumps: 0, changes: 1 });
  t.same(await lab.held(), allOf(2, 3, 4));
  t.match(lab.reconciler.view, { repairs: 1, drift: 1 });
});

t.test(
  'flocks of announcements are put right one after the other, and all is read when no more come',
  async t => {
    const lab = await startWithPeers(t);
    await lab.advance(LATER_MS);
    const { dumps } = lab.stats();
    const lose = async (n: number) => {
      const entry = nexthopEntry(n);
      lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, entry.id));
      lab.reconciler.doubt(newsOf({ entry, isThere: false }));
      await lab.settled();
      t.same(await lab.held(), allOf(2, 3, 4));
      await lab.advance(CALM_MS - 1);
    };
    for (const n of [2, 3, 4]) await lose(n);
    t.equal(lab.stats().dumps, dumps, 'nothing was read');
    await lab.advance(1);
    t.ok(lab.stats().dumps > dumps);
    t.match(lab.reconciler.view, { repairs: 6, drift: 6 });
  },
);

t.test(
  'a lease does not wait for the reading either, and what the kernel refuses it does not wait long',
  async t => {
    const lab = await startWithPeers(t);
    await lab.advance(LATER_MS);
    const lost = nexthopEntry(3);
    const { dumps } = lab.stats();
    lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
    lab.reconciler.doubt(newsOf({ entry: lost, isThere: false }));
    await lab.settled();
    setPeers(lab.reconciler, 5);
    await lab.settled();
    t.same([await lab.held(), lab.stats().dumps], [allOf(2, 3, 4, 5), dumps]);
    lab.disturbance.refused = nl.RTM_NEWNEXTHOP;
    setPeers(lab.reconciler, 6);
    await lab.settled();
    t.ok(lab.stats().dumps > dumps, 'everything was read, to know why');
    t.ok(lab.reconciler.view.failures.size > 0);
  },
);

t.test('what an announcement does not put right is read at once', async t => {
  const stale = peerEntries(9).slice(-1)[0]!;
  const news: readonly (readonly [what: string, news: News])[] = [
    ['an entry that nobody wants', newsOf({ entry: stale, isThere: true })],
    ['one that we cannot have lost', { ...newsOf({ entry: nexthopEntry(3), isThere: true }), isAll: false }],
    ['nothing that could be understood', UNREAD_NEWS],
  ];
  const lab = await startWithPeers(t);
  for (const [what, heard] of news) {
    const { dumps } = await sentBy(lab, () => lab.reconciler.doubt(heard));
    t.ok(dumps > 0, what);
  }
});

t.test('what goes with a device that is on its way out is not put back on it', async t => {
  const news: readonly (News | undefined)[] = [
    undefined,
    newsOf(...Array.from({ length: 101 }, (_, n) => ({ entry: nexthopEntry(n + 2), isThere: false }))),
  ];
  const sent: number[] = [];
  for (const heard of news) {
    const lab = await startWithPeers(t);
    await lab.advance(LATER_MS);
    const { index } = deviceOf(lab);
    lab.fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index));
    sent.push((await sentBy(lab, () => lab.reconciler.doubt(heard))).changes);
    t.same(await lab.held(), allOf(2, 3, 4));
  }
  t.equal(sent[1], sent[0], 'as many changes as without the news');
});

t.test('no route is made by an object that is gone and another program’s by now', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lost = nexthopEntry(3);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, lost.id));
  const theirs = { ...nexthopOn(lab.underlayIndex, lost.id, '192.168.77.9'), protocol: 4 };
  lab.fake.act(nl.RTM_NEWNEXTHOP, CREATE, writer => encodeNexthop(writer, theirs));
  lab.disturbance.refused = nl.RTM_GETROUTE;
  lab.reconciler.doubt(newsOf({ entry: lost, isThere: false }));
  await lab.settled();
  t.notOk(lab.fake.state.routes.some(({ destination }) => [...destination].join('.') === '10.5.3.0'));
  t.match(lab.reconciler.view, { repairs: 0, drift: 0, failures: new Map() });
});

t.test('what is announced as gone by mistake, or was not wanted, makes no difference', async t => {
  const lab = await startWithPeers(t);
  const [route] = peerEntries(9).slice(-1);
  t.match(await sentBy(lab, () => lab.reconciler.doubt(newsOf({ entry: route!, isThere: false }))), {
    changes: 0,
  });
  const here = nexthopEntry(3);
  await sentBy(lab, () => lab.reconciler.doubt(newsOf({ entry: here, isThere: false })));
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
  lab.reconciler.doubt(newsOf({ entry: lost, isThere: false }));
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
    lab.reconciler.doubt(newsOf({ entry: lost, isThere: false }));
    await lab.settled();
  }
  t.equal(lab.stats().changes - changes, 14, 'seven repairs of two entries, and then a pause');
  t.match(lab.reconciler.view, { contests: [{ repairs: 7 }, { repairs: 7 }], drift: 16 });
});

t.test('what is announced of our own changes of a moment ago changes nothing', async t => {
  const lab = await startWithPeers(t);
  const doubts = async (n: number) =>
    sentBy(lab, () => lab.reconciler.doubt(newsOf({ entry: nexthopEntry(n), isThere: false })));
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

t.test('what is deleted again a moment after it was put back is looked up, and put back', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lose = async (n: number) => {
    const neighbour = fdbOn(deviceOf(lab).index, macToBytes(macOf(n)));
    lab.fake.act(nl.RTM_DELNEIGH, 0, writer => encodeNeighbour(writer, neighbour));
    const news = newsOf({ entry: fdbEntry(macOf(n), vtepOf(n)), isThere: false });
    const sent = await sentBy(lab, () => lab.reconciler.doubt(news));
    t.same(await lab.held(), allOf(2, 3, 4));
    return sent;
  };
  t.match(await lose(3), { dumps: 0, changes: 1 });
  t.match(await lose(3), { dumps: 1, changes: 1 }, 'by a list of its kind');
  t.match(await lose(3), { dumps: 1, changes: 1 });
  const entry = nexthopEntry(3);
  const loseNexthop = async () => {
    lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, entry.id));
    const sent = await sentBy(lab, () => lab.reconciler.doubt(newsOf({ entry, isThere: false })));
    t.same(await lab.held(), allOf(2, 3, 4), 'with its route');
    return sent;
  };
  t.match(await loseNexthop(), { dumps: 0, changes: 2 });
  await loseNexthop();
  t.match(lab.reconciler.view, { repairs: 7, drift: 7 });
});

t.test('a neighbour that is deleted again a moment after it was put back is asked for by itself', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const entry = neighbourEntry(subnetOf(3).address, macOf(3));
  const hear = () => sentBy(lab, () => lab.reconciler.doubt(newsOf({ entry, isThere: false })));
  const lose = () => {
    const neighbour = arpOn(deviceOf(lab).index, entry.address, macToBytes(entry.mac));
    lab.fake.act(nl.RTM_DELNEIGH, 0, writer => encodeNeighbour(writer, neighbour));
  };
  lose();
  t.match(await hear(), { dumps: 0, changes: 1 });
  t.match(await hear(), { dumps: 0, changes: 0 }, 'it is there');
  lose();
  t.match(await hear(), { dumps: 0, changes: 1 });
  t.same(await lab.held(), allOf(2, 3, 4));
  t.match(lab.reconciler.view, { repairs: 2, drift: 2 });
});

t.test('what must be read at once does not wait for what is put right at the same time', async t => {
  const lose = (lab: Reconciling) => {
    const neighbour = fdbOn(deviceOf(lab).index, macToBytes(macOf(3)));
    lab.fake.act(nl.RTM_DELNEIGH, 0, writer => encodeNeighbour(writer, neighbour));
    lab.reconciler.doubt(newsOf({ entry: fdbEntry(macOf(3), vtepOf(3)), isThere: false }));
  };
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const { changes } = lab.stats();
  lose(lab);
  while (lab.stats().changes === changes) await Promise.resolve();
  const { index } = deviceOf(lab);
  const flags = { value: 0, mask: nl.IFF_UP };
  lab.fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, { index, flags }));
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4), 'a device that goes down meanwhile');
  await lab.advance(LATER_MS);
  lose(lab);
  lab.reconciler.setHost([vxlanLink({ mtu: 1400 })], [OWN_ADDRESS]);
  await lab.settled();
  t.equal(deviceOf(lab).mtu, 1400, 'a device that is to be another');
  t.same(await lab.held(), allOf(2, 3, 4));
});

t.test('announcements without end do not keep everything from being read', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const { begun } = lab.reconciler.readings;
  // So many that the devices are looked at first, and more have come by then.
  const news = newsOf(
    ...Array.from({ length: 101 }, (_, n) => ({ entry: nexthopEntry(n + 5), isThere: true })),
  );
  const talk = async () => {
    for (let turn = 0; turn < 50; turn++) {
      lab.reconciler.doubt(news);
      await new Promise(resolve => setImmediate(resolve));
    }
  };
  await talk();
  const later = lab.advance(LONGEST_MS);
  await talk();
  t.ok(lab.reconciler.readings.begun > begun);
  await later;
});

t.test('of what is announced in several flocks the last word counts', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const theirs = { ...routeOn(lab.underlayIndex, '10.5.3.0', '192.168.77.9'), protocol: 4 };
  putRoute(lab, theirs);
  const ours = overlayRoute(subnetOf(3), { gateway: '10.5.3.9' });
  lab.reconciler.doubt(newsOf({ entry: ours, isThere: true }));
  const found = underlayRoute(subnetOf(3), '192.168.77.9', { protocol: 4 });
  lab.reconciler.doubt(newsOf({ entry: found, isThere: true }));
  await lab.settled();
  const { repairs, conflicts } = lab.reconciler.view;
  t.same([repairs, conflicts.size], [0, 1], 'it is another program’s by now');
  const { changes } = lab.stats();
  const lost = newsOf({ entry: fdbEntry(macOf(2), vtepOf(2)), isThere: false });
  lab.reconciler.doubt(lost);
  lab.reconciler.doubt(lost);
  await lab.settled();
  t.equal(lab.stats().changes - changes, 1);
  t.match(lab.reconciler.view, { repairs: 1, drift: 1 });
});

t.test('what a reading has found to be another program’s by now is not replaced for older news', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const { dumps } = lab.stats();
  lab.reconciler.doubt();
  while (lab.stats().dumps === dumps) await Promise.resolve();
  const ours = overlayRoute(subnetOf(3), { gateway: '10.5.3.9' });
  lab.reconciler.doubt(newsOf({ entry: ours, isThere: true }));
  putRoute(lab, { ...routeOn(lab.underlayIndex, '10.5.3.0', '192.168.77.9'), protocol: 4 });
  await lab.settled();
  const { repairs, conflicts } = lab.reconciler.view;
  t.same([repairs, conflicts.size], [0, 1]);
});

for (const before of ['altered', 'deleted'] as const) {
  t.test(`no route is made by an object that is not put back for now: ${before} before`, async t => {
    const lab = await startWithPeers(t);
    await lab.advance(LATER_MS);
    const entry = nexthopEntry(3);
    const { id } = entry;
    const { index } = deviceOf(lab);
    const remove = () => lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, id));
    const put = (flags: number, nexthop: NexthopRequest) =>
      lab.fake.act(nl.RTM_NEWNEXTHOP, flags, writer => encodeNexthop(writer, nexthop));
    if (before === 'deleted') remove();
    else put(REPLACE, nexthopOn(index, id, '10.5.3.9'));
    const altered = nexthopEntry(3, { gateway: '10.5.3.9' });
    lab.reconciler.doubt(
      newsOf(before === 'deleted' ? { entry, isThere: false } : { entry: altered, isThere: true }),
    );
    await lab.settled();
    const repairs = before === 'deleted' ? 2 : 1;
    t.match(lab.reconciler.view, { repairs }, 'a moment ago');
    remove();
    put(CREATE, { ...nexthopOn(lab.underlayIndex, id, '192.168.77.9'), protocol: 4 });
    // So that everything is not read after all.
    lab.disturbance.refused = nl.RTM_GETNEIGH;
    lab.reconciler.doubt(newsOf({ entry, isThere: false }));
    await lab.settled();
    t.notOk(lab.fake.state.routes.some(({ destination }) => [...destination].join('.') === '10.5.3.0'));
    t.match(lab.reconciler.view, { repairs });
  });
}

const isRoute3 = ({ destination }: { readonly destination: Uint8Array }) =>
  [...destination].join('.') === '10.5.3.0';

/** Another program takes the route to peer 3, where there is one. */
function loseRoute(lab: Reconciling): Announced {
  const entry = allOf(3).find(({ kind }) => kind === 'route')!;
  const { routes } = lab.fake.state;
  const place = routes.findIndex(isRoute3);
  if (place >= 0) routes.splice(place, 1);
  return { entry, isThere: false };
}

t.test('no route is looked up and made by an object that could not be put back', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  lab.reconciler.doubt(newsOf(loseRoute(lab)));
  await lab.settled();
  t.match(lab.reconciler.view, { repairs: 1 }, 'a moment ago');
  const entry = nexthopEntry(3);
  lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, entry.id));
  const theirs = { ...nexthopOn(lab.underlayIndex, entry.id, '192.168.77.9'), protocol: 4 };
  lab.fake.act(nl.RTM_NEWNEXTHOP, CREATE, writer => encodeNexthop(writer, theirs));
  // So that everything is not read after all.
  lab.disturbance.refused = nl.RTM_GETNEIGH;
  lab.reconciler.doubt(newsOf({ entry, isThere: false }));
  await lab.settled();
  t.notOk(lab.fake.state.routes.some(isRoute3));
  t.match(lab.reconciler.view, { repairs: 1 });
});

t.test('no route is made by an object that is announced as another program’s', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lost = loseRoute(lab);
  const { id } = nexthopEntry(3);
  const theirs = { ...nexthopOn(lab.underlayIndex, id, '192.168.77.9'), protocol: 4 };
  lab.fake.act(nl.RTM_NEWNEXTHOP, REPLACE, writer => encodeNexthop(writer, theirs));
  // So that everything is not read after all.
  lab.disturbance.refused = nl.RTM_GETNEIGH;
  const held = nexthopEntry(3, { device: UNDERLAY, gateway: '192.168.77.9', onLink: false, protocol: 4 });
  lab.reconciler.doubt(newsOf(lost, { entry: held, isThere: true }));
  await lab.settled();
  t.notOk(lab.fake.state.routes.some(isRoute3));
  t.match(lab.reconciler.view, { repairs: 0 });
});

t.test('what is not wanted any more when it has been looked up is not put back', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  lab.reconciler.doubt(newsOf(loseRoute(lab)));
  await lab.settled();
  const news = newsOf(loseRoute(lab));
  const { dumps } = lab.stats();
  lab.reconciler.doubt(news);
  while (lab.stats().dumps === dumps) await Promise.resolve();
  lab.reconciler.setPeer('3', []);
  await lab.settled();
  t.same(await lab.held(), allOf(2, 4));
  t.match(lab.reconciler.view, { repairs: 1 });
});

t.test('what is looked up and stands behind another program’s is read at once', async t => {
  const lab = await startWithPeers(t);
  await lab.advance(LATER_MS);
  const lost = loseRoute(lab);
  lab.reconciler.doubt(newsOf(lost));
  await lab.settled();
  const { routes } = lab.fake.state;
  const theirs = { ...routes.find(isRoute3)!, protocol: 4 };
  // As by `ip route prepend`.
  routes.unshift(theirs);
  lab.reconciler.doubt(newsOf(lost));
  await lab.settled();
  t.equal(lab.reconciler.view.conflicts.size, 1);
});

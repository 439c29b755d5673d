/** The reconciler on a fake kernel that speaks encoded bytes. */
import t from 'tap';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import { describe } from '../../../src/dataplane/kinds/index.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLink, encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { encodeNeighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { encodeNexthop } from '../../../src/dataplane/netlink/nexthop.js';
import { NotificationSocket } from '../../../src/dataplane/netlink/notifications.js';
import { encodeRoute } from '../../../src/dataplane/netlink/route.js';
import {
  macOf,
  OWN_ADDRESS,
  OWN_MAC,
  nexthopEntry,
  peerEntries,
  programmed,
  sorted,
  subnetOf,
  underlayRoute,
  vtepOf,
  vxlanLink,
} from '../../support/dataplane.js';
import {
  addressOn,
  arpOn,
  bytes,
  fdbOn,
  nexthopOn,
  plain,
  routeBy,
  routeOn,
} from '../../support/netlink-contract-entries.js';
import { startReconciling, type Reconciling } from '../../support/reconciling.js';
import {
  CREATE,
  allOf,
  deviceOf,
  putRoute,
  sentBy,
  setPeers,
  startWithPeers,
  warnings,
} from '../../support/programmed-peers.js';

t.test('first programming', async t => {
  const lab = startReconciling(t);
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  for (const n of [2, 3]) lab.reconciler.setPeer(`${n}`, peerEntries(n));
  await lab.settled();
  const link = deviceOf(lab);
  t.match(link, { kind: 'vxlan', mtu: 1450, vxlan: { id: 1, port: 8472, learning: false } });
  t.same(plain(link.linkAddress), [2, 0x53, 0, 0, 0, 0xff]);
  t.equal(link.flags & nl.IFF_UP, nl.IFF_UP);
  t.same(await lab.held(), allOf(2, 3));
  t.same(lab.reconciler.peerState('2'), { programmed: true, error: undefined });
  t.equal(lab.reconciler.view.settled, false, 'the peers are not complete yet');
  lab.reconciler.setPeersComplete();
  lab.reconciler.allowPruning();
  await lab.settled();
  t.match(lab.reconciler.view, { settled: true, repairs: 0, linkTrouble: undefined });
  t.same(warnings(lab), []);
});

t.test('one peer’s change sends that peer’s messages alone', async t => {
  const lab = await startWithPeers(t);
  const { reconciler } = lab;
  t.same(await sentBy(lab, () => reconciler.setPeer('5', peerEntries(5))), {
    requests: 1,
    dumps: 0,
    changes: 4,
  });
  t.same(await lab.held(), allOf(2, 3, 4, 5));
  t.same(await sentBy(lab, () => reconciler.setPeer('5', [])), { requests: 1, dumps: 0, changes: 4 });
  t.same(await lab.held(), allOf(2, 3, 4));
  t.same(await sentBy(lab, () => reconciler.setPeer('4', peerEntries(4))), {
    requests: 0,
    dumps: 0,
    changes: 0,
  });
  const many = (): void => setPeers(reconciler, 5, 6, 7, 8);
  t.same(await sentBy(lab, many), { requests: 1, dumps: 0, changes: 16 }, 'what comes at once goes at once');
  t.equal(reconciler.view.repairs, 0);
});

t.test('a full pass over a kernel that is right changes nothing', async t => {
  const lab = await startWithPeers(t);
  const sent = await sentBy(lab, () => lab.reconciler.doubtAfterChange('underlay'));
  t.match(sent, { requests: 2, changes: 0 }, 'one nexthop object and one neighbour are asked for');
  t.equal(lab.reconciler.view.repairs, 0);
});

t.test('the kernel is read again every minute', async t => {
  const lab = await startWithPeers(t);
  lab.fake.state.routes.pop();
  await lab.advance(59_000);
  t.not((await lab.held()).length, allOf(2, 3, 4).length);
  await lab.advance(2_000);
  t.same(await lab.held(), allOf(2, 3, 4));
  t.match(lab.reconciler.view, {
    repairs: 1,
    drift: 1,
    refusals: 0,
    lastRepairs: [{ at: 61_000, what: /^create route / }],
  });
  t.equal(lab.reconciler.view.lastFullCheckAt, 61_000);
});

t.test('not all hosts read their kernels at one time: a fifth of a minute sooner or later', async t => {
  for (const [random, seconds] of [
    [0, 48],
    [0.999, 72],
  ] as const) {
    const lab = await startWithPeers(t, random);
    const passes = lab.passes();
    await lab.advance((seconds - 1) * 1000);
    t.equal(lab.passes(), passes, `not after ${seconds - 1} s`);
    await lab.advance(1_000);
    t.equal(lab.passes(), passes + 1, `after ${seconds} s`);
  }
});

t.test('EEXIST: what is ours after all is adopted', async t => {
  const lab = await startWithPeers(t);
  // flanneld still runs and was first.
  const flannels = { ...routeOn(deviceOf(lab).index, '10.5.5.0', '10.5.5.0'), protocol: 3 };
  putRoute(lab, flannels);
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.settled();
  await lab.advance(500);
  t.same(await lab.held(), allOf(2, 3, 4, 5));
  t.equal(lab.reconciler.view.failures.size, 0);
});

t.test('EEXIST: what is as wanted is left as it is', async t => {
  const lab = await startWithPeers(t);
  const { id } = nexthopEntry(5);
  lab.fake.act(nl.RTM_NEWNEXTHOP, CREATE, writer =>
    encodeNexthop(writer, nexthopOn(deviceOf(lab).index, id, '10.5.5.0')),
  );
  putRoute(lab, routeBy(id, '10.5.5.0'));
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4, 5));
  t.equal(lab.reconciler.view.failures.size, 0);
  t.match(await sentBy(lab, () => undefined), { requests: 0 });
  await lab.advance(500);
  t.equal(lab.reconciler.peerState('5').programmed, true);
});

t.test('EEXIST: what is foreign is a conflict, told once, and stays', async t => {
  const lab = await startWithPeers(t);
  const foreign = { ...routeOn(lab.underlayIndex, '10.5.5.0', '192.168.77.9'), protocol: 4, flags: 0 };
  putRoute(lab, foreign);
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.settled();
  const text = 'route 10.5.5.0/24 via 192.168.77.9 dev up0 proto static';
  const told = (): string[] => warnings(lab).filter(line => line.startsWith(text));
  t.equal(told().length, 1);
  t.same(lab.reconciler.peerState('5'), { programmed: false, error: `in the way: ${text}` });
  const passes = lab.passes();
  for (let second = 0; second < 5; second++) await lab.advance(1_000);
  t.equal(lab.passes(), passes, 'and nothing is tried meanwhile');
  await lab.advance(60_000);
  t.equal(told().length, 1, 'a full pass tells it no second time');
  t.match(
    await lab.held(),
    [...allOf(2, 3, 4, 5)].map(entry =>
      entry.kind === 'route' && entry.destination.address === '10.5.5.0'
        ? { gateway: '192.168.77.9' }
        : entry,
    ),
  );
  lab.fake.act(nl.RTM_DELROUTE, 0, writer => encodeRoute(writer, foreign));
  lab.reconciler.doubt();
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4, 5), 'once it is gone ours is there');
  t.equal(lab.reconciler.view.conflicts.size, 0);
});

t.test('what the kernel noted itself for a next hop or a MAC is replaced', async t => {
  const lab = await startWithPeers(t);
  const { index } = deviceOf(lab);
  const failed = {
    ...arpOn(index, '10.5.5.0', bytes('2.2.2.2')),
    state: 0x20,
    linkAddress: Uint8Array.of(0, 0, 0, 0, 0, 0),
  };
  const learned = { ...fdbOn(index, Uint8Array.of(2, 0x53, 0, 0, 0, 5), '192.168.77.99'), state: 2 };
  for (const entry of [failed, learned])
    lab.fake.act(nl.RTM_NEWNEIGH, CREATE, writer => encodeNeighbour(writer, entry));
  t.same(await lab.held(), allOf(2, 3, 4), 'reading leaves both out');
  t.match(await sentBy(lab, () => lab.reconciler.setPeer('5', peerEntries(5))), { requests: 1, dumps: 0 });
  t.same(await lab.held(), allOf(2, 3, 4, 5));
});

t.test('a refused peer holds up no other, and is tried again ever more rarely', async t => {
  const lab = await startWithPeers(t);
  const unreachable = underlayRoute(subnetOf(5), '172.16.0.9');
  lab.reconciler.setPeer('5', [unreachable]);
  lab.reconciler.setPeer('6', peerEntries(6));
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4, 6));
  const error = 'route 10.5.5.0/24 via 172.16.0.9 dev up0: ENETUNREACH';
  t.same(lab.reconciler.peerState('5'), { programmed: false, error });
  t.same(warnings(lab), [error]);
  const tries: number[] = [];
  let changes = lab.stats().changes;
  for (let at = 100; at <= 20_000; at += 100) {
    await lab.advance(100);
    if (lab.stats().changes > changes) tries.push(at);
    changes = lab.stats().changes;
  }
  t.same(tries, [500, 1_500, 3_500, 7_500, 15_500]);
  t.same(warnings(lab), [error], 'told once');
  const passes = lab.passes();
  await lab.advance(10_000);
  t.equal(lab.passes(), passes, 'no pass before the next try');
  lab.fake.act(nl.RTM_NEWADDR, CREATE, writer =>
    encodeAddress(writer, addressOn(lab.underlayIndex, '172.16.0.1', 24)),
  );
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(2, 3, 4, 6), unreachable]));
  t.equal(lab.reconciler.view.failures.size, 0);
});

t.test('an unknown outcome leads to a full read', async t => {
  const lab = await startWithPeers(t);
  const before = lab.stats();
  lab.disturbance.losses = 1;
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.until(() => lab.stats().dumps > before.dumps);
  await lab.settled();
  t.equal(lab.reconciler.peerState('5').programmed, true, 'it had been carried out');
  t.equal(lab.stats().changes - before.changes, 4, 'and is not sent again');
  t.match(lab.reconciler.view, { linkTrouble: undefined, repairs: 0 });
  t.same(await lab.held(), allOf(2, 3, 4, 5));
  t.same(warnings(lab), []);
});

t.test('a kernel that does not answer is asked again after a while', async t => {
  const lab = await startWithPeers(t);
  lab.disturbance.losses = Infinity;
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.until(() => lab.reconciler.view.readTrouble !== undefined);
  t.match(lab.reconciler.view, { readTrouble: /ETIMEDOUT/, linkTrouble: undefined });
  lab.disturbance.losses = 0;
  t.match(lab.reconciler.peerState('5'), { programmed: false, error: /ETIMEDOUT/ });
  await lab.advance(500);
  t.same(lab.reconciler.peerState('5'), { programmed: true, error: undefined });
  t.equal(lab.reconciler.view.readTrouble, undefined);
});

t.test('what cannot be read is read ever more rarely, and told once', async t => {
  const lab = await startWithPeers(t);
  const told = lab.log.length;
  lab.disturbance.refused = nl.RTM_GETROUTE;
  lab.reconciler.doubt();
  await lab.settled();
  const error = 'list of route entries: EOPNOTSUPP';
  t.match(lab.reconciler.view, { readTrouble: error, linkTrouble: undefined });
  t.same(lab.reconciler.peerState('2'), { programmed: false, error });
  const tries: number[] = [];
  let { dumps } = lab.stats();
  for (let at = 500; at <= 100_000; at += 500) {
    // Whatever else happens on the host makes it no more frequent.
    if (at % 1_000 === 0) lab.reconciler.doubtAfterChange('underlay');
    await lab.advance(500);
    if (lab.stats().dumps > dumps) tries.push(at);
    dumps = lab.stats().dumps;
  }
  t.same(tries, [500, 1_500, 3_500, 7_500, 15_500, 31_500, 61_500, 91_500]);
  lab.disturbance.refused = undefined;
  await lab.advance(30_000);
  t.equal(lab.reconciler.view.readTrouble, undefined);
  t.equal(lab.reconciler.peerState('2').programmed, true);
  t.same(
    lab.log.slice(told).map(({ msg }) => msg),
    [`the kernel cannot be read: ${error}`, 'the kernel can be read again'],
  );
});

t.test('a device that is gone, changed or down is mended with the same MAC and all peers', async t => {
  const cases: Record<string, (lab: Reconciling, index: number) => void> = {
    deleted: ({ fake }, index) =>
      void fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index)),
    down: ({ fake }, index) =>
      void fake.act(nl.RTM_NEWLINK, 0, writer =>
        encodeLink(writer, { index, flags: { value: 0, mask: nl.IFF_UP } }),
      ),
    'given another MTU': ({ fake }, index) =>
      void fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, { index, mtu: 1300 })),
    'given another MAC': ({ fake }, index) =>
      void fake.act(nl.RTM_NEWLINK, 0, writer =>
        encodeLink(writer, { index, linkAddress: Uint8Array.of(2, 9, 9, 9, 9, 9) }),
      ),
  };
  for (const [what, disturb] of Object.entries(cases)) {
    const lab = await startWithPeers(t);
    disturb(lab, deviceOf(lab).index);
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
    t.same(await lab.held(), allOf(2, 3, 4), `${what}: all entries`);
    const link = deviceOf(lab);
    t.same(plain(link.linkAddress), [2, 0x53, 0, 0, 0, 0xff], `${what}: ${OWN_MAC}`);
    t.equal(link.mtu, 1450);
    t.equal(link.flags & nl.IFF_UP, nl.IFF_UP);
    t.ok(lab.reconciler.view.repairs > 0);
    t.match(await sentBy(lab, () => lab.reconciler.doubt()), { requests: 0 }, `${what}: and that is all`);
  }
});

t.test('nothing is pruned before that is allowed, all that is stale after', async t => {
  const lab = await startWithPeers(t);
  const { index } = deviceOf(lab);
  const next = startReconciling(t, lab.fake);
  const foreign = { ...routeOn(lab.underlayIndex, '10.5.9.0', '192.168.77.9'), protocol: 4, flags: 0 };
  putRoute(lab, foreign);
  putRoute(lab, { ...routeOn(index, '10.5.8.0', '10.5.8.0'), protocol: 3 });
  next.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  next.reconciler.setPeer('2', peerEntries(2));
  next.reconciler.setPeer('5', peerEntries(5));
  await next.settled();
  next.reconciler.setPeer('5', []);
  await next.advance(120_000);
  const kept = await next.held();
  t.same(
    kept.filter(entry => entry.kind !== 'route'),
    allOf(2, 3, 4, 5).filter(entry => entry.kind !== 'route'),
  );
  t.equal(kept.filter(entry => entry.kind === 'route').length, 6);
  next.reconciler.setPeersComplete();
  await next.advance(120_000);
  t.equal(next.reconciler.view.settled, true);
  t.same(await next.held(), kept, 'nor then, while the list may lack some');
  t.equal(next.reconciler.countHeldBack(), 13, 'four entries each of peers 3, 4 and 5, and a route');
  next.reconciler.allowPruning();
  await next.settled();
  const left = underlayRoute(subnetOf(9), '192.168.77.9', { protocol: 4 });
  t.same(await next.held(), programmed([...allOf(2), left]));
  t.equal(next.reconciler.view.repairs, 0, 'which are no repairs');
  t.equal(next.reconciler.countHeldBack(), 0);
});

t.test('a peer with another MAC leaves no FDB entry behind', async t => {
  const lab = await startWithPeers(t);
  lab.reconciler.setPeer('3', peerEntries(3, macOf(9)));
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(2, 4), ...peerEntries(3, macOf(9))]));
  lab.reconciler.setPeer('3', peerEntries(3, macOf(9), vtepOf(33)));
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(2, 4), ...peerEntries(3, macOf(9), vtepOf(33))]));
});

t.test('a peer’s route is replaced, never deleted and added', async t => {
  const lab = await startWithPeers(t);
  const heard: number[] = [];
  const socket = new NotificationSocket(
    { onMessage: ({ type }) => heard.push(type), onOverflow: () => undefined },
    { open: lab.fake.openSubscription },
  );
  t.teardown(() => socket.close());
  const routes = (): number[] =>
    heard.splice(0).filter(type => type === nl.RTM_NEWROUTE || type === nl.RTM_DELROUTE);
  lab.reconciler.setPeer('3', [underlayRoute(subnetOf(3), vtepOf(3))]);
  await lab.settled();
  t.same(routes(), [nl.RTM_NEWROUTE], 'from the overlay to the underlay');
  t.same(await lab.held(), programmed([...allOf(2, 4), underlayRoute(subnetOf(3), vtepOf(3))]));
  lab.reconciler.setPeer('3', peerEntries(3));
  await lab.settled();
  t.same(routes(), [nl.RTM_NEWROUTE], 'and back');
  putRoute(lab, { ...routeOn(deviceOf(lab).index, '10.5.4.0', '10.5.4.0'), protocol: 3 });
  await lab.settled();
  routes();
  lab.reconciler.doubt();
  await lab.settled();
  t.same(routes(), [nl.RTM_NEWROUTE], 'and where flanneld has put its own over it');
  t.same(await lab.held(), allOf(2, 3, 4));
});

t.test('removing what is gone is a success', async t => {
  const lab = await startWithPeers(t);
  lab.fake.state.routes.splice(0);
  lab.fake.state.neighbours.splice(0);
  t.match(await sentBy(lab, () => lab.reconciler.setPeer('2', [])), { requests: 1, dumps: 0, changes: 4 });
  t.same(warnings(lab), []);
  t.equal(lab.reconciler.view.failures.size, 0);
});

t.test('a removal that the kernel refuses is tried again, rarely', async t => {
  const lab = await startWithPeers(t);
  lab.disturbance.refused = nl.RTM_DELNEXTHOP;
  lab.reconciler.setPeer('2', []);
  await lab.settled();
  t.same(await lab.held(), sorted([...allOf(3, 4), nexthopEntry(2)]));
  const told = `remove ${describe(nexthopEntry(2))}: EOPNOTSUPP`;
  t.same(warnings(lab), [told]);
  const { changes } = lab.stats();
  for (let second = 0; second < 20; second++) await lab.advance(1_000);
  t.ok(lab.stats().changes - changes < 8, `${lab.stats().changes - changes} tries in 20 s`);
  t.same(warnings(lab), [told]);
  lab.disturbance.refused = undefined;
  await lab.advance(60_000);
  t.same(await lab.held(), allOf(3, 4));
  t.equal(lab.reconciler.view.failures.size, 0);
});

t.test('a refused removal is forgotten when the peer is back', async t => {
  const lab = await startWithPeers(t);
  lab.disturbance.refused = nl.RTM_DELNEXTHOP;
  lab.reconciler.setPeer('2', []);
  await lab.settled();
  lab.reconciler.setPeer('2', peerEntries(2));
  await lab.settled();
  t.same(lab.reconciler.peerState('2'), { programmed: true, error: undefined });
  t.equal(lab.reconciler.view.failures.size, 0);
  const passes = lab.passes();
  await lab.advance(10_000);
  t.equal(lab.passes(), passes);
});

t.test('what the host needs may change', async t => {
  const lab = await startWithPeers(t);
  lab.reconciler.setHost([vxlanLink({ mtu: 1400 })], [{ ...OWN_ADDRESS, prefix: subnetOf(7) }]);
  await lab.settled();
  t.equal(deviceOf(lab).mtu, 1400);
  t.same(
    (await lab.held()).filter(entry => entry.kind === 'address'),
    [{ ...OWN_ADDRESS, prefix: subnetOf(7) }],
  );
});

t.test('a restart with everything in place sends nothing', async t => {
  const lab = await startWithPeers(t);
  const next = startReconciling(t, lab.fake);
  next.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  for (const n of [2, 3, 4]) next.reconciler.setPeer(`${n}`, peerEntries(n));
  next.reconciler.setPeersComplete();
  next.reconciler.allowPruning();
  await next.settled();
  t.equal(next.stats().changes, 0);
});

t.test('peers that are handed over in the midst of the first pass are no repair', async t => {
  for (let turns = 0; turns < 90; turns++) {
    const lab = startReconciling(t);
    lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve));
    lab.reconciler.doubt();
    for (const n of [2, 3, 4]) lab.reconciler.setPeer(`${n}`, peerEntries(n));
    lab.reconciler.setPeersComplete();
    lab.reconciler.allowPruning();
    await lab.settled();
    t.equal(lab.reconciler.view.repairs, 0, `after ${turns} turns`);
    t.same(await lab.held(), allOf(2, 3, 4));
  }
});

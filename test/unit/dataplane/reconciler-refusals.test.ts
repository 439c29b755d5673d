/** The reconciler where the kernel refuses, or somebody else's entry is in the way: what stays, goes, counts and is listed. */
import t from 'tap';
import { describe, keyOf } from '../../../src/dataplane/kinds/index.js';
import type { Entry } from '../../../src/dataplane/model.js';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { NotificationSocket } from '../../../src/dataplane/netlink/notifications.js';
import { encodeRoute } from '../../../src/dataplane/netlink/route.js';
import {
  macOf,
  OWN_ADDRESS,
  peerEntries,
  programmed,
  subnetOf,
  underlayRoute,
  vtepOf,
  vxlanLink,
} from '../../support/dataplane.js';
import { keeperOn } from '../../support/entry-keeper.js';
import { addressOn, routeOn } from '../../support/netlink-contract-entries.js';
import { CREATE, allOf, putRoute, sentBy, startWithPeers } from '../../support/programmed-peers.js';

t.test('while what replaces it is refused, what a live peer had stays', async t => {
  const lab = await startWithPeers(t);
  const direct = underlayRoute(subnetOf(2), '172.16.0.9');
  lab.reconciler.setPeer('2', [direct]);
  await lab.settled();
  t.match(lab.reconciler.peerState('2'), { programmed: false, error: /ENETUNREACH/ });
  t.same(await lab.held(), allOf(2, 3, 4), 'from the overlay to the underlay');
  await lab.advance(120_000);
  t.same(await lab.held(), allOf(2, 3, 4), 'and full passes take nothing away');
  lab.fake.act(nl.RTM_NEWADDR, CREATE, writer =>
    encodeAddress(writer, addressOn(lab.underlayIndex, '172.16.0.1', 24)),
  );
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(3, 4), direct]), 'once it is there the old goes');

  lab.disturbance.refused = nl.RTM_NEWNEIGH;
  lab.reconciler.setPeer('3', peerEntries(3, macOf(9)));
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(3, 4), direct]), 'another MAC');
  lab.disturbance.refused = undefined;
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(4), ...peerEntries(3, macOf(9)), direct]));
  t.match(lab.reconciler.view, { repairs: 0, drift: 0 }, 'all of which are no repairs');
  t.ok(lab.reconciler.view.refusals >= 2, 'though two entries were refused');
});

t.test('a conflict holds back what a live peer had', async t => {
  const lab = await startWithPeers(t);
  const foreign = { ...routeOn(lab.underlayIndex, '10.5.2.0', '192.168.77.9'), protocol: 4, flags: 0 };
  putRoute(lab, foreign);
  lab.reconciler.doubt();
  await lab.settled();
  lab.reconciler.setPeer('2', peerEntries(2, macOf(9)));
  await lab.settled();
  t.equal(lab.reconciler.view.conflicts.size, 1);
  t.ok((await lab.held()).some(entry => entry.kind === 'fdb' && entry.mac === macOf(2)));
  lab.fake.act(nl.RTM_DELROUTE, 0, writer => encodeRoute(writer, foreign));
  lab.reconciler.doubt();
  await lab.settled();
  lab.reconciler.doubt();
  await lab.settled();
  t.same(await lab.held(), programmed([...allOf(3, 4), ...peerEntries(2, macOf(9))]));
});

t.test('a peer that is gone altogether holds nothing back', async t => {
  const lab = await startWithPeers(t);
  lab.reconciler.setPeer('2', [underlayRoute(subnetOf(2), '172.16.0.9')]);
  await lab.settled();
  lab.reconciler.setPeer('2', []);
  lab.reconciler.doubt();
  // The route has just been refused, and has its pause.
  await lab.advance(500);
  t.same(await lab.held(), allOf(3, 4));
  t.equal(lab.reconciler.view.failures.size, 0);
});

t.test('what is wanted again while other changes are under way is not removed', async t => {
  const lab = await startWithPeers(t);
  let removals = 0;
  const socket = new NotificationSocket(
    { onMessage: ({ type }) => type === nl.RTM_DELNEIGH && removals++, onOverflow: () => undefined },
    { open: lab.fake.openSubscription },
  );
  t.teardown(() => socket.close());
  const { requests } = lab.stats();
  lab.reconciler.setPeer('3', peerEntries(3, macOf(9)));
  // Until what is new for peer 3 is sent; the answer comes with the next turn of the event loop.
  while (lab.stats().requests === requests) await Promise.resolve();
  lab.reconciler.setPeer('3', peerEntries(3));
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4));
  t.equal(removals, 1, 'only the FDB entry of the other MAC');
});

t.test('the host’s last address stays while the next one is refused', async t => {
  const lab = await startWithPeers(t);
  lab.disturbance.refused = nl.RTM_NEWADDR;
  const next = { ...OWN_ADDRESS, prefix: subnetOf(7) };
  lab.reconciler.setHost([vxlanLink()], [next]);
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4));
  lab.disturbance.refused = undefined;
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.same(await lab.held(), programmed([next, ...[2, 3, 4].flatMap(n => peerEntries(n))]));
});

t.test('a conflict or a failure whose entry and peer are both gone is listed no longer', async t => {
  const lab = await startWithPeers(t);
  putRoute(lab, { ...routeOn(lab.underlayIndex, '10.5.5.0', '192.168.77.9'), protocol: 4, flags: 0 });
  lab.reconciler.setPeer('5', peerEntries(5));
  lab.reconciler.setPeer('6', [underlayRoute(subnetOf(6), '172.16.0.9')]);
  lab.disturbance.refused = nl.RTM_DELNEXTHOP;
  lab.reconciler.setPeer('2', []);
  await lab.settled();
  const listed = (): number[] => [lab.reconciler.view.conflicts.size, lab.reconciler.view.failures.size];
  t.same(listed(), [1, 2]);
  lab.fake.state.routes.splice(0);
  lab.fake.state.nexthops.splice(0);
  for (const n of [5, 6]) lab.reconciler.setPeer(`${n}`, []);
  lab.reconciler.doubt();
  await lab.settled();
  t.same(listed(), [0, 0]);
});

t.test('of a burst the first few are told in full, then how many more', async t => {
  const lab = await startWithPeers(t);
  const said = (level: number): string[] =>
    lab.log.filter(line => line.level === level).map(({ msg }) => msg);
  const routes = Array.from({ length: 13 }, (_, index) => underlayRoute(subnetOf(index + 10), '172.16.0.9'));
  const words = routes.map(describe);
  routes.forEach((route, index) => lab.reconciler.setPeer(`${index + 10}`, [route]));
  await lab.settled();
  t.same(said(40), [
    ...words.slice(0, 10).map(text => `${text}: ENETUNREACH`),
    'refused by the kernel: 3 entries more',
  ]);
  t.equal(lab.reconciler.view.failures.size, 13);
  lab.fake.act(nl.RTM_NEWADDR, CREATE, writer =>
    encodeAddress(writer, addressOn(lab.underlayIndex, '172.16.0.1', 24)),
  );
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.same(said(30).slice(-11), [
    ...words.slice(0, 10).map(text => `${text}: accepted by the kernel at last`),
    'accepted by the kernel at last: 3 entries more',
  ]);
});

t.test('what a full pass cannot repair is not counted', async t => {
  const lab = await startWithPeers(t);
  lab.disturbance.refused = nl.RTM_NEWROUTE;
  lab.fake.state.routes.splice(0);
  lab.fake.state.neighbours.splice(0, 1);
  lab.reconciler.doubt();
  await lab.settled();
  t.equal(lab.reconciler.view.repairs, 1);
  t.same(
    lab.log.map(({ msg }) => msg).filter(msg => msg.startsWith('repaired')),
    ['repaired 1 kernel entry'],
  );
});

t.test('several routes of one key: a foreign one makes it a conflict', async t => {
  for (const place of ['first', 'last']) {
    const lab = await startWithPeers(t);
    const foreign = { ...routeOn(lab.underlayIndex, '10.5.3.0', '192.168.77.9'), protocol: 4, flags: 0 };
    const { routes } = lab.fake.state;
    const read = { ...routes[0]!, ...foreign };
    if (place === 'first') routes.unshift(read);
    else routes.push(read);
    t.match(await sentBy(lab, () => lab.reconciler.doubt()), { changes: 0 }, `${place}: nothing is sent`);
    t.equal(lab.reconciler.view.conflicts.size, 1);
    const direct = [underlayRoute(subnetOf(3), vtepOf(3))];
    t.match(
      await sentBy(lab, () => lab.reconciler.setPeer('3', direct)),
      { changes: 0 },
      `${place}: nor now`,
    );
    routes.splice(routes.indexOf(read), 1);
    lab.reconciler.doubt();
    await lab.settled();
    lab.reconciler.doubt();
    await lab.settled();
    t.same(await lab.held(), programmed([...allOf(2, 4), ...direct]));
  }
});

t.test('a refusal that is known already is no reason to read', async t => {
  const lab = await startWithPeers(t);
  lab.reconciler.setPeer('2', [underlayRoute(subnetOf(2), '172.16.0.9')]);
  await lab.settled();
  t.match(lab.reconciler.peerState('2'), { error: /ENETUNREACH/ });
  for (const pause of [500, 1_000, 2_000]) {
    const sent = await sentBy(lab, () => void lab.advance(pause));
    t.match(sent, { changes: 1, dumps: 0 }, `tried again after ${pause} ms`);
  }
});

t.test('a removal that has to wait is not due at a moment of its own', async t => {
  const { keeper } = keeperOn(() => Promise.resolve(new Map()));
  const held: Entry = peerEntries(2)[0];
  keeper.failures.add(keyOf(held), 'EBUSY', 0);
  keeper.desired.set('2', [held]);
  t.same(await keeper.apply([{ kind: 'remove', held }]), []);
  t.equal(keeper.failures.nextRetry, undefined);
});

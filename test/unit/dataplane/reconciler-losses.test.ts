/** The reconciler and what goes with a device, its MAC or address: it is put back without a reading of all entries. */
import t from 'tap';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import { encodeLink, encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { encodeNexthop, encodeNexthopSelector } from '../../../src/dataplane/netlink/nexthop.js';
import { encodeNeighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { nexthopIdOf } from '../../../src/dataplane/nexthop-id.js';
import { NEXTHOPS_PAY } from '../../../src/dataplane/lowering.js';
import { OWN_ADDRESS, peerEntries, subnetOf, vxlanLink } from '../../support/dataplane.js';
import { addressOn, arpOn, nexthopOn, routeOn } from '../../support/netlink-contract-entries.js';
import {
  allOf,
  CREATE,
  deviceOf,
  putRoute,
  sentBy,
  setPeers,
  startWithPeers,
  warnings,
} from '../../support/programmed-peers.js';
import { startReconciling, type Reconciling } from '../../support/reconciling.js';

const OWN = '10.5.1.0';
const STRANGER = Uint8Array.of(2, 9, 9, 9, 9, 9);

const changeAddress = (lab: Reconciling, type: number, flags: number, address: string): void => {
  const { index } = deviceOf(lab);
  const errno = lab.fake.act(type, flags, writer => encodeAddress(writer, addressOn(index, address, 32)));
  if (errno !== 0) throw new Error(`the fake kernel refuses it: ${errno}`);
};
const rewriteMac = (lab: Reconciling, linkAddress: Uint8Array = STRANGER): void => {
  const { index } = deviceOf(lab);
  lab.fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, { index, linkAddress }));
};
const writeMacAgain = (lab: Reconciling): void => rewriteMac(lab, deviceOf(lab).linkAddress);

const setUp = (lab: Reconciling, isUp: boolean): void => {
  const { index } = deviceOf(lab);
  const flags = { value: isUp ? nl.IFF_UP : 0, mask: nl.IFF_UP };
  lab.fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, { index, flags }));
};
const deleteDevice = (lab: Reconciling): void => {
  const { index } = deviceOf(lab);
  lab.fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index));
};

t.test('with routes that cannot be read', async t => {
  const downs = { address: 0, fdb: 0, neighbour: 3, nexthop: 3, route: 3 };
  const cases = {
    'set down': {
      damage: (lab: Reconciling) => setUp(lab, false),
      gone: 9,
      repairs: { device: 1, ...downs },
    },
    'set down, and up before we looked': {
      damage: (lab: Reconciling) => {
        setUp(lab, false);
        setUp(lab, true);
      },
      gone: 9,
      repairs: { device: 0, ...downs },
    },
    deleted: {
      damage: deleteDevice,
      gone: 13,
      repairs: { device: 1, address: 1, fdb: 3, neighbour: 3, nexthop: 3, route: 3 },
    },
    MAC: { damage: rewriteMac, gone: 3, repairs: { device: 1, address: 0, neighbour: 3 } },
    'its own MAC again': { damage: writeMacAgain, gone: 3, repairs: { device: 0, address: 0, neighbour: 3 } },
    address: {
      damage: (lab: Reconciling) => changeAddress(lab, nl.RTM_DELADDR, 0, OWN),
      gone: 4,
      repairs: { device: 0, address: 1, neighbour: 3 },
    },
  };
  for (const [what, { damage, gone, repairs }] of Object.entries(cases)) {
    const lab = await startWithPeers(t);
    damage(lab);
    t.equal((await lab.held()).length, allOf(2, 3, 4).length - gone, `${what}: what goes with it`);
    lab.disturbance.refused = nl.RTM_GETROUTE;
    // The weightier stands for both, and for lost notifications.
    lab.reconciler.doubtAfterChange(what === 'set down' ? 'underlay' : 'overlay');
    await lab.settled();
    t.ok(lab.reconciler.view.readTrouble, 'not everything was read');
    t.same(await lab.held(), allOf(2, 3, 4), 'and all is back');
    t.match(lab.reconciler.view.repairsByKind, repairs, 'each counted');
    lab.disturbance.refused = undefined;
    const { changes } = await sentBy(lab, () => void lab.advance(500));
    t.equal(lab.reconciler.view.readTrouble, undefined);
    t.equal(changes, 0, 'once it can be read nothing is amiss');
    t.match(lab.reconciler.view, { drift: lab.reconciler.view.repairs - repairs.device, refusals: 0 });
  }
});

t.test('an address that was not the last takes no neighbours along, and none are written', async t => {
  const lab = await startWithPeers(t);
  changeAddress(lab, nl.RTM_NEWADDR, CREATE, '10.9.1.0');
  changeAddress(lab, nl.RTM_DELADDR, 0, OWN);
  t.match(await sentBy(lab, () => lab.reconciler.doubtAfterChange('overlay')), { changes: 1 });
  t.match(lab.reconciler.view.repairsByKind, { address: 1, neighbour: 0 });
});

t.test('peers that come and go at the same time are no repair', async t => {
  const lab = await startWithPeers(t);
  rewriteMac(lab);
  lab.reconciler.setPeer('4', []);
  lab.reconciler.setPeer('5', peerEntries(5));
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 5));
  t.match(
    lab.reconciler.view.repairsByKind,
    { device: 1, neighbour: 3 },
    'who came was there when the MAC was put back',
  );
});

t.test(
  'what others have put there meanwhile stays theirs, and is told by the reading that follows',
  async t => {
    const lab = await startWithPeers(t);
    setUp(lab, false);
    setUp(lab, true);
    const { index } = deviceOf(lab);
    const theirs = nexthopOn(lab.underlayIndex, nexthopIdOf(subnetOf(3))!, '192.168.77.9');
    lab.fake.act(nl.RTM_NEWNEXTHOP, CREATE, writer => encodeNexthop(writer, { ...theirs, protocol: 4 }));
    putRoute(lab, { ...routeOn(lab.underlayIndex, '10.5.4.0', '192.168.77.9'), protocol: 4 });
    lab.disturbance.refused = nl.RTM_GETROUTE;
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
    const routes = () =>
      lab.fake.state.routes.map(({ destination, outInterface, nexthopId }) => [
        [...destination].join('.'),
        outInterface,
        nexthopId,
      ]);
    t.same(
      routes(),
      [
        ['10.5.4.0', lab.underlayIndex, undefined],
        ['10.5.2.0', index, nexthopIdOf(subnetOf(2))],
      ],
      'none leads by way of the stranger’s object',
    );
    t.match(lab.reconciler.view, { repairsByKind: { nexthop: 2, route: 1 }, refusals: 0 });
    t.same(
      warnings(lab).filter(msg => msg.includes('EEXIST')),
      [],
    );
    lab.disturbance.refused = undefined;
    await lab.advance(500);
    t.match(routes()[2], ['10.5.3.0', index, undefined], 'a classic one does');
    t.same([...lab.reconciler.view.conflicts.keys()].length, 1);
  },
);

t.test(
  'a nexthop object that somebody deleted while the underlay changed is no device that was down',
  async t => {
    const lab = await startWithPeers(t);
    lab.fake.act(nl.RTM_DELNEXTHOP, 0, writer => encodeNexthopSelector(writer, nexthopIdOf(subnetOf(2))!));
    lab.reconciler.doubtAfterChange('underlay');
    await lab.settled();
    t.same(await lab.held(), allOf(2, 3, 4));
    t.match(lab.reconciler.view, {
      repairsByKind: { neighbour: 0, nexthop: 1, route: 1 },
      drift: 2,
      refusals: 0,
    });
  },
);

t.test('a neighbour that somebody deleted while the device changed is no MAC that was written', async t => {
  const lab = await startWithPeers(t);
  const { index } = deviceOf(lab);
  lab.fake.act(nl.RTM_DELNEIGH, 0, writer => encodeNeighbour(writer, arpOn(index, '10.5.2.0', STRANGER)));
  t.match(await sentBy(lab, () => lab.reconciler.doubtAfterChange('overlay')), { changes: 1 });
  t.match(lab.reconciler.view, { repairsByKind: { neighbour: 1 }, drift: 1, refusals: 0 });
});

t.test('a neighbour that is there and no more permanent is gone', async t => {
  const lab = await startWithPeers(t);
  writeMacAgain(lab);
  const { index } = deviceOf(lab);
  const resolved = { ...arpOn(index, '10.5.2.0', STRANGER), state: 0x02 };
  lab.fake.act(nl.RTM_NEWNEIGH, CREATE, writer => encodeNeighbour(writer, resolved));
  lab.disturbance.refused = nl.RTM_GETROUTE;
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4));
});

t.test('a MAC that is written again and again is a contest', async t => {
  const lab = await startWithPeers(t);
  const { changes } = lab.stats();
  for (let round = 0; round < 8; round++) {
    writeMacAgain(lab);
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
  }
  t.equal(lab.stats().changes - changes, 18, 'six repairs of three neighbours, and then a pause');
  t.match(lab.reconciler.view.contests, { length: 3 });
});

t.test(
  'a device that goes while its neighbour is asked for is made anew as soon as that is heard',
  async t => {
    const lab = startReconciling(t, undefined, NEXTHOPS_PAY);
    lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
    setPeers(lab.reconciler, 2, 3, 4);
    lab.reconciler.setPeersComplete();
    await lab.settled();
    const before = await lab.held();
    const { dumps } = lab.stats();
    lab.reconciler.doubtAfterChange('overlay');
    // Devices have been read, and the addresses are.
    while (lab.stats().dumps < dumps + 2) await new Promise(resolve => setImmediate(resolve));
    deleteDevice(lab);
    await lab.settled();
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
    t.equal(lab.reconciler.view.readTrouble, undefined);
    t.same(await lab.held(), before);
  },
);

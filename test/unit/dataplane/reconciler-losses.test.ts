/** The reconciler and what goes with a device's MAC or address: it is put back without a reading of all entries. */
import t from 'tap';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import { encodeLink, encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { peerEntries } from '../../support/dataplane.js';
import { addressOn } from '../../support/netlink-contract-entries.js';
import { allOf, CREATE, deviceOf, sentBy, startWithPeers } from '../../support/programmed-peers.js';
import type { Reconciling } from '../../support/reconciling.js';

const OWN = '10.5.1.0';
const STRANGER = Uint8Array.of(2, 9, 9, 9, 9, 9);

const changeAddress = (lab: Reconciling, type: number, flags: number, address: string): void => {
  const { index } = deviceOf(lab);
  const errno = lab.fake.act(type, flags, writer => encodeAddress(writer, addressOn(index, address, 32)));
  if (errno !== 0) throw new Error(`the fake kernel refuses it: ${errno}`);
};
const rewriteMac = (lab: Reconciling): void => {
  const { index } = deviceOf(lab);
  lab.fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, { index, linkAddress: STRANGER }));
};

t.test('with routes that cannot be read', async t => {
  const cases = {
    MAC: { damage: rewriteMac, gone: 3, repairs: { device: 1, address: 0, neighbour: 3 } },
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
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
    t.ok(lab.reconciler.view.readTrouble, 'not everything was read');
    t.same(await lab.held(), allOf(2, 3, 4), 'and all is back');
    t.match(lab.reconciler.view.repairsByKind, repairs, 'each counted');
    lab.disturbance.refused = undefined;
    t.match(
      await sentBy(lab, () => lab.reconciler.doubtAfterChange('overlay')),
      { changes: 0 },
      'once it can be read nothing is amiss',
    );
  }
});

t.test('an address that was not the last takes no neighbours along, and none are written', async t => {
  const lab = await startWithPeers(t);
  changeAddress(lab, nl.RTM_NEWADDR, CREATE, '10.9.1.0');
  changeAddress(lab, nl.RTM_DELADDR, 0, OWN);
  t.match(await sentBy(lab, () => lab.reconciler.doubtAfterChange('overlay')), { changes: 1 });
  t.match(lab.reconciler.view.repairsByKind, { address: 1, neighbour: 0 });
});

t.test('with routes that cannot be read at first', async t => {
  const down = (index: number) => ({ index, flags: { value: 0, mask: nl.IFF_UP } });
  const cases = {
    'a device that was set down: its neighbours first, then what is found missing': {
      damage: ({ fake }: Reconciling, index: number) =>
        fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, down(index))),
      first: { device: 1, neighbour: 3, nexthop: 0, route: 0 },
      then: { device: 1, neighbour: 3, nexthop: 3, route: 3 },
    },
    'of a device that was deleted nothing is known: all is found missing, and written once': {
      damage: ({ fake }: Reconciling, index: number) =>
        fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index)),
      first: { device: 1, address: 0, neighbour: 0 },
      then: { device: 1, address: 1, neighbour: 3, fdb: 3 },
    },
  };
  for (const [what, { damage, first, then }] of Object.entries(cases)) {
    const lab = await startWithPeers(t);
    damage(lab, deviceOf(lab).index);
    lab.disturbance.refused = nl.RTM_GETROUTE;
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
    t.match(lab.reconciler.view.repairsByKind, first, what);
    lab.disturbance.refused = undefined;
    await lab.advance(500);
    t.same(await lab.held(), allOf(2, 3, 4));
    t.match(lab.reconciler.view.repairsByKind, then, what);
  }
});

t.test('peers that come and go at the same time are no repair', async t => {
  const lab = await startWithPeers(t);
  rewriteMac(lab);
  lab.reconciler.setPeer('4', []);
  lab.reconciler.setPeer('5', peerEntries(5));
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 5));
  t.match(lab.reconciler.view.repairsByKind, { device: 1, neighbour: 2 });
});

/** The reconciler and a program that undoes it while devices change as well: what a device has not taken is fought over. */
import t from 'tap';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { addressOn } from '../../support/netlink-contract-entries.js';
import { allOf, CREATE, deviceOf, sentBy, startWithPeers, warnings } from '../../support/programmed-peers.js';
import type { Reconciling } from '../../support/reconciling.js';

/** More than are put right at once. */
const ROUNDS = 12;
const AT_ONCE = 6;
const OWN = '10.5.1.0';

function changeAddress(lab: Reconciling, type: number, address: string): void {
  const { index } = deviceOf(lab);
  lab.fake.act(type, CREATE, writer => encodeAddress(writer, addressOn(index, address, 32)));
}

/** @returns the changes of all rounds */
async function fight(lab: Reconciling, of: 'overlay' | 'underlay', damage: () => void): Promise<number> {
  const { changes } = lab.stats();
  for (let round = 0; round < ROUNDS; round++) {
    damage();
    await sentBy(lab, () => lab.reconciler.doubtAfterChange(of));
  }
  return lab.stats().changes - changes;
}

t.test('our address, which takes the neighbours along', async t => {
  const lab = await startWithPeers(t);
  const changes = await fight(lab, 'overlay', () => changeAddress(lab, nl.RTM_DELADDR, OWN));
  t.match(lab.reconciler.view.contests, [{ what: /^address 10\.5\.1\.0\/32/, repairs: AT_ONCE }]);
  t.equal(changes, AT_ONCE + (AT_ONCE + 1) * 3, 'the neighbours with each loss of it, and no more often');
  t.same(
    await lab.held(),
    allOf(2, 3, 4).filter(({ kind }) => kind !== 'address'),
  );
  t.match(lab.reconciler.hostState(), { error: 'another program keeps undoing it' });
  await lab.advance(1_000);
  t.same(await lab.held(), allOf(2, 3, 4), 'after a pause');
  t.match(warnings(lab), [/another program keeps undoing address/]);
});

t.test('an address of our network that another program adds', async t => {
  const lab = await startWithPeers(t);
  const changes = await fight(lab, 'overlay', () => changeAddress(lab, nl.RTM_NEWADDR, '10.5.99.1'));
  t.match(lab.reconciler.view.contests, [{ what: /^address 10\.5\.99\.1\/32/ }]);
  t.equal(changes, AT_ONCE);
});

t.test('a route that goes whenever the underlay has news', async t => {
  const lab = await startWithPeers(t);
  const { routes } = lab.fake.state;
  const isLost = ({ destination }: { destination: Uint8Array }) => [...destination].join('.') === '10.5.3.0';
  const changes = await fight(lab, 'underlay', () => {
    const place = routes.findIndex(isLost);
    if (place >= 0) routes.splice(place, 1);
  });
  t.match(lab.reconciler.view.contests, [{ what: /^route 10\.5\.3\.0\/24/ }]);
  t.equal(changes, AT_ONCE);
});

/** The reconciler and what the kernel refuses of a device that works without. */
import t, { type Test } from 'tap';
import { macToBytes } from '../../../src/address/mac.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLink, encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';

import { DEVICE, OWN_ADDRESS, OWN_MAC, peerEntries, UNDERLAY, vxlanLink } from '../../support/dataplane.js';
import { allOf, deviceOf, startWithPeers, warnings } from '../../support/programmed-peers.js';
import type { Reconciling } from '../../support/reconciling.js';

const FLAW = {
  device: DEVICE,
  error: 'mtu 1450: EINVAL (up0 has mtu 1400)',
  code: 'EINVAL',
  isBlocking: false,
};

function setUnderlayMtu({ fake, reconciler }: Reconciling, mtu: number): void {
  const { links } = fake.state;
  const at = links.findIndex(({ name }) => name === UNDERLAY);
  links[at] = { ...links[at]!, mtu };
  reconciler.doubtAfterChange('underlay');
}

/** Another process changes our device. */
function change({ fake, reconciler }: Reconciling, request: Parameters<typeof encodeLink>[1]): void {
  const { index } = fake.state.links.find(({ name }) => name === DEVICE)!;
  fake.act(nl.RTM_NEWLINK, 0, writer => encodeLink(writer, { index, ...request }));
  reconciler.doubtAfterChange('overlay');
}

/** The underlay is too small, and somebody has made our device smaller still. */
async function startFlawed(t: Test): Promise<Reconciling> {
  const lab = await startWithPeers(t);
  setUnderlayMtu(lab, 1400);
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined, 'what the device had it keeps');
  change(lab, { mtu: 1300 });
  await lab.settled();
  t.same(lab.reconciler.view.linkTrouble, FLAW);
  return lab;
}

t.test('a refused MTU holds up neither a new peer nor a repair', async t => {
  const lab = await startFlawed(t);
  lab.reconciler.setPeer('5', peerEntries(5));
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4, 5));
  lab.fake.state.routes.splice(0);
  lab.reconciler.doubt();
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4, 5));
  t.match(lab.reconciler.peerState('5'), { programmed: true, error: undefined });
  t.match(lab.reconciler.hostState(), { programmed: true, error: undefined });
});

t.test(
  'it is tried ever more rarely, told once, and again at once when the underlay has changed',
  async t => {
    const lab = await startFlawed(t);
    const tries: number[] = [];
    let { changes } = lab.stats();
    for (let at = 100; at <= 10_000; at += 100) {
      // Without news for a while: then it is the clock that leads to a try.
      if (at > 4_000) lab.reconciler.doubtAfterChange('overlay');
      await lab.advance(100);
      if (lab.stats().changes > changes) tries.push(at);
      changes = lab.stats().changes;
    }
    t.same(tries, [500, 1_500, 3_500, 7_500]);
    t.same(warnings(lab), [`device ${DEVICE}: ${FLAW.error}`]);
    setUnderlayMtu(lab, 1500);
    await lab.settled();
    t.equal(deviceOf(lab).mtu, 1450);
    t.equal(lab.reconciler.view.linkTrouble, undefined);
    const said = lab.log.map(({ msg }) => msg).slice(-2);
    t.same(said, [`device ${DEVICE} changed: mtu 1450`, `device ${DEVICE} is as it should be again`]);
    const passes = lab.passes();
    await lab.advance(30_000);
    t.equal(lab.passes(), passes, 'and nothing is due because of it any more');
  },
);

t.test('one refused attribute takes no other along', async t => {
  const lab = await startFlawed(t);
  const flags = { value: 0, mask: nl.IFF_UP };
  change(lab, { linkAddress: macToBytes('02:53:00:00:00:77'), flags, vxlan: { learning: true } });
  lab.fake.state.links.splice(lab.fake.state.links.indexOf(deviceOf(lab)), 1, {
    ...deviceOf(lab),
    vxlan: { ...deviceOf(lab).vxlan, learning: true },
  });
  // With the MTU, because the wish is another one.
  lab.reconciler.setHost([vxlanLink({ mtu: 1440 })], [OWN_ADDRESS]);
  await lab.settled();
  const { mtu, linkAddress, flags: after } = deviceOf(lab);
  t.equal(mtu, 1300);
  t.same([...(linkAddress ?? [])], [...macToBytes(OWN_MAC)]);
  t.ok(after & nl.IFF_UP);
  t.same(await lab.held(), allOf(2, 3, 4));
  t.match(lab.reconciler.view.linkTrouble, { error: /^mtu 1440: EINVAL/, isBlocking: false });
  t.notOk(
    lab.log.some(({ msg }) => msg.endsWith('again')),
    'which is not said to be well',
  );
});

t.test('a device that comes anew has the flaw that the one before had', async t => {
  const lab = await startFlawed(t);
  lab.fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, DEVICE));
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.same(await lab.held(), allOf(2, 3, 4));
  t.equal(deviceOf(lab).mtu, 1350, 'as large as it may be');
  t.same(lab.reconciler.view.linkTrouble, FLAW);
  await lab.advance(500);
  t.same(warnings(lab), [`device ${DEVICE}: ${FLAW.error}`], 'told once');
  t.notOk(lab.log.some(({ msg }) => msg.endsWith('again')));
});

t.test('what is wanted no more is no flaw', async t => {
  const lab = await startFlawed(t);
  lab.reconciler.setHost([vxlanLink({ mtu: 1300 })], [OWN_ADDRESS]);
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined);
  setUnderlayMtu(lab, 1500);
  change(lab, { mtu: 1200 });
  await lab.settled();
  t.equal(deviceOf(lab).mtu, 1300);
});

t.test('a device that cannot be set up keeps everything waiting', async t => {
  const lab = await startWithPeers(t);
  change(lab, { mtu: 1300, flags: { value: 0, mask: nl.IFF_UP } });
  lab.disturbance.refused = nl.RTM_NEWLINK;
  await lab.settled();
  t.match(lab.reconciler.view.linkTrouble, { code: 'EOPNOTSUPP', isBlocking: true });
  t.match(lab.reconciler.peerState('2'), { programmed: false, error: /EOPNOTSUPP/ });
  lab.disturbance.refused = undefined;
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined);
  t.same(await lab.held(), allOf(2, 3, 4));
});

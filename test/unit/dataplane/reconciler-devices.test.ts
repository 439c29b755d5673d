/** The reconciler and a device that cannot be made: when it is tried again. */
import t from 'tap';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { DEVICE, OWN_ADDRESS, peerEntries, vxlanLink } from '../../support/dataplane.js';
import { allOf, warnings } from '../../support/programmed-peers.js';
import { startReconciling } from '../../support/reconciling.js';

t.test('a refused device is tried ever more rarely, whatever the tries announce', async t => {
  const lab = startReconciling(t);
  lab.disturbance.refused = nl.RTM_NEWLINK;
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  lab.reconciler.setPeersComplete();
  await lab.settled();
  const tries: number[] = [];
  let { changes } = lab.stats();
  for (let at = 100; at <= 10_000; at += 100) {
    lab.reconciler.doubtAfterChange('overlay');
    await lab.advance(100);
    if (lab.stats().changes > changes) tries.push(at);
    changes = lab.stats().changes;
  }
  t.same(tries, [500, 1_500, 3_500, 7_500]);
  lab.disturbance.refused = undefined;
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined, 'and at once when the underlay has changed');
});

t.test('a name that another device had is taken as soon as it is free', async t => {
  const lab = startReconciling(t);
  const index = lab.fake.addLink({ name: DEVICE });
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  await lab.settled();
  t.match(lab.reconciler.view.linkTrouble, { code: 'refused' });
  lab.fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index));
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined);
});

t.test('a VNI that another device had is taken as soon as it is free', async t => {
  const lab = startReconciling(t);
  const index = lab.fake.addLink({ name: 'twin', kind: 'vxlan', vxlan: { id: 1, port: 8472 } });
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  lab.reconciler.setPeersComplete();
  for (let i = 0; i < 10; i++) await lab.advance(1_000);
  t.match(lab.reconciler.view.linkTrouble, { code: 'EEXIST', isBlocking: true });
  lab.fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index));
  lab.reconciler.doubtAfterChange('overlay');
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined);
});

t.test('a device without its underlay waits for it', async t => {
  const lab = startReconciling(t);
  const [underlay] = lab.fake.state.links.splice(0);
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  lab.reconciler.setPeer('2', peerEntries(2));
  lab.reconciler.setPeersComplete();
  lab.reconciler.allowPruning();
  await lab.settled();
  const trouble = {
    device: DEVICE,
    error: 'its underlay up0 does not exist',
    code: 'refused',
    isBlocking: true,
  };
  t.same(lab.reconciler.view.linkTrouble, trouble);
  t.same(lab.reconciler.peerState('2'), { programmed: false, error: trouble.error });
  const passes = lab.passes();
  await lab.advance(499);
  t.equal(lab.passes(), passes, 'no try before its time');
  lab.reconciler.setPeer('3', peerEntries(3));
  await lab.settled();
  t.equal(lab.passes(), passes, 'nor for a peer');
  for (let i = 0; i < 60; i++) await lab.advance(1_000);
  t.ok(lab.passes() - passes < 12, 'rarer and rarer');
  t.equal(warnings(lab).length, 1, 'told once');
  lab.fake.state.links.push(underlay!);
  lab.reconciler.doubtAfterChange('underlay');
  await lab.settled();
  t.equal(lab.reconciler.view.linkTrouble, undefined);
  t.same(await lab.held(), allOf(2, 3));
});

/** An admin deletes the key of a living host under traffic: the host takes its subnet again, and only then packets are lost. */
import t from 'tap';
import { BACKENDS, containerOf, hostOf, leaseOf, startCluster } from '../support/cluster.js';
import { keyOf, peerByHand, valueOf } from '../support/peers-by-hand.js';
import { packetsBetween } from '../support/uninterrupted.js';

/** Packets in each direction before and after the deletion. */
const SOME_PACKETS = 1_000;

for (const type of BACKENDS) {
  t.test(`${type}: a deleted key is there again, and so is the way to its host`, async t => {
    const lab = await startCluster(t, { hosts: 2, backend: { Type: type } });
    const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
    const before = await leaseOf(lab, one);
    const stream = await packetsBetween(t, containerOf(one), containerOf(two));
    await stream.flow(SOME_PACKETS);
    await lab.etcd.ctl('del', before.key);
    await lab.waitFor({
      what: 'the key to be there again',
      read: () => leaseOf(lab, one).catch(() => undefined),
      until: key => key?.key === before.key && key.createRevision > before.createRevision,
    });
    // Who has heard of another peer has heard of all that was before.
    const mark = peerByHand(100);
    const value = type === 'vxlan' ? valueOf(mark) : '{"PublicIP":"192.168.77.100","BackendType":"host-gw"}';
    await lab.etcd.ctl('put', keyOf(mark), value);
    for (const host of lab.hosts) await host.waitForHealth(2);
    const mended = await stream.peek();
    await stream.flow(SOME_PACKETS);
    const { aToB, bToA } = await stream.stop();
    t.comment(`lost: ${aToB.lost} to the other host, ${bToA.lost} to the host whose key was deleted`);
    t.equal(aToB.lost - aToB.overflowed, 0, 'the host itself forgot nobody');
    t.ok(bToA.lost - bToA.overflowed <= mended.bToA.lost, 'and nothing is lost any more');
  });
}

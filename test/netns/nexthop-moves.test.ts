/**
 * Numbered packets over the overlay while routes move between classic and nexthop objects, overlay and underlay.
 * The peers but for one exist in name only.
 */
import t from 'tap';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import {
  ALWAYS,
  DEVICE,
  peerEntries,
  subnetOf,
  UNDERLAY,
  underlayRoute,
  vtepOf,
  vxlanLink,
} from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { becomes, makeUnderlay, startRealHost } from '../support/real-host.js';
import { makeRemote, startStream } from '../support/remote-host.js';

/** Packets in each direction before and after a move. */
const SOME = 300;
const ID = nexthopIdOf(subnetOf(2))!;

const run = (text: string): string => ip(...text.split(' '));
/** The way to the other host, in a word. */
const way = (): string => {
  const route = run('route show 10.5.2.0/24');
  if (route.includes(UNDERLAY)) return 'underlay';
  return route.includes(`nhid ${ID} `) ? 'nexthop' : route.includes('proto 83') ? 'classic' : 'boot';
};
const nexthopsOfOurs = (): string[] =>
  run('nexthop show')
    .split('\n')
    .filter(line => line.includes('proto 83'));

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  t.test('no way of leading a route loses a packet to the next', async t => {
    const remote = makeRemote(t);
    const foreign = [
      `nexthop add id 7 via 192.168.77.9 dev ${UNDERLAY}`,
      `nexthop add id ${ID + 1} via 192.168.77.9 dev ${UNDERLAY} proto static`,
      `nexthop add id ${nexthopIdOf(subnetOf(4))!} via 192.168.77.9 dev ${UNDERLAY} proto static`,
    ];
    foreign.forEach(run);
    const othersNexthops = (): string => run(`nexthop show dev ${UNDERLAY}`);
    const before = othersNexthops();

    // The host counts as one: nexthop objects from three peers on, and down to two.
    const first = startRealHost(t, vxlanLink(), [peerEntries(2)], undefined, { from: 4, downTo: 3 });
    const { reconciler } = first;
    await becomes(t, way, 'classic', 'a peer alone');
    const stream = await startStream(t, remote);
    const move = async (to: string, action: () => unknown): Promise<void> => {
      await stream.flow(SOME);
      await action();
      await becomes(t, way, to, `to ${to}`);
      await stream.flow(SOME);
    };

    await move('nexthop', () => [3, 4].forEach(n => reconciler.setPeer(`${n}`, peerEntries(n))));
    await becomes(t, () => reconciler.peerState('4').programmed, true, 'also the one whose id is taken');
    t.match(run('route show 10.5.4.0/24'), /via 10\.5\.4\.0 dev flannel\.1 .*proto 83/);
    await move('nexthop', async () => {
      const route = run('route show 10.5.2.0/24');
      run(`route replace 10.5.2.0/24 nhid ${ID} proto 83 mtu lock 1000`);
      await becomes(t, () => run('route show 10.5.2.0/24'), route, 'without what somebody has added to it');
    });
    await move('underlay', () => reconciler.setPeer('0', [underlayRoute(subnetOf(2), vtepOf(2))]));
    await move('nexthop', () => reconciler.setPeer('0', peerEntries(2)));
    await move('classic', () => [3, 4].forEach(n => reconciler.setPeer(`${n}`, [])));
    await becomes(t, nexthopsOfOurs, [], 'no nexthop object of ours is left');
    await move('underlay', () => reconciler.setPeer('0', [underlayRoute(subnetOf(2), vtepOf(2))]));
    await move('classic', () => reconciler.setPeer('0', peerEntries(2)));
    await move('boot', async () => {
      await first.stop();
      run(`route replace 10.5.2.0/24 via 10.5.2.0 dev ${DEVICE} onlink`);
      run(`route add 10.5.9.0/24 via 10.5.9.0 dev ${DEVICE} onlink`);
    });
    await move('nexthop', () =>
      startRealHost(t, vxlanLink(), [peerEntries(2), peerEntries(3)], undefined, ALWAYS),
    );
    await becomes(t, () => run('route show 10.5.9.0/24'), '', 'the stale route of flanneld’s is gone');

    const counts = await stream.stop();
    for (const [direction, { lost, sent, overflowed }] of Object.entries(counts)) {
      t.equal(lost - overflowed, 0, `${direction}: none lost of ${sent}`);
      t.ok(sent >= 18 * SOME, `${direction}: ${sent} packets`);
    }
    t.equal(othersNexthops(), before, 'others’ nexthop objects are as they were');
  });
});

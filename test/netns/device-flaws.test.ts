/**
 * A device that the kernel does not let us make or have as it should be. An attribute alone that it refuses (an MTU that the
 * underlay has become too small for) holds nothing else up; what is refused because of another device comes back with
 * that device's going.
 */
import t, { type Test } from 'tap';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import { DEVICE, macOf, peerEntries, subnetOf, UNDERLAY, vtepOf } from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import {
  becomes,
  entriesOn,
  linkWords,
  makeUnderlay,
  poll,
  startRealHost,
  type RealHost,
} from '../support/real-host.js';

const run = (text: string): string => ip(...text.split(' '));
const mtu = (): number | undefined => linkWords(DEVICE)?.mtu;
const idOf = (n: number): number => nexthopIdOf(subnetOf(n))!;
const routeOf = (n: number): string => `route 10.5.${n}.0/24 nhid ${idOf(n)} via 10.5.${n}.0 onlink proto 83`;

/** What is to be on the device with these peers. */
function expected(...peers: number[]): string[] {
  const lines = peers.flatMap(n => [
    `fdb ${macOf(n)} ${vtepOf(n)} permanent`,
    `neighbour 10.5.${n}.0 ${macOf(n)} PERMANENT`,
    `nexthop ${idOf(n)} via 10.5.${n}.0 onlink proto 83`,
    routeOf(n),
  ]);
  return ['address 10.5.1.0/32', ...lines].sort();
}

async function start(t: Test): Promise<RealHost> {
  const host = startRealHost(t);
  await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
  await poll(() => host.reconciler.view.settled);
  return host;
}

/** What somebody does to the device, and the MTU that it has then. */
const DAMAGES: Readonly<Record<string, readonly [command: string, mtu: number]>> = {
  'somebody makes the device smaller': [`link set ${DEVICE} mtu 1300`, 1300],
  'somebody deletes the device': [`link del ${DEVICE}`, 1350],
};

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  for (const [what, [command, left]] of Object.entries(DAMAGES))
    t.test(`the underlay has become too small for the MTU: ${what}`, async t => {
      t.teardown(() => run(`link set ${UNDERLAY} mtu 1500`));
      const { reconciler, socket } = await start(t);
      run(`link set ${UNDERLAY} mtu 1400`);
      const trouble = (): unknown => reconciler.view.linkTrouble;
      run(command);
      const flaw = {
        device: DEVICE,
        error: `mtu 1450: EINVAL (${UNDERLAY} has mtu 1400)`,
        code: 'EINVAL',
        isBlocking: false,
      };
      await becomes(t, trouble, flaw, 'the MTU is refused');
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'what was there is there');
      t.equal(mtu(), left);
      t.ok(linkWords(DEVICE)?.flags.includes('UP'));

      reconciler.setPeer('5', peerEntries(5));
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4, 5), 'a new peer');
      t.match(reconciler.peerState('5'), { programmed: true, error: undefined });
      run('route del 10.5.3.0/24');
      await becomes(t, () => entriesOn(DEVICE).includes(routeOf(3)), true, 'a route that was deleted');
      run(`link set ${DEVICE} down`);
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4, 5), 'a device that was set down');
      t.same(trouble(), flaw, 'the flaw is still told');

      // Two tries at least, should the end of a repair be among what is counted.
      const [began, { changes }] = [performance.now(), socket.stats];
      await poll(() => socket.stats.changes >= changes + 4);
      t.ok(performance.now() - began >= 1_000, 'the pauses between tries grow');

      run(`link set ${UNDERLAY} mtu 1500`);
      await becomes(t, trouble, undefined, 'the underlay is as large as before');
      t.equal(mtu(), 1450);
      t.same(entriesOn(DEVICE), expected(2, 3, 4, 5));
    });
});

/**
 * A device that the kernel does not let us make or have as it should be. An attribute alone that it refuses (an MTU that the
 * underlay has become too small for) holds nothing else up; what is refused because of another device comes back with
 * that device's going.
 */
import { spawnSync } from 'node:child_process';
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
/** @returns whether all went well: ours may be made again between two commands, however fast they follow each other */
const runAll = (lines: readonly string[]): boolean =>
  spawnSync('ip', ['-batch', '-'], { input: lines.join('\n') }).status === 0;
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

/** A program that takes our VNI and port away from us, and how it gives them back. */
const TWINS: Readonly<Record<string, readonly [take: readonly string[], giveBack: string]>> = {
  'another device has the VNI': [
    [`link del ${DEVICE}`, `link add twin type vxlan id 1 dev ${UNDERLAY} dstport 8472`],
    'link del twin',
  ],
  'another device has the VNI, without an underlay': [
    [`link del ${DEVICE}`, 'link add twin type vxlan id 1 dstport 8472'],
    'link del twin',
  ],
  'our device has another name': [[`link set ${DEVICE} name twin`], `link set twin name ${DEVICE}`],
};
/**
 * Waits until there has been a pause of so many milliseconds between two tries.
 * @returns when the next one is due: pauses double
 */
async function triesAreRare({ socket }: RealHost, longPauseMs: number): Promise<number> {
  let tries = socket.stats.changes;
  let [last, pause] = [performance.now(), 0];
  await poll(() => {
    const { changes } = socket.stats;
    if (changes === tries) return false;
    const now = performance.now();
    [tries, last, pause] = [changes, now, now - last];
    return pause >= longPauseMs;
  });
  // A little less, for what looking now and then tells of moments.
  return last + pause * 1.9;
}

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  for (const [what, [command, left]] of Object.entries(DAMAGES))
    t.test(`the underlay has become too small for the MTU: ${what}`, async t => {
      t.teardown(() => run(`link set ${UNDERLAY} mtu 1500`));
      const host = await start(t);
      const { reconciler, socket } = host;
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
      const { changes } = socket.stats;
      await triesAreRare(host, 900);
      const sent = socket.stats.changes - changes;
      t.ok(sent <= 20, `${sent} changes sent until tries were rare`);

      reconciler.setPeer('5', peerEntries(5));
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4, 5), 'a new peer');
      t.match(reconciler.peerState('5'), { programmed: true, error: undefined });
      run('route del 10.5.3.0/24');
      await becomes(t, () => entriesOn(DEVICE).includes(routeOf(3)), true, 'a route that was deleted');
      run(`link set ${DEVICE} down`);
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4, 5), 'a device that was set down');
      t.same(trouble(), flaw, 'the flaw is still told');

      run(`link set ${UNDERLAY} mtu 1500`);
      await becomes(t, trouble, undefined, 'the underlay is as large as before');
      t.equal(mtu(), 1450);
      t.same(entriesOn(DEVICE), expected(2, 3, 4, 5));
    });

  for (const [what, [take, giveBack]] of Object.entries(TWINS))
    t.test(`${what}: ours is back as soon as it is free, not at the next try`, async t => {
      const host = await start(t);
      const { reconciler, socket } = host;
      await poll(() => linkWords(DEVICE) !== undefined && runAll(take));
      await becomes(t, () => reconciler.view.linkTrouble?.code, 'EEXIST', 'the kernel refuses it');
      const due = await triesAreRare(host, 3_500);
      const { changes } = socket.stats;
      run(giveBack);
      const given = performance.now();
      await poll(() => reconciler.view.linkTrouble === undefined);
      const back = performance.now();
      t.ok(back < due, `after ${Math.round(back - given)} ms, before the next try is due`);
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
      t.ok(linkWords(DEVICE)?.flags.includes('UP'));
      const sent = socket.stats.changes - changes;
      t.ok(sent <= 40, `${sent} changes sent: the entries of three peers, and a few tries`);
    });
});

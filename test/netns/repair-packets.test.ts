/** Damage and repair with numbered packets over the overlay: which lose some, and that all come through again after. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import { DEVICE, macOf, OWN_MAC, subnetOf, UNDERLAY, vtepOf } from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { becomes, entriesOn, linkWords, makeUnderlay, poll, startRealHost } from '../support/real-host.js';
import { makeRemote, startStream } from '../support/remote-host.js';
import { lostDuring, noneLost } from '../support/uninterrupted.js';

/** Packets in each direction before and after a damage. */
const SOME = 300;

const run = (text: string): unknown => ip(...text.split(' '));
const bridge = (text: string): unknown => execFileSync('bridge', text.split(' '), { encoding: 'utf8' });
const settingsOf = ({ mtu, address, flags }: NonNullable<ReturnType<typeof linkWords>>) => ({
  mtu,
  address,
  up: flags.includes('UP'),
});
/** The device and what is on it. */
const state = (): unknown => {
  const link = linkWords(DEVICE);
  return [link && settingsOf(link), entriesOn(DEVICE)];
};

/** What leads to a peer, taken away in one way or another. */
const damagesTo = (n: number): Record<string, () => unknown> => ({
  'route deleted': () => run(`route del 10.5.${n}.0/24`),
  'nexthop object deleted': () => run(`nexthop del id ${nexthopIdOf(subnetOf(n))!}`),
  'neighbour deleted': () => run(`neigh del 10.5.${n}.0 dev ${DEVICE}`),
  'neighbour changed': () => run(`neigh replace 10.5.${n}.0 lladdr ${macOf(9)} dev ${DEVICE} nud permanent`),
  'FDB entry deleted': () => bridge(`fdb del ${macOf(n)} dev ${DEVICE} self`),
  'FDB entry changed': () => bridge(`fdb replace ${macOf(n)} dev ${DEVICE} self permanent dst ${vtepOf(99)}`),
});

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  t.test('with packets to one peer', async t => {
    const remote = makeRemote(t);
    const { reconciler } = startRealHost(t);
    await becomes(t, () => reconciler.view.settled, true, 'programmed');
    const whole = state();

    await t.test('what is done to another peer, and beside, loses none', async t => {
      const stream = await startStream(t, remote);
      const damages = {
        ...damagesTo(3),
        'MTU changed': () => run(`link set ${DEVICE} mtu 1300`),
        'another address of the Network': () => run(`address add 10.5.99.0/32 dev ${DEVICE}`),
        'a route of ours to nobody': () =>
          run(`route add 10.5.9.0/24 via 10.5.9.0 dev ${DEVICE} onlink proto 83`),
      };
      for (const [what, damage] of Object.entries(damages)) {
        const { repairs } = reconciler.view;
        await stream.flow(SOME);
        damage();
        await poll(() => reconciler.view.repairs > repairs);
        await becomes(t, state, whole, what);
      }
      await stream.flow(SOME);
      await noneLost(t, stream);
    });

    await t.test('what is done to the way itself is put right, and packets come through', async t => {
      const stream = await startStream(t, remote);
      const damages = {
        ...damagesTo(2),
        'address removed': () => run(`address del 10.5.1.0/32 dev ${DEVICE}`),
        'device deleted': () => run(`link del ${DEVICE}`),
        'device down': () => run(`link set ${DEVICE} down`),
        'device down and up': () => [run(`link set ${DEVICE} down`), run(`link set ${DEVICE} up`)],
        'MAC changed': () => run(`link set ${DEVICE} address 02:09:09:09:09:09`),
        // The kernel flushes all permanent neighbours all the same.
        'its own MAC written again': () => run(`link set ${DEVICE} address ${OWN_MAC}`),
        'underlay down and up': () => [run(`link set ${UNDERLAY} down`), run(`link set ${UNDERLAY} up`)],
      };
      for (const [what, damage] of Object.entries(damages)) {
        const lost = await lostDuring(stream, () => Promise.resolve(damage()).then(() => undefined));
        await becomes(t, state, whole, `${what}: all is back`);
        t.comment(`${what}: ${lost} packets lost`);
      }
      await stream.stop();
      const after = await startStream(t, remote);
      await after.flow(SOME);
      await noneLost(t, after);
    });
  });
});

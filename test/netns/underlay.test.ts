/**
 * Routes over the underlay when the underlay goes away and comes back. The kernel drops them, mostly without a word
 * (a device that goes down, a last address that is removed), and takes none until it has its way again.
 */
import t, { type Test } from 'tap';
import {
  DEVICE,
  OWN_ADDRESS,
  subnetOf,
  UNDERLAY,
  underlayRoute,
  vtepOf,
  vxlanLink,
} from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import {
  becomes,
  entriesOn,
  makeUnderlay,
  poll,
  startRealHost,
  type RealHost,
} from '../support/real-host.js';

const PEERS = [2, 3, 4];
/** The most that may be sent while the kernel takes nothing: each peer once more for each of a few retries. */
const MOST_RETRIES = 4;

const run = (text: string): string => ip(...text.split(' '));
const routes = (): string[] => entriesOn(UNDERLAY).filter(line => line.includes('proto 83'));
const expected = PEERS.map(n => `route 10.5.${n}.0/24 via ${vtepOf(n)} proto 83`);

async function startOnUnderlay(t: Test): Promise<RealHost> {
  const peers = PEERS.map(n => [underlayRoute(subnetOf(n), vtepOf(n))]);
  const host = startRealHost(t, vxlanLink(), peers);
  await becomes(t, routes, expected, 'the routes');
  await poll(() => host.reconciler.view.settled);
  return host;
}

interface Loss {
  readonly takeAway: readonly string[];
  readonly giveBack: readonly string[];
  /** What the kernel does with the routes meanwhile. */
  readonly meanwhile: 'gone' | 'kept';
}

const LOSSES: Readonly<Record<string, Loss>> = {
  'the device goes down': {
    takeAway: [`link set ${UNDERLAY} down`],
    giveBack: [`link set ${UNDERLAY} up`],
    meanwhile: 'gone',
  },
  'the cable is pulled: a classic route lives on': {
    takeAway: ['link set up1 down'],
    giveBack: ['link set up1 up'],
    meanwhile: 'kept',
  },
  'its only address is removed': {
    takeAway: [`address del 192.168.77.1/24 dev ${UNDERLAY}`],
    giveBack: [`address add 192.168.77.1/24 dev ${UNDERLAY}`],
    meanwhile: 'gone',
  },
  'the device loses its address, and is off and on again before it has one': {
    takeAway: [
      `address del 192.168.77.1/24 dev ${UNDERLAY}`,
      `link set ${UNDERLAY} down`,
      `link set ${UNDERLAY} up`,
    ],
    giveBack: [`address add 192.168.77.1/24 dev ${UNDERLAY}`],
    meanwhile: 'gone',
  },
  'the network manager takes the whole network away': {
    takeAway: [`route del 192.168.77.0/24 dev ${UNDERLAY}`, 'route flush proto 83'],
    giveBack: [`route add 192.168.77.0/24 dev ${UNDERLAY} proto kernel scope link src 192.168.77.1`],
    meanwhile: 'gone',
  },
};

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  for (const [what, { takeAway, giveBack, meanwhile }] of Object.entries(LOSSES)) {
    t.test(what, async t => {
      const { reconciler, socket } = await startOnUnderlay(t);
      takeAway.forEach(run);
      if (meanwhile === 'gone') {
        await becomes(t, () => reconciler.view.failures.size, PEERS.length, 'the kernel takes none back');
        t.match(reconciler.peerState('0'), { programmed: false, error: /10\.5\.2\.0\/24/ });
        const before = socket.stats.changes;
        // The third refusal comes a second and a half after the first.
        await poll(() => [...reconciler.view.failures.values()].every(({ attempts }) => attempts >= 3));
        const sent = socket.stats.changes - before;
        t.ok(sent <= MOST_RETRIES * PEERS.length, `${sent} changes sent meanwhile`);
      }
      t.equal(routes().length, meanwhile === 'gone' ? 0 : PEERS.length);
      giveBack.forEach(run);
      await becomes(t, routes, expected, 'the routes are back');
      await becomes(t, () => reconciler.view.failures.size, 0, 'and nothing is refused');
      const programmed = { programmed: true, error: undefined };
      await becomes(t, () => reconciler.peerState('0'), programmed, 'which the reconciler knows');
    });
  }

  t.test('the kernel takes them again at once, not at the next retry', async t => {
    const { reconciler } = await startOnUnderlay(t);
    run(`link set ${UNDERLAY} down`);
    await poll(() => [...reconciler.view.failures.values()].some(({ attempts }) => attempts >= 4));
    const due = reconciler.view.failures.values().next().value?.notBefore ?? 0;
    run(`link set ${UNDERLAY} up`);
    await becomes(t, routes, expected, 'the routes');
    t.ok(performance.now() < due, 'before the retry was due');
  });

  t.test('the overlay device is not held up by an underlay that is down', async t => {
    const { reconciler } = await startOnUnderlay(t);
    run(`link set ${UNDERLAY} down`);
    run(`link del ${DEVICE}`);
    const { prefix } = OWN_ADDRESS;
    await becomes(
      t,
      () => entriesOn(DEVICE),
      [`address ${prefix.address}/${prefix.length}`],
      'it is made again',
    );
    run(`link set ${UNDERLAY} up`);
    await becomes(t, routes, expected, 'and the routes come back');
    const programmed = { programmed: true, error: undefined };
    await becomes(t, () => reconciler.peerState('0'), programmed, 'which the reconciler knows');
  });
});

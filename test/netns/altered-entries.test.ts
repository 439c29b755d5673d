/** Entries that somebody has not taken away but altered, on the real kernel: noticed at once, and put right. */
import { execFileSync, spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { RTM_NEWROUTE } from '../../src/dataplane/netlink/constants.js';
import { NotificationSocket } from '../../src/dataplane/netlink/notifications.js';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import { DEVICE, macOf, subnetOf, UNDERLAY, underlayRoute, vtepOf, vxlanLink } from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { becomes, makeUnderlay, poll, startRealHost, type RealHost } from '../support/real-host.js';

const run = (text: string): string => ip(...text.split(' '));
const bridge = (text: string): string =>
  execFileSync('bridge', text.split(' '), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** The FDB entry of peer `n`, in iproute2's words. */
const fdbOf = (n: number): string[] =>
  bridge(`fdb show dev ${DEVICE}`)
    .split('\n')
    .filter(line => line.startsWith(macOf(n)))
    .map(line => line.trim());
const rightFdb = (n: number): string[] => [`${macOf(n)} dst ${vtepOf(n)} self permanent`];
const routeOf = (n: number): string => run(`route show 10.5.${n}.0/24`).trim();
const idOf = (n: number): number => nexthopIdOf(subnetOf(n))!;
const rightRoute = (n: number): string =>
  `10.5.${n}.0/24 nhid ${idOf(n)} via 10.5.${n}.0 dev ${DEVICE} proto 83 onlink`;
const rightClassic = (n: number): string => `10.5.${n}.0/24 via 10.5.${n}.0 dev ${DEVICE} proto 83 onlink`;

const put = (n: number, rest: string) => bridge(`fdb replace ${macOf(n)} dev ${DEVICE} self ${rest}`);
/** Goes by nexthop objects: such an entry takes the place of none, so that the other has to be gone for a moment. */
const putByNexthops = (n: number, state: string) =>
  poll(() => {
    const entry = `${macOf(n)} dev ${DEVICE} self`;
    const input = `fdb del ${entry}\nfdb add ${entry} ${state} nhid 501\n`;
    return spawnSync('bridge', ['-batch', '-'], { input }).status === 0;
  });

/** Few for each peer: what is altered over and over is fought over, and then left alone for a while. */
const FDB: readonly (readonly [what: string, n: number, alter: (n: number) => unknown])[] = [
  ['another port', 2, n => put(n, `permanent dst ${vtepOf(n)} port 1234`)],
  ['another VNI', 3, n => put(n, `permanent dst ${vtepOf(n)} vni 77`)],
  ['another interface', 4, n => put(n, `permanent dst ${vtepOf(n)} via lo`)],
  ['static', 2, n => put(n, 'static dst 192.168.77.99')],
  ['dynamic', 3, n => put(n, 'dynamic dst 192.168.77.99')],
  ['dynamic with the same VTEP', 4, n => put(n, `dynamic dst ${vtepOf(n)}`)],
  ['by nexthop objects', 2, n => putByNexthops(n, 'permanent')],
  ['by nexthop objects and dynamic', 3, n => putByNexthops(n, 'dynamic')],
];

const SRC = 'src 192.168.77.1';
const BY_NEXTHOP: readonly (readonly [what: string, n: number])[] = [
  ['mtu lock 600', 2],
  [SRC, 3],
  [`${SRC} mtu 600 advmss 500 congctl reno`, 4],
];
const CLASSIC: typeof BY_NEXTHOP = [...BY_NEXTHOP, ['realms 5', 2]];
const alterNexthopRoute = (n: number, what: string) =>
  run(`route replace 10.5.${n}.0/24 nhid ${idOf(n)} proto 83 ${what}`);
const alterClassic = (n: number, what: string) => run(`route replace ${rightClassic(n)} ${what}`);
const WRAPPED = 'encap ip id 100 dst 192.168.77.4';
const wrap = (n: number) =>
  run(`route replace 10.5.${n}.0/24 ${WRAPPED} via 10.5.${n}.0 dev ${DEVICE} onlink proto 83`);

/** From so many peers on that a few stay classic. */
const NEVER = { from: 1000, downTo: 1000 };

function makeFdbNexthops(t: Test): void {
  run('nexthop add id 500 via 192.168.77.5 fdb');
  run('nexthop add id 501 group 500 fdb');
  t.teardown(() => ['501', '500'].forEach(id => run(`nexthop del id ${id}`)));
}

/** Waits until an alteration has been counted and is gone. */
async function isMended<T>(
  t: Test,
  { reconciler }: RealHost,
  what: string,
  alter: () => unknown,
  look: () => T,
  right: T,
): Promise<void> {
  const { repairs, drift } = reconciler.view;
  await alter();
  await poll(() => reconciler.view.repairs > repairs).catch(() => t.fail(`${what}: not noticed`));
  await becomes(t, look, right, what);
  t.ok(reconciler.view.drift > drift, `${what}: counted`);
}

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  t.test('FDB entries', async t => {
    makeFdbNexthops(t);
    const host = startRealHost(t);
    await becomes(t, () => host.reconciler.view.settled, true, 'programmed');
    for (const [what, n, alter] of FDB) {
      await isMended(
        t,
        host,
        what,
        () => alter(n),
        () => fdbOf(n),
        rightFdb(n),
      );
    }
    // A start would find the same again.
    await host.stop();
    put(2, `permanent dst ${vtepOf(2)} port 1234`);
    put(3, 'static dst 192.168.77.99');
    await putByNexthops(4, 'permanent');
    const { reconciler } = startRealHost(t);
    await becomes(t, () => [2, 3, 4].map(fdbOf), [2, 3, 4].map(rightFdb), 'by a start');
    await becomes(t, () => reconciler.view.settled, true, 'programmed again');
    t.equal(reconciler.view.repairs, 0);
  });

  t.test('what a learning device learns of nobody we know is nothing to us', async t => {
    const host = startRealHost(t, vxlanLink({ learning: true }));
    const { reconciler } = host;
    await becomes(t, () => reconciler.view.settled, true, 'programmed');
    const learn = (n: number) => put(n, 'dynamic dst 192.168.77.99');
    for (const n of [50, 51, 52]) learn(n);
    const { repairs } = reconciler.view;
    const newsBefore = host.deviceNews();
    // One of ours comes after these: they have been heard then.
    bridge(`fdb del ${macOf(3)} dev ${DEVICE}`);
    await host.hears('gone', { kind: 'fdb', device: DEVICE, mac: macOf(3) }, newsBefore);
    await becomes(t, () => fdbOf(3), rightFdb(3), 'ours is back');
    await poll(() => reconciler.view.repairs === repairs + 1);
    for (const n of [50, 51, 52]) t.match(fdbOf(n), [/dst 192\.168\.77\.99 self/], 'left alone');
  });

  t.test('routes by nexthop objects', async t => {
    const host = startRealHost(t);
    await becomes(t, () => host.reconciler.view.settled, true, 'programmed');
    for (const [what, n] of BY_NEXTHOP) {
      await isMended(
        t,
        host,
        what,
        () => alterNexthopRoute(n, what),
        () => routeOf(n),
        rightRoute(n),
      );
    }
    await isMended(
      t,
      host,
      'encap of the object',
      () => run(`nexthop replace id ${idOf(2)} ${WRAPPED} via 10.5.2.0 dev ${DEVICE} onlink proto 83`),
      () => run(`nexthop show id ${idOf(2)}`).includes('encap'),
      false,
    );
    await host.stop();
    for (const [what, n] of BY_NEXTHOP) alterNexthopRoute(n, what);
    startRealHost(t);
    await becomes(t, () => [2, 3, 4].map(routeOf), [2, 3, 4].map(rightRoute), 'by a start');
  });

  t.test('classic routes', async t => {
    const host = startRealHost(t, undefined, undefined, undefined, NEVER);
    await becomes(t, () => host.reconciler.view.settled, true, 'programmed');
    for (const [what, n] of CLASSIC) {
      await isMended(
        t,
        host,
        what,
        () => alterClassic(n, what),
        () => routeOf(n),
        rightClassic(n),
      );
    }
    await isMended(
      t,
      host,
      'encap',
      () => wrap(3),
      () => routeOf(3),
      rightClassic(3),
    );
    alterClassic(4, 'mtu lock 600');
    host.reconciler.setPeer('2', []);
    await becomes(t, () => routeOf(4), '', 'one that is wanted no more goes, whatever it says');
  });

  t.test('a gateway that comes on-link by whose route ever is heard of', async t => {
    const way = underlayRoute(subnetOf(2), '172.16.0.9');
    const { reconciler, concernOf } = startRealHost(t, undefined, [[way]]);
    await poll(() => reconciler.peerState('0').error?.includes('ENETUNREACH') === true);
    const concerns: unknown[] = [];
    const listener = new NotificationSocket({
      onMessage: message => {
        if (message.type === RTM_NEWROUTE) concerns.push(concernOf(message));
      },
      onOverflow: reason => t.fail(reason),
    });
    t.teardown(() => listener.close());
    run(`route add 172.16.0.0/24 dev ${UNDERLAY} scope link`);
    await poll(() => concerns.length > 0);
    t.equal(concerns[0], 'underlay', 'so that what was refused is tried again');
    await becomes(t, () => reconciler.peerState('0').programmed, true, 'programmed');
    run(`route del 172.16.0.0/24 dev ${UNDERLAY}`);
  });
});

/** The reconciler on the real kernel: what iproute2 says of what it made, took over, mended and left alone. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import * as nl from '../../src/dataplane/netlink/constants.js';
import type { Concern } from '../../src/dataplane/kernel-watch.js';
import { decodeLink } from '../../src/dataplane/netlink/link.js';
import type { Message } from '../../src/dataplane/netlink/message.js';
import { NotificationSocket } from '../../src/dataplane/netlink/notifications.js';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import {
  DEVICE,
  macOf,
  nexthopRoute,
  OWN_MAC,
  overlayRoute,
  peerEntries,
  prefix,
  subnetOf,
  UNDERLAY,
  underlayRoute,
  vtepOf,
  vxlanLink,
} from '../support/dataplane.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { becomes, entriesOn, linkWords, makeUnderlay, poll, startRealHost } from '../support/real-host.js';

const FLANNEL_MAC = '02:53:00:00:00:fe';

const idOf = (n: number): number => nexthopIdOf(subnetOf(n))!;

/** What is to be on the device with these peers. */
function expected(...peers: number[]): string[] {
  const lines = peers.flatMap(n => [
    `fdb ${macOf(n)} ${vtepOf(n)} permanent`,
    `neighbour 10.5.${n}.0 ${macOf(n)} PERMANENT`,
    `nexthop ${idOf(n)} via 10.5.${n}.0 onlink proto 83`,
    `route 10.5.${n}.0/24 nhid ${idOf(n)} via 10.5.${n}.0 onlink proto 83`,
  ]);
  return ['address 10.5.1.0/32', ...lines].sort();
}

const words = (text: string): string[] => text.split(' ');
const bridge = (text: string): unknown => execFileSync('bridge', words(text), { encoding: 'utf8' });
const run = (text: string): unknown => ip(...words(text));
const isOfDevices = (concern?: Concern) => concern === 'overlay' || concern === 'underlay';
const settings = (): unknown => linkWords(DEVICE)?.linkinfo?.info_data;

/** A device with the peers as flanneld leaves it behind. */
function prepareAsFlannel(...peers: number[]): void {
  run(
    `link add ${DEVICE} address ${FLANNEL_MAC} txqueuelen 0 type vxlan id 1 dev ${UNDERLAY}` +
      ` local 192.168.77.1 dstport 8472 nolearning`,
  );
  run(`address add 10.5.1.0/32 dev ${DEVICE}`);
  run(`link set ${DEVICE} up`);
  for (const n of peers) {
    run(`neigh replace 10.5.${n}.0 lladdr ${macOf(n)} dev ${DEVICE} nud permanent`);
    bridge(`fdb replace ${macOf(n)} dev ${DEVICE} self permanent dst ${vtepOf(n)}`);
    run(`route replace 10.5.${n}.0/24 via 10.5.${n}.0 dev ${DEVICE} onlink`);
  }
}

void inNamespace(t, import.meta.url, () => {
  makeUnderlay();

  t.test('the device is as flannel makes it, the peers as planned', async t => {
    startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    const link = linkWords(DEVICE);
    t.match(link, { mtu: 1450, address: OWN_MAC, linkinfo: { info_kind: 'vxlan' } });
    t.ok(link?.flags.includes('UP'));
    t.equal(link?.txqlen ?? 0, 0);
    t.same(settings(), {
      id: 1,
      local: '192.168.77.1',
      link: UNDERLAY,
      port_range: { low: 0, high: 0 },
      port: 8472,
      learning: false,
      ttl: 0,
      df: 'unset',
      ageing: 300,
      udp_csum: true,
      udp_zero_csum6_tx: false,
      udp_zero_csum6_rx: false,
    });
    t.equal(
      execFileSync('cat', [`/proc/sys/net/ipv6/conf/${DEVICE}/accept_ra`], { encoding: 'utf8' }),
      '0\n',
    );
  });

  t.test('GBP, learning and another port', async t => {
    startRealHost(t, vxlanLink({ gbp: true, learning: true, port: 4789, vni: 77 }));
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    t.match(settings(), { id: 77, port: 4789, learning: true, gbp: true });
  });

  t.test('a device of flannel’s making is taken over as it is', async t => {
    prepareAsFlannel(2, 3, 9);
    // Peer 3 had another MAC when flanneld wrote this.
    bridge(`fdb replace ${macOf(33)} dev ${DEVICE} self permanent dst ${vtepOf(3)}`);
    const before = linkWords(DEVICE);
    let changesOfLinks = 0;
    const listener = new NotificationSocket({
      onMessage: ({ type }) => {
        if (type === nl.RTM_NEWLINK) changesOfLinks++;
      },
      onOverflow: () => undefined,
    });
    t.teardown(() => listener.close());
    startRealHost(t, vxlanLink({ mac: FLANNEL_MAC }));
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'with the new peer, without the stale one');
    t.same(linkWords(DEVICE), before, 'the device has not changed');
    // Proves that the listener has heard all that came before.
    run('link set up1 alias heard');
    await poll(() => changesOfLinks > 0);
    t.equal(changesOfLinks, 1, 'nor been written to');
  });

  t.test('MTU, local address and learning change in place', async t => {
    run(`address add 192.168.77.8/24 dev ${UNDERLAY}`);
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    const before = linkWords(DEVICE);
    reconciler.setHost([vxlanLink({ mtu: 1400, local: '192.168.77.8', learning: true })], []);
    await poll(() => linkWords(DEVICE)?.mtu === 1400);
    t.match(settings(), { local: '192.168.77.8', learning: true });
    t.equal(linkWords(DEVICE)?.ifindex, before?.ifindex);
    run(`address del 192.168.77.8/24 dev ${UNDERLAY}`);
  });

  t.test('another VNI or port makes it anew with the same MAC', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    for (const change of [{ vni: 9 }, { vni: 9, port: 4789 }]) {
      const before = linkWords(DEVICE);
      reconciler.setHost(
        [vxlanLink(change)],
        [{ kind: 'address', device: DEVICE, prefix: prefix('10.5.1.0/32') }],
      );
      await poll(() => (linkWords(DEVICE)?.ifindex ?? before?.ifindex) !== before?.ifindex);
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'all peers are there again');
      t.equal(linkWords(DEVICE)?.address, OWN_MAC);
    }
    t.match(settings(), { id: 9, port: 4789 });
  });

  t.test('a peer that moves between overlay and underlay', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    const underlay = entriesOn(UNDERLAY);
    reconciler.setPeer('0', [underlayRoute(subnetOf(2), vtepOf(2))]);
    await becomes(t, () => entriesOn(DEVICE), expected(3, 4), 'off the device');
    const direct = `route 10.5.2.0/24 via ${vtepOf(2)} proto 83`;
    t.same(entriesOn(UNDERLAY), [...underlay, direct].sort());
    reconciler.setPeer('0', peerEntries(2));
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'and back');
    t.same(entriesOn(UNDERLAY), underlay);
  });

  t.test('what is foreign stays, and is a conflict where it stands in the way', async t => {
    run('link add vx9 type vxlan id 900 dstport 4900');
    t.teardown(() => run('link del vx9'));
    run('link set vx9 up');
    run('address add 10.5.200.1/32 dev vx9');
    run(`neigh replace 10.5.9.9 lladdr ${macOf(9)} dev vx9 nud permanent`);
    bridge(`fdb replace ${macOf(9)} dev vx9 self permanent dst 192.168.77.9`);
    run('route add 10.5.3.0/24 via 10.5.9.9 dev vx9 onlink proto static');
    run('route add 10.5.9.0/24 via 10.5.9.9 dev vx9 onlink');
    run('route add 10.9.0.0/24 via 10.5.9.9 dev vx9 onlink proto 83');
    run('route add blackhole 10.5.10.0/24 proto static');
    const before = [...entriesOn('vx9'), ip('route', 'show', 'type', 'blackhole')];
    const { reconciler } = startRealHost(t);
    const all = expected(2, 3, 4).filter(line => !line.startsWith('route 10.5.3.0'));
    await becomes(t, () => entriesOn(DEVICE), all, 'the others are there');
    // The kernel holds them a moment before the reconciler has read what it was answered.
    await poll(() => reconciler.view.conflicts.size > 0);
    t.same(
      [...reconciler.view.conflicts.values()],
      [
        {
          key: 'route 10.5.3.0/24 metric 0',
          wanted: nexthopRoute(3),
          found: overlayRoute(subnetOf(3), { gateway: '10.5.9.9', device: 'vx9', protocol: 4 }),
        },
      ],
    );
    t.same([...entriesOn('vx9'), ip('route', 'show', 'type', 'blackhole')], before);
    run('route del 10.5.3.0/24 dev vx9');
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'ours, once it is gone');
    run('route del blackhole 10.5.10.0/24');
  });

  t.test('a foreign route beside ours, under the same key', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    const conflicts = (): number => reconciler.view.conflicts.size;
    for (const verb of ['prepend', 'append']) {
      run(`route ${verb} 10.5.3.0/24 via 192.168.77.9 dev ${UNDERLAY} proto static`);
      await becomes(t, conflicts, 1, `${verb}: a conflict`);
      const both = ip('route', 'show', '10.5.3.0/24');
      reconciler.setPeer('1', [underlayRoute(subnetOf(3), vtepOf(3))]);
      reconciler.setPeer('5', peerEntries(5));
      await becomes(t, () => reconciler.peerState('5').programmed, true, 'the next change is there');
      t.equal(ip('route', 'show', '10.5.3.0/24'), both, `${verb}: both stay as they were`);
      reconciler.setPeer('1', peerEntries(3));
      reconciler.setPeer('5', []);
      run(`route del 10.5.3.0/24 via 192.168.77.9 dev ${UNDERLAY} proto static`);
      await becomes(t, conflicts, 0, 'none, once it is gone');
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'ours alone');
    }
  });

  t.test('a live peer keeps what it has while the kernel refuses what is to replace it', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    reconciler.setPeer('0', [underlayRoute(subnetOf(2), '172.16.0.9')]);
    await poll(() => reconciler.view.failures.size > 0);
    const before = reconciler.view.lastFullCheckAt;
    reconciler.doubt();
    await poll(() => reconciler.view.lastFullCheckAt !== before);
    t.match(reconciler.peerState('0').error, /ENETUNREACH/);
    t.same(entriesOn(DEVICE), expected(2, 3, 4));
    run(`address add 172.16.0.1/24 dev ${UNDERLAY}`);
    await becomes(t, () => entriesOn(DEVICE), expected(3, 4), 'the old is gone once the new is there');
    await becomes(t, () => reconciler.peerState('0').programmed, true, 'and told so');
    run(`address del 172.16.0.1/24 dev ${UNDERLAY}`);
  });

  t.test('stale routes of ours go, of whatever shape', async t => {
    startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    run(`nexthop add id 83000 via 10.5.9.0 dev ${DEVICE} onlink`);
    run('route add 10.5.9.0/24 nhid 83000 proto 83');
    run('route add blackhole 10.5.10.0/24 proto 83');
    run(`route add 10.5.11.0/24 via 192.168.77.9 dev ${UNDERLAY} metric 7 proto 83`);
    run(
      `route add 10.5.12.0/24 proto 83 nexthop via 192.168.77.8 dev ${UNDERLAY}` +
        ` nexthop via 192.168.77.9 dev ${UNDERLAY}`,
    );
    run(`route add 10.5.13.0/24 dev ${DEVICE} proto 83`);
    const ours = (): string[] => ip('route', 'show', 'proto', '83').match(/10\.5\.\d+\.0\/24/g) ?? [];
    await becomes(t, ours, ['10.5.2.0/24', '10.5.3.0/24', '10.5.4.0/24'], 'only what is wanted is left');
    run('nexthop del id 83000');
  });

  t.test('whatever is taken away comes back', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    const damages: Record<string, () => unknown> = {
      'device deleted': () => run(`link del ${DEVICE}`),
      'device down': () => run(`link set ${DEVICE} down`),
      'device down and up': () => [run(`link set ${DEVICE} down`), run(`link set ${DEVICE} up`)],
      'MAC changed': () => run(`link set ${DEVICE} address 02:09:09:09:09:09`),
      // The kernel flushes all permanent neighbours all the same.
      'its own MAC written again': () => run(`link set ${DEVICE} address ${OWN_MAC}`),
      'MTU changed': () => run(`link set ${DEVICE} mtu 1300`),
      // `ip route flush` names the device along with the nexthop object, which the kernel refuses.
      'routes deleted': () => [2, 3, 4].forEach(n => run(`route del 10.5.${n}.0/24`)),
      'nexthops flushed': () => run(`nexthop flush dev ${DEVICE}`),
      'route deleted': () => run('route del 10.5.3.0/24'),
      'route replaced': () => run(`route replace 10.5.3.0/24 via 10.5.4.0 dev ${DEVICE} onlink proto 83`),
      'nexthop deleted': () => run(`nexthop del id ${idOf(3)}`),
      'nexthop changed': () =>
        run(`nexthop replace id ${idOf(3)} via 10.5.4.0 dev ${DEVICE} onlink proto 83`),
      'neighbours flushed': () => run(`neigh flush dev ${DEVICE} nud permanent`),
      'neighbour changed': () => run(`neigh replace 10.5.3.0 lladdr ${macOf(9)} dev ${DEVICE} nud permanent`),
      'neighbour no more permanent': () =>
        run(`neigh replace 10.5.3.0 lladdr ${macOf(3)} dev ${DEVICE} nud stale`),
      'neighbour failed': () => [
        run(`neigh del 10.5.3.0 dev ${DEVICE}`),
        run(`neigh replace 10.5.3.0 dev ${DEVICE} nud failed`),
      ],
      'FDB entry deleted': () => bridge(`fdb del ${macOf(3)} dev ${DEVICE}`),
      'FDB entry changed': () =>
        bridge(`fdb replace ${macOf(3)} dev ${DEVICE} self permanent dst 192.168.77.99`),
      'address removed': () => run(`address del 10.5.1.0/32 dev ${DEVICE}`),
      'another address of the Network added': () => run(`address add 10.5.99.0/32 dev ${DEVICE}`),
    };
    const state = () => {
      const link = linkWords(DEVICE);
      const up = link?.flags.includes('UP');
      return { mtu: link?.mtu, address: link?.address, up, entries: entriesOn(DEVICE) };
    };
    for (const [what, damage] of Object.entries(damages)) {
      const { repairs } = reconciler.view;
      damage();
      await poll(() => reconciler.view.repairs > repairs);
      // Together: a pass that was under way may put entries back before it hears what became of the device.
      await becomes(t, state, { mtu: 1450, address: OWN_MAC, up: true, entries: expected(2, 3, 4) }, what);
    }
  });

  t.test('nexthop objects on the overlay device outlive the underlay’s cable', async t => {
    const { reconciler } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    await poll(() => reconciler.view.settled);
    for (const device of ['up1', UNDERLAY]) {
      run(`link set ${device} down`);
      t.same(entriesOn(DEVICE), expected(2, 3, 4), `${device} is down`);
      run(`link set ${device} up`);
      t.same(entriesOn(DEVICE), expected(2, 3, 4), `${device} is up again`);
    }
    t.equal(reconciler.view.repairs, 0, 'and nothing had to be put back');
  });

  t.test('what we do ourselves makes us read nothing', async t => {
    const { reconciler, socket, concernOf, mendsLoss, deviceNews, hears } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    let concerns: (Concern | undefined)[] = [];
    let marks = 0;
    const onMessage = (message: Message): void => {
      if (message.type === nl.RTM_NEWLINK && decodeLink(message.body).name === 'up1') marks++;
      else concerns.push(concernOf(message));
    };
    const listener = new NotificationSocket({ onMessage, onOverflow: () => undefined });
    t.teardown(() => listener.close());
    const mark = async (text: string): Promise<void> => {
      const before = marks;
      run(`link set up1 alias ${text}`);
      await poll(() => marks > before);
    };
    // The kernel tells some changes of devices' states a second late (net/core/link_watch.c): then again, without them.
    for (let n = 5; ; n++) {
      // Then the announcements of the device's own making are not still on their way.
      await mendsLoss(peerEntries(2)[0], () => bridge(`fdb del ${macOf(2)} dev ${DEVICE} self`));
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'the repair');
      const news = deviceNews();
      await mark(`before${n}`);
      concerns = [];
      const { dumps } = socket.stats;
      reconciler.setPeer(`${n}`, peerEntries(n));
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4, n), 'a new peer');
      // Of a peer that is gone when its coming is heard of, it would be news.
      const [fdb] = peerEntries(n);
      await hears('new', fdb, news);
      // The listener here has heard of it as well then.
      await mark(`between${n}`);
      reconciler.setPeer(`${n}`, []);
      await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'a peer less');
      await hears('gone', fdb, news);
      await mark(`after${n}`);
      if ((concerns.some(isOfDevices) || deviceNews() > news) && n < 9) continue;
      t.ok(concerns.length >= 8, 'each entry is announced as it comes and as it goes');
      t.same(
        concerns.filter(concern => concern !== undefined),
        [],
      );
      t.equal(socket.stats.dumps, dumps);
      break;
    }
  });

  t.test('a device that cannot be: why, and all is well once it can', async t => {
    const udp = createSocket('udp4').bind(8472);
    await once(udp, 'listening');
    const { reconciler, socket } = startRealHost(t);
    const code = (): string | undefined => reconciler.view.linkTrouble?.code;
    await becomes(t, code, 'EADDRINUSE', 'the port is taken');
    const [began, { changes }] = [performance.now(), socket.stats];
    // Each try makes the device, cannot set it up, and removes it: three changes, which are announced as nobody's. What is
    // heard of the underlay for the first time may lead to one try more.
    await poll(() => socket.stats.changes >= changes + 9);
    t.ok(performance.now() - began >= 1_000, 'the pauses grow, whatever is announced of the tries');
    // It is there for a moment whenever it is tried again, such as at news of the underlay.
    await becomes(t, () => linkWords(DEVICE), undefined, 'and no half of a device stays behind');
    udp.close();
    await becomes(t, code, undefined, 'free again');
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');

    const twin = vxlanLink({ vni: 12, port: 4812 });
    run(`link add vx12 type vxlan id 12 dstport 4812`);
    reconciler.setHost([twin], []);
    await becomes(t, code, 'EEXIST', 'another device has that VNI on that port');
    run('link del vx12');
    await becomes(t, code, undefined, 'gone again');
  });

  t.test('a device of that name which is none of ours', async t => {
    run(`link add ${DEVICE} type bridge`);
    const { reconciler } = startRealHost(t);
    await becomes(t, () => reconciler.view.linkTrouble?.code, 'refused', 'the name is taken');
    t.match(reconciler.view.linkTrouble?.error, 'the name is taken by a bridge device');
    t.equal(linkWords(DEVICE)?.linkinfo?.info_kind, 'bridge', 'it stays');
    run(`link del ${DEVICE}`);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
  });

  t.test('after a stop the kernel keeps all', async t => {
    const { stop } = startRealHost(t);
    await becomes(t, () => entriesOn(DEVICE), expected(2, 3, 4), 'entries');
    await stop();
    t.same(entriesOn(DEVICE), expected(2, 3, 4));
  });
});

/** Whose an entry is, and what its key is. */
import t from 'tap';
import { describe, isOurs, keyOf, kindOf, KINDS, sameEntry } from '../../../src/dataplane/kinds/index.js';
import { MessageWriter } from '../../../src/dataplane/netlink/message.js';
import { nexthopIdOf, subnetAddressOf } from '../../../src/dataplane/nexthop-id.js';
import type { Entry } from '../../../src/dataplane/model.js';
import {
  addressEntry,
  fdbEntry,
  flannelRoute,
  macOf,
  neighbourEntry,
  nexthopEntry,
  nexthopRoute,
  overlayRoute,
  OWNERSHIP,
  peerEntries,
  prefix,
  subnetOf,
  UNDERLAY,
  underlayRoute,
  vtepOf,
} from '../../support/dataplane.js';

const inside = subnetOf(2);
const otherInside = subnetOf(3);
const outside = prefix('10.9.2.0/24');

const elsewhere = nexthopEntry(2, { id: nexthopIdOf(outside)!, device: 'eth9' });

const OWNERS: readonly (readonly [what: string, entry: Entry, ours: boolean])[] = [
  ['our protocol on our device', overlayRoute(inside), true],
  ['our protocol on our device, out of the Network', overlayRoute(outside), true],
  ['our protocol into the Network elsewhere', underlayRoute(otherInside, vtepOf(9)), true],
  ['our protocol into the Network by no device', blackhole(83), true],
  ['our protocol out of the Network elsewhere', underlayRoute(outside, vtepOf(2)), false],
  ['our protocol to more than the Network', underlayRoute(prefix('10.0.0.0/8'), vtepOf(2)), false],
  ['our protocol with a metric', overlayRoute(inside, { metric: 100 }), true],
  ['our protocol with a nexthop object', overlayRoute(inside, { nexthopId: 5 }), true],

  ['flannel on our device', flannelRoute(inside), true],
  ['flannel on our device, of a peer that is gone', flannelRoute(otherInside), true],
  ['boot by another gateway', flannelRoute(inside, { gateway: '10.5.2.1' }), false],
  ['boot that is not on-link', flannelRoute(inside, { onLink: false }), false],
  ['boot with a metric', flannelRoute(inside, { metric: 10 }), false],
  ['boot that is special', flannelRoute(inside, { special: 'multipath' }), false],
  ['boot with an attribute', flannelRoute(inside, { attributes: 'mtu 600' }), false],
  ['our protocol with an attribute', overlayRoute(inside, { attributes: 'mtu 600' }), true],
  ['boot with a nexthop object', flannelRoute(inside, { nexthopId: 5 }), false],
  ['boot blackhole', blackhole(3), false],
  ['static on our device', overlayRoute(inside, { protocol: 4 }), false],
  ['the kernel on our device', overlayRoute(inside, { protocol: 2 }), false],

  ['boot on the underlay to a peer', boot(inside, vtepOf(2)), true],
  ['boot on the underlay to a peer by another gateway', boot(inside, vtepOf(3)), false],
  ['boot on the underlay to nobody', boot(otherInside, vtepOf(3)), false],
  ['boot on the underlay to a part of a peer', boot(prefix('10.5.2.0/25'), vtepOf(2)), false],
  ['boot on the underlay with a metric', boot(inside, vtepOf(2), { metric: 10 }), false],
  ['boot on another device to a peer', boot(inside, vtepOf(2), { device: 'eth9' }), false],
  ['static on the underlay to a peer', boot(inside, vtepOf(2), { protocol: 4 }), false],

  ['nexthop of our protocol on our device', nexthopEntry(2, { id: 7 }), true],
  [
    'nexthop of our protocol for a subnet of the Network, elsewhere',
    nexthopEntry(2, { device: 'eth9' }),
    true,
  ],
  ['nexthop of our protocol elsewhere', nexthopEntry(2, { id: 7, device: 'eth9' }), false],
  ['nexthop of our protocol for another network', elsewhere, false],
  ['nexthop of another protocol', nexthopEntry(2, { protocol: 3 }), false],
  ['nexthop group', nexthopEntry(2, { special: 'group' }), false],

  ['neighbour on our device', neighbourEntry('10.5.2.0', macOf(2)), true],
  ['neighbour elsewhere', neighbourEntry('10.5.2.0', macOf(2), UNDERLAY), false],
  ['FDB entry on our device', fdbEntry(macOf(2), vtepOf(2)), true],
  ['FDB entry elsewhere', fdbEntry(macOf(2), vtepOf(2), 'br0'), false],
  ['address on our device in the Network', addressEntry('10.5.2.0/32'), true],
  ['address on our device, of the whole Network', addressEntry('10.5.2.0/16'), true],
  ['address on our device out of the Network', addressEntry('192.168.9.1/24'), false],
  ['address on our device, of more than the Network', addressEntry('10.5.2.0/8'), false],
  ['address in the Network elsewhere', addressEntry('10.5.1.1/24', 'docker0'), false],
];

t.test('ownership', async t => {
  for (const [what, entry, ours] of OWNERS)
    t.equal(isOurs(entry, OWNERSHIP), ours, `${what}: ${ours ? 'ours' : 'foreign'}`);
});

t.test('without an underlay peer an underlay route is nobody of ours', async t => {
  const ownership = { ...OWNERSHIP, peerAt: () => undefined };
  t.equal(isOurs(boot(inside, vtepOf(2)), ownership), false);
  const { destination, onLink, protocol, metric } = boot(inside, vtepOf(2));
  const noGateway = { kind: 'route', destination, device: UNDERLAY, onLink, protocol, metric } as const;
  t.equal(isOurs(noGateway, ownership), false, 'no gateway is not the gateway of nobody');
});

t.test('what is alike is rewritten into what would be written', async t => {
  const devices = { indexOf: (name: string) => name.length, nameOf: () => undefined };
  const fresh = (writer: MessageWriter, entry: Entry, sequence: number): void => {
    writer.beginMessage(kindOf(entry).putType, 1, sequence);
    kindOf(entry).encode(writer, entry, devices);
    writer.endMessage();
  };
  const ipv6 = neighbourEntry('fd00::1', macOf(2));
  const entries: Entry[] = [...OWNERS.map(([, entry]) => entry), ipv6, { ...ipv6, mac: macOf(3) }];
  for (const n of [3, 4]) {
    entries.push(...peerEntries(n), nexthopEntry(n), nexthopRoute(n), underlayRoute(subnetOf(n), vtepOf(n)));
    entries.push(nexthopRoute(n, { metric: 5 }), overlayRoute(subnetOf(n), { metric: 5 }));
  }
  const alike = new Set<string>();
  const unfit = new Set<string>();
  for (const [entry, model] of entries.flatMap(one => entries.map(other => [one, other] as const))) {
    if (entry.kind !== model.kind) continue;
    const [rewritten, expected] = [new MessageWriter(), new MessageWriter()];
    fresh(rewritten, model, 7);
    fresh(expected, model, 7);
    if (!kindOf(model).isModel(model)) {
      unfit.add(keyOf(model));
      continue;
    }
    const isAlike = kindOf(entry).rewrite(rewritten, entry, model);
    if (isAlike) fresh(expected, entry, 8);
    t.same(rewritten.bytes(), expected.bytes(), `${describe(model)} into ${describe(entry)}`);
    if (isAlike) alike.add(`${entry.kind}${'nexthopId' in entry ? ' by id' : ''}`);
  }
  t.same([...alike].sort(), ['fdb', 'neighbour', 'nexthop', 'route', 'route by id']);
  t.ok(unfit.has(keyOf(ipv6)), 'an IPv6 address does not fit the place of an IPv4 one');
  t.notOk(unfit.has(keyOf(nexthopRoute(3))));
});

t.test('keys are the kernel’s', async t => {
  const one = (entry: Entry): string => keyOf(entry);
  t.equal(one(overlayRoute(inside)), one(underlayRoute(inside, vtepOf(2), { protocol: 4 })));
  t.not(one(overlayRoute(inside)), one(overlayRoute(inside, { metric: 1 })), 'the metric is part of it');
  t.not(one(overlayRoute(inside)), one(overlayRoute(prefix('10.5.2.0/25'))));
  t.equal(one(fdbEntry(macOf(2), vtepOf(2))), one(fdbEntry(macOf(2), vtepOf(3))));
  t.not(one(fdbEntry(macOf(2), vtepOf(2))), one(fdbEntry(macOf(2), vtepOf(2), 'flannel.2')));
  t.equal(one(neighbourEntry('10.5.2.0', macOf(2))), one(neighbourEntry('10.5.2.0', macOf(3))));
  t.not(one(addressEntry('10.5.2.0/32')), one(addressEntry('10.5.2.0/16')));
});

t.test('what makes entries of one key differ', async t => {
  const route = overlayRoute(inside);
  t.ok(sameEntry(route, { ...route }));
  for (const change of [
    { gateway: '10.5.9.9' },
    { device: UNDERLAY },
    { onLink: false },
    { protocol: 3 },
    { nexthopId: 5 },
    { special: 'multipath' },
    { attributes: 'mtu 600' },
  ])
    t.notOk(sameEntry(route, { ...route, ...change }), JSON.stringify(change));
  t.notOk(sameEntry(fdbEntry(macOf(2), vtepOf(2)), fdbEntry(macOf(2), vtepOf(3))));
  const fdb = fdbEntry(macOf(2), vtepOf(2));
  t.notOk(sameEntry(fdb, { ...fdb, special: 'port 1234' }));
  t.ok(sameEntry(nexthopRoute(2), nexthopRoute(2)));
  t.notOk(sameEntry(nexthopRoute(2), nexthopRoute(2, { attributes: 'mtu 600' })));
  t.notOk(sameEntry(neighbourEntry('10.5.2.0', macOf(2)), neighbourEntry('10.5.2.0', macOf(3))));
});

t.test('entries in iproute2’s words', async t => {
  t.same(
    [
      overlayRoute(inside),
      boot(inside, vtepOf(2), { metric: 5 }),
      blackhole(83),
      overlayRoute(inside, { metric: 5, attributes: 'mtu lock 600' }),
      fdbEntry(macOf(2), vtepOf(2)),
      { ...fdbEntry(macOf(2), vtepOf(2)), special: 'port 1234' },
      { kind: 'fdb', device: 'flannel.1', mac: macOf(2), special: 'nhid 501' } as const,
      neighbourEntry('10.5.2.0', macOf(2)),
      addressEntry('10.5.1.0/32'),
      nexthopEntry(2),
      nexthopRoute(2),
    ].map(describe),
    [
      'route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink',
      'route 10.5.2.0/24 via 192.168.77.2 dev up0 proto boot metric 5',
      'route blackhole 10.5.2.0/24',
      'route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink metric 5 mtu lock 600',
      'fdb 02:53:00:00:00:02 dev flannel.1 dst 192.168.77.2',
      'fdb 02:53:00:00:00:02 dev flannel.1 dst 192.168.77.2 port 1234',
      'fdb 02:53:00:00:00:02 dev flannel.1 nhid 501',
      'neighbour 10.5.2.0 lladdr 02:53:00:00:00:02 dev flannel.1',
      'address 10.5.1.0/32 dev flannel.1',
      'nexthop 1115766912 via 10.5.2.0 dev flannel.1 onlink',
      'route 10.5.2.0/24 nhid 1115766912 via 10.5.2.0 dev flannel.1 onlink',
    ],
  );
});

// A kernel with net.ipv4.nexthop_compat_mode off tells neither gateway nor device nor flag of such a route.
t.test('of routes by nexthop objects only the id counts', async t => {
  const route = nexthopRoute(2);
  const { kind, destination, protocol, metric, nexthopId } = route;
  const told: Entry = { kind, destination, protocol, metric, onLink: false, ...(nexthopId && { nexthopId }) };
  t.ok(sameEntry(route, told));
  t.ok(isOurs(told, OWNERSHIP));
  t.notOk(sameEntry(route, overlayRoute(inside)), 'a classic one is another');
});

t.test('an id for each subnet, and back', async t => {
  for (const text of ['0.0.0.0/8', '10.5.2.0/24', '10.5.2.4/30', '192.168.0.0/16', '255.255.255.252/30']) {
    const id = nexthopIdOf(prefix(text))!;
    t.ok(id >= 2 ** 30 && id < 2 ** 31, `${text}: ${id} is high, and fits a signed number`);
    t.equal(`${subnetAddressOf(id)}/${text.split('/')[1]}`, text);
  }
  t.equal(nexthopIdOf(prefix('10.5.2.0/31')), undefined);
  t.equal(nexthopIdOf(prefix('fd00::/64')), undefined);
  for (const id of [0, 7, 2 ** 30 - 1, 2 ** 31, 2 ** 32 - 1]) t.equal(subnetAddressOf(id), undefined);
});

t.test('the kinds stand in the order of additions', async t => {
  t.same(
    KINDS.map(kind => kind.name),
    ['address', 'fdb', 'neighbour', 'nexthop', 'route'],
  );
});

function boot(...[to, gateway, changes]: Parameters<typeof underlayRoute>): ReturnType<typeof underlayRoute> {
  return underlayRoute(to, gateway, { protocol: 3, ...changes });
}

function blackhole(protocol: number): Entry {
  return { kind: 'route', destination: inside, onLink: false, protocol, metric: 0, special: 'blackhole' };
}

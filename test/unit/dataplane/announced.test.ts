/** What announcements of entries say, and what puts it right without a reading. */
import t from 'tap';
import {
  Announcements,
  NO_NEWS,
  opsAgainst,
  type Announced,
  type News,
} from '../../../src/dataplane/announced.js';
import { byKey } from '../../../src/dataplane/diff.js';
import type { DeviceTable } from '../../../src/dataplane/kinds/kind.js';
import type { Entry } from '../../../src/dataplane/model.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLink } from '../../../src/dataplane/netlink/link.js';
import { readMessages, type MessageWriter } from '../../../src/dataplane/netlink/message.js';
import { encodeNeighbour, type Neighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { encodeNexthop } from '../../../src/dataplane/netlink/nexthop.js';
import { encodeRoute } from '../../../src/dataplane/netlink/route.js';
import {
  DEVICE,
  fdbEntry,
  macOf,
  neighbourEntry,
  newsOf,
  nexthopEntry,
  nexthopRoute,
  overlayRoute,
  OWNERSHIP,
  peerEntries,
  programmed,
  subnetOf,
  vtepOf,
} from '../../support/dataplane.js';
import { encode } from '../../support/fake-kernel.js';
import { arpOn, fdbOn, MAC_A, nexthopOn, routeBy } from '../../support/netlink-contract-entries.js';

const VX = 3;
/** NUD_FAILED of linux/neighbour.h. */
const FAILED = 0x20;
const devices: DeviceTable = {
  indexOf: () => VX,
  nameOf: index => (index === VX ? DEVICE : `eth${index}`),
};
/** What the kernel is to hold of peers 2 and 3: FDB entries, neighbours, nexthop objects, routes. */
const WANTED: ReadonlyMap<string, Entry> = byKey(programmed([2, 3].flatMap(n => peerEntries(n))));

const said = (type: number, write: (writer: MessageWriter) => void) =>
  readMessages(encode(type, 0, 0, 0, write))[0]!;
const neighbour = (type: number, entry: Neighbour) => said(type, writer => encodeNeighbour(writer, entry));

/** By default everything matters. */
const take = (announcements: Announcements, isOfConcern = () => true) =>
  announcements.take(devices, isOfConcern);

/** In the order in which they are carried out. */
const against = (announced: News['entries'], wanted: ReadonlyMap<string, Entry>) => {
  const { ways, routes } = opsAgainst(announced, wanted, OWNERSHIP);
  return [...ways, ...routes];
};

t.test('the last word on each entry counts', async t => {
  const { id } = nexthopEntry(2);
  const announcements = new Announcements();
  const heard = [
    said(nl.RTM_DELROUTE, writer => encodeRoute(writer, routeBy(id, '10.5.2.0'))),
    said(nl.RTM_DELNEXTHOP, writer => encodeNexthop(writer, nexthopOn(VX, id, '10.5.2.0'))),
    neighbour(nl.RTM_DELNEIGH, fdbOn(VX, MAC_A, '192.168.77.2')),
    neighbour(nl.RTM_NEWNEIGH, fdbOn(VX, MAC_A, '192.168.77.99')),
    neighbour(nl.RTM_DELNEIGH, { ...arpOn(VX, '10.5.2.0', MAC_A), state: FAILED, linkAddress: undefined }),
  ];
  for (const message of heard) announcements.note(message);
  t.match(
    [...take(announcements).entries.values()],
    [
      { isThere: false, entry: { kind: 'route', destination: subnetOf(2), nexthopId: id } },
      { isThere: false, entry: { kind: 'nexthop', id } },
      { isThere: true, entry: { kind: 'fdb', vtep: '192.168.77.99' } },
      { isThere: false, entry: { kind: 'neighbour', device: DEVICE, address: '10.5.2.0' } },
    ],
  );
  t.same(take(announcements), NO_NEWS);
});

t.test('an FDB entry that is not permanent any more is lost', async t => {
  const announcements = new Announcements();
  const learned = { ...fdbOn(VX, MAC_A, '192.168.77.99'), state: 0x02 };
  announcements.note(neighbour(nl.RTM_NEWNEIGH, learned));
  announcements.note(neighbour(nl.RTM_NEWNEIGH, { ...learned, interfaceIndex: 9, flags: 0 }));
  const { entries: told, isAll } = take(announcements, () => false);
  t.ok(isAll, 'the other is of another device');
  t.same(
    [...told.values()],
    [{ isThere: false, entry: { kind: 'fdb', device: DEVICE, mac: '02:53:00:00:00:01' } }],
  );
  const wanted = fdbEntry('02:53:00:00:00:01', vtepOf(2));
  t.same(against(told, byKey([wanted])), [{ kind: 'create', entry: wanted }]);
  t.same(against(told, WANTED), [], 'of a MAC that nobody wants');
});

t.test('what matters and is no such entry leaves something to be read', async t => {
  const announcements = new Announcements();
  const link = said(nl.RTM_NEWLINK, writer => encodeLink(writer, { index: 9, name: 'docker0' }));
  announcements.note(neighbour(nl.RTM_DELNEIGH, arpOn(VX, '10.5.2.0', MAC_A)));
  announcements.note(link);
  const { entries, isAll } = take(announcements);
  t.same([entries.size, isAll], [1, false]);
  announcements.note(link);
  t.same(
    take(announcements, () => false),
    NO_NEWS,
    'it does not matter',
  );
  announcements.note(link);
  announcements.clear();
  t.same(take(announcements), NO_NEWS);
});

t.test('too much at once is not told one by one', async t => {
  const announcements = new Announcements();
  const note = (count: number) => {
    for (let n = 0; n < count; n++) {
      const arp = arpOn(VX, `10.${5 + (n >> 8)}.${n & 0xff}.0`, MAC_A);
      announcements.note(neighbour(nl.RTM_DELNEIGH, arp));
    }
    const { entries, isAll } = take(announcements);
    return [entries.size, isAll];
  };
  t.same(note(20_000), [20_000, true]);
  t.same(note(20_001), [0, false]);
  t.same(note(1), [1, true], 'and the next is told again');
});

t.test('what puts it right', async t => {
  const [nexthop, route] = [nexthopEntry(2), nexthopRoute(2)];
  const [fdb, arp] = [fdbEntry(macOf(2), vtepOf(2)), neighbourEntry('10.5.2.0', macOf(2))];
  const foreign = overlayRoute(subnetOf(2), { protocol: 4 });
  const altered = overlayRoute(subnetOf(2), { gateway: '10.5.2.9' });
  const gone = (entry: Entry): Announced => ({ entry, isThere: false });
  const there = (entry: Entry): Announced => ({ entry, isThere: true });
  const create = (entry: Entry) => ({ kind: 'create', entry });
  const cases: readonly (readonly [what: string, announced: Announced[], ops: unknown[]])[] = [
    ['a route is gone', [gone(route)], [create(route)]],
    ['a nexthop object is gone, and its route with it', [gone(nexthop)], [create(nexthop), create(route)]],
    ['both are told', [gone(route), gone(nexthop)], [create(nexthop), create(route)]],
    ['an FDB entry is gone', [gone(fdb)], [create(fdb)]],
    ['a neighbour is gone, whatever its MAC was', [gone({ ...arp, mac: macOf(9) })], [create(arp)]],
    [
      'an FDB entry leads elsewhere',
      [there({ ...fdb, vtep: vtepOf(9) })],
      [{ kind: 'replace', entry: fdb, held: { ...fdb, vtep: vtepOf(9) } }],
    ],
    [
      'an FDB entry says more',
      [there({ ...fdb, special: 'port 1234' })],
      [{ kind: 'replace', entry: fdb, held: { ...fdb, special: 'port 1234' } }],
    ],
    ['an FDB entry is as it should be', [there(fdb)], []],
    ["somebody else's route is gone, and ours may be there", [gone(foreign)], [create(route)]],
    [
      'a route that has our protocol leads elsewhere',
      [there(altered)],
      [{ kind: 'replace', entry: route, held: altered }],
    ],
    [
      'a nexthop object that has our protocol leads elsewhere',
      [there({ ...nexthop, gateway: '10.5.2.9' })],
      [{ kind: 'replace', entry: nexthop, held: { ...nexthop, gateway: '10.5.2.9' } }],
    ],
    ["a route has become somebody else's", [there(foreign)], []],
    ['another nexthop object is gone', [gone(nexthopEntry(9))], []],
  ];
  for (const [what, announced, ops] of cases)
    t.same(against(newsOf(...announced).entries, WANTED), ops, what);
  const isWhole = (...announced: Announced[]) =>
    opsAgainst(newsOf(...announced).entries, WANTED, OWNERSHIP).isWhole;
  t.ok(isWhole(gone(route), there(fdb), gone(nexthopEntry(9)), there(altered)));
  t.notOk(isWhole(gone(route), there(foreign)), 'it stands in the way');
  t.notOk(isWhole(gone(route), there(nexthopEntry(9))), 'nobody wants it, and it may be ours');
});

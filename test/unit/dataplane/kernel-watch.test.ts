/** Which announcements concern us. */
import t from 'tap';
import { ipToBytes } from '../../../src/address/ip.js';
import { concernOf, type Concern, type Interests } from '../../../src/dataplane/kernel-watch.js';
import type { DeviceTable } from '../../../src/dataplane/kinds/kind.js';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLink } from '../../../src/dataplane/netlink/link.js';
import { readMessages, type MessageWriter } from '../../../src/dataplane/netlink/message.js';
import { encodeNeighbour, type Neighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { encodeNexthop } from '../../../src/dataplane/netlink/nexthop.js';
import { encodeRoute, type RouteRequest } from '../../../src/dataplane/netlink/route.js';
import { nexthopIdOf } from '../../../src/dataplane/nexthop-id.js';
import { DEVICE, fdbEntry, NETWORK, subnetOf, UNDERLAY } from '../../support/dataplane.js';
import { encode } from '../../support/fake-kernel.js';
import {
  addressOn,
  arpOn,
  fdbOn,
  MAC_A,
  nexthopOn,
  routeOn,
} from '../../support/netlink-contract-entries.js';

const OWN_PORT = 1000;
/** NUD_FAILED of linux/neighbour.h. */
const FAILED = 0x20;
const NAMES = ['', 'lo', UNDERLAY, DEVICE, 'eth9', 'docker0'];
const [UP0, VX, OTHER, BRIDGE] = [2, 3, 4, 5];
const interests: Interests = {
  network: NETWORK,
  overlay: new Set([DEVICE]),
  underlay: UNDERLAY,
  addressed: 'docker0',
  isExpected: () => false,
};
const devices: DeviceTable = {
  indexOf: name => NAMES.indexOf(name),
  nameOf: index => NAMES[index],
};

type Write = (writer: MessageWriter) => void;
const link =
  (index: number, name: string): Write =>
  writer =>
    encodeLink(writer, { index, name });
const vxlan =
  (index: number, name: string): Write =>
  writer =>
    encodeLink(writer, { index, name, vxlan: { id: 1, port: 8472 } });
const address =
  (index: number): Write =>
  writer =>
    encodeAddress(writer, addressOn(index, '10.9.9.9', 24));
const neighbour =
  (entry: Neighbour): Write =>
  writer =>
    encodeNeighbour(writer, entry);
const route =
  (index: number, to: string, changes: Partial<RouteRequest> = {}): Write =>
  writer =>
    encodeRoute(writer, { ...routeOn(index, to, '192.168.77.9'), ...changes });

const nexthop =
  (index: number, id: number): Write =>
  writer =>
    encodeNexthop(writer, nexthopOn(index, id, '192.168.77.9'));
const OUR_ID = nexthopIdOf(subnetOf(2))!;

/** NUD_STALE of linux/neighbour.h */
const STALE = 0x04;
const TABLE: readonly (readonly [what: string, type: number, write: Write, concern: Concern | undefined])[] =
  [
    ['our device', nl.RTM_NEWLINK, link(VX, DEVICE), 'overlay'],
    ['our device gone', nl.RTM_DELLINK, link(VX, DEVICE), 'overlay'],
    ['our device made anew', nl.RTM_NEWLINK, link(99, DEVICE), 'overlay'],
    ['our device renamed', nl.RTM_NEWLINK, link(VX, 'vx'), 'overlay'],
    ['the underlay', nl.RTM_NEWLINK, link(UP0, UNDERLAY), 'underlay'],
    ['the underlay is back', nl.RTM_NEWLINK, link(99, UNDERLAY), 'underlay'],
    ['another device', nl.RTM_NEWLINK, link(OTHER, 'eth9'), undefined],
    ['another device gone', nl.RTM_DELLINK, link(OTHER, 'eth9'), undefined],
    ['another VXLAN device', nl.RTM_NEWLINK, vxlan(OTHER, 'eth9'), undefined],
    ['another VXLAN device gone', nl.RTM_DELLINK, vxlan(OTHER, 'eth9'), 'overlay'],
    ['address on our device', nl.RTM_DELADDR, address(VX), 'overlay'],
    ['address on the underlay', nl.RTM_NEWADDR, address(UP0), 'underlay'],
    ['address on Docker’s bridge', nl.RTM_NEWADDR, address(BRIDGE), 'entries'],
    ['address gone from Docker’s bridge', nl.RTM_DELADDR, address(BRIDGE), 'entries'],
    ['Docker’s bridge, with a container more', nl.RTM_NEWLINK, link(BRIDGE, 'docker0'), undefined],
    ['Docker’s bridge made anew', nl.RTM_NEWLINK, link(99, 'docker0'), 'entries'],
    ['address elsewhere', nl.RTM_NEWADDR, address(OTHER), undefined],
    ['neighbour on our device', nl.RTM_DELNEIGH, neighbour(arpOn(VX, '10.5.2.0', MAC_A)), 'entries'],
    ['neighbour on the underlay', nl.RTM_NEWNEIGH, neighbour(arpOn(UP0, '192.168.77.2', MAC_A)), undefined],
    [
      'neighbour by IPv6 on our device',
      nl.RTM_NEWNEIGH,
      neighbour({ ...arpOn(VX, '10.5.2.0', MAC_A), family: nl.AF_INET6, destination: ipToBytes('fe80::1') }),
      undefined,
    ],
    ['FDB entry', nl.RTM_DELNEIGH, neighbour(fdbOn(VX, MAC_A, '192.168.77.2')), 'entries'],
    [
      'FDB entry of which only the MAC is told',
      nl.RTM_DELNEIGH,
      neighbour({ ...fdbOn(VX, MAC_A), state: STALE }),
      'entries',
    ],
    [
      'what a bridge learns on our device as its port',
      nl.RTM_NEWNEIGH,
      neighbour({ ...fdbOn(VX, MAC_A), state: STALE, flags: 0, master: BRIDGE }),
      undefined,
    ],
    ['route on our device', nl.RTM_DELROUTE, route(VX, '10.9.9.0'), 'entries'],
    ['route into the Network', nl.RTM_NEWROUTE, route(OTHER, '10.5.2.0'), 'entries'],
    ['route over the Network', nl.RTM_NEWROUTE, route(OTHER, '10.0.0.0', { prefixLength: 8 }), 'entries'],
    ['default route', nl.RTM_NEWROUTE, route(OTHER, '0.0.0.0', { prefixLength: 0 }), undefined],
    ['route elsewhere', nl.RTM_NEWROUTE, route(OTHER, '10.9.9.0'), undefined],
    [
      'route into the Network in another table',
      nl.RTM_NEWROUTE,
      route(VX, '10.5.2.0', { table: 255 }),
      undefined,
    ],
    [
      'the underlay’s own route',
      nl.RTM_DELROUTE,
      route(UP0, '172.16.0.0', { protocol: 2, gateway: undefined, flags: 0 }),
      'underlay',
    ],
    [
      'somebody’s on-link route of the underlay',
      nl.RTM_NEWROUTE,
      route(UP0, '172.16.0.0', { protocol: 3, gateway: undefined, flags: 0 }),
      'underlay',
    ],
    [
      'somebody’s on-link route elsewhere',
      nl.RTM_NEWROUTE,
      route(OTHER, '172.16.0.0', { protocol: 3, gateway: undefined, flags: 0 }),
      undefined,
    ],
    [
      'somebody’s route on the underlay',
      nl.RTM_NEWROUTE,
      route(UP0, '172.16.0.0', { protocol: 4 }),
      undefined,
    ],
    ['nexthop for a subnet of the Network', nl.RTM_NEWNEXTHOP, nexthop(OTHER, OUR_ID), 'entries'],
    ['nexthop for a subnet of the Network gone', nl.RTM_DELNEXTHOP, nexthop(VX, OUR_ID), 'entries'],
    ['nexthop on our device', nl.RTM_NEWNEXTHOP, nexthop(VX, 7), 'entries'],
    ['nexthop elsewhere', nl.RTM_NEWNEXTHOP, nexthop(OTHER, 7), undefined],
  ];

const judge = (
  type: number,
  write: Write,
  port: number,
  changes: Partial<Interests> = {},
): Concern | undefined => {
  const [message] = readMessages(encode(type, 0, 0, port, write));
  return concernOf(message!, { ...interests, ...changes }, devices, OWN_PORT);
};

t.test('what others do', async t => {
  for (const [what, type, write, concern] of TABLE) t.equal(judge(type, write, 0), concern, what);
});

t.test('what we did ourselves is no news', async t => {
  for (const [what, type, write] of TABLE) t.equal(judge(type, write, OWN_PORT), undefined, what);
});

// The VXLAN driver does not say whose doing a change of a forwarding entry was.
t.test('an FDB entry that is there or gone as it should be is no news', async t => {
  const entry = fdbEntry('02:53:00:00:00:01', '192.168.77.2');
  const write = neighbour(fdbOn(VX, MAC_A, '192.168.77.2'));
  for (const [type, isThere] of [
    [nl.RTM_NEWNEIGH, true],
    [nl.RTM_DELNEIGH, false],
  ] as const) {
    const asked: unknown[] = [];
    const isExpected = (...args: unknown[]): boolean => asked.push(args) > 0;
    t.equal(judge(type, write, 0, { isExpected }), undefined);
    t.same(asked, [[entry, isThere]]);
  }
});

// A learning device notes each new sender, and forgets it after a while.
t.test('an FDB entry that is not permanent is news where the MAC is wanted', async t => {
  const write = neighbour({ ...fdbOn(VX, MAC_A, '192.168.77.2'), state: STALE });
  for (const type of [nl.RTM_NEWNEIGH, nl.RTM_DELNEIGH]) {
    for (const isWanted of [true, false]) {
      const asked: unknown[] = [];
      const isExpected = (...args: unknown[]): boolean => asked.push(args) > 0 && !isWanted;
      t.equal(judge(type, write, 0, { isExpected }), isWanted ? 'entries' : undefined);
      t.same(asked, [[{ kind: 'fdb', device: DEVICE, mac: '02:53:00:00:00:01' }, false]]);
    }
  }
});

// A neighbour that we remove goes by the kernel's own hand, and its last announcement need not bear the MAC that we gave it.
t.test('a neighbour that is gone as it should be is no news', async t => {
  const write = neighbour({ ...arpOn(VX, '10.5.2.0', MAC_A), state: FAILED, linkAddress: undefined });
  const asked: unknown[] = [];
  const isExpected = (...args: unknown[]): boolean => asked.push(args) > 0;
  t.equal(judge(nl.RTM_DELNEIGH, write, 0, { isExpected }), undefined);
  t.match(asked, [[{ kind: 'neighbour', device: DEVICE, address: '10.5.2.0' }, false]]);
  t.equal(judge(nl.RTM_NEWNEIGH, write, 0, { isExpected }), 'entries', 'but not one that was changed');
});

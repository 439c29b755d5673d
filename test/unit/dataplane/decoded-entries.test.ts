/** What entries are made of the kernel's words, as far as others may have altered them. */
import t from 'tap';
import { fdb } from '../../../src/dataplane/kinds/fdb.js';
import type { DeviceTable } from '../../../src/dataplane/kinds/kind.js';
import { describe, isOurs, sameEntry } from '../../../src/dataplane/kinds/index.js';
import { nexthop } from '../../../src/dataplane/kinds/nexthop.js';
import { route } from '../../../src/dataplane/kinds/route.js';
import { MalformedMessageError } from '../../../src/dataplane/netlink/errors.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { readMessages, type MessageWriter } from '../../../src/dataplane/netlink/message.js';
import { encodeNeighbour, type Neighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { encodeNexthop } from '../../../src/dataplane/netlink/nexthop.js';
import { encodeRoute, type RouteRequest } from '../../../src/dataplane/netlink/route.js';
import {
  DEVICE,
  fdbEntry,
  nexthopEntry,
  overlayRoute,
  OWNERSHIP,
  subnetOf,
} from '../../support/dataplane.js';
import { encode } from '../../support/fake-kernel.js';
import { bytes, fdbOn, MAC_A, nexthopOn, routeBy, routeOn } from '../../support/netlink-contract-entries.js';

const VX = 3;
const devices: DeviceTable = {
  indexOf: () => VX,
  nameOf: index => ({ 1: 'lo', [VX]: DEVICE })[index],
};
const bodyOf = (write: (writer: MessageWriter) => void) => readMessages(encode(0, 0, 0, 0, write))[0]!.body;

t.test('FDB entries', async t => {
  const ours = fdbEntry('02:53:00:00:00:01', '192.168.77.2');
  const byObject = { kind: 'fdb', device: DEVICE, mac: ours.mac, special: 'nhid 501' };
  const plain = fdbOn(VX, MAC_A, '192.168.77.2');
  const byNexthops = { ...fdbOn(VX, MAC_A), nexthopId: 501 };
  const cases: readonly (readonly [what: string, read: Neighbour, entry: unknown])[] = [
    ['as ours are', plain, ours],
    ['with a port', { ...plain, port: 1234 }, { ...ours, special: 'port 1234' }],
    [
      'with all that there is',
      { ...plain, port: 1234, vni: 77, viaInterface: 1 },
      { ...ours, special: 'port 1234 vni 77 via lo' },
    ],
    ['via a device that is not known', { ...plain, viaInterface: 9 }, { ...ours, special: 'via if9' }],
    ['by nexthop objects', byNexthops, byObject],
    ['by nexthop objects, not permanent', { ...byNexthops, state: 0x02 }, byObject],
    ['static', { ...plain, state: nl.NUD_NOARP }, undefined],
    ['without a VTEP', fdbOn(VX, MAC_A), undefined],
  ];
  for (const [what, read, entry] of cases)
    t.same(
      fdb.decode(
        bodyOf(writer => encodeNeighbour(writer, read)),
        devices,
      ),
      entry,
      what,
    );
});

t.test('routes', async t => {
  const plain = routeOn(VX, '10.5.2.0', '10.5.2.0');
  const decoded = (read: RouteRequest, more: (writer: MessageWriter) => void = () => undefined) =>
    route.decode(
      bodyOf(writer => {
        encodeRoute(writer, read);
        more(writer);
      }),
      devices,
    );
  const metrics = (write: (writer: MessageWriter) => void) => (writer: MessageWriter) => {
    const start = writer.beginNested(nl.RTA_METRICS);
    write(writer);
    writer.endNested(start);
  };
  const [MTU, ADVMSS, UNKNOWN] = [2, 8, 30];
  const wrapped = (writer: MessageWriter) => {
    writer.attributeU16(nl.RTA_ENCAP_TYPE, 2);
    writer.attributeU32(nl.RTA_FLOW, (1 << 16) | 5);
  };
  const ours = overlayRoute(subnetOf(2));
  t.same(decoded(plain), ours, 'as ours are');
  t.same(decoded({ ...plain, preferredSource: bytes('10.0.0.1') }), { ...ours, attributes: 'src 10.0.0.1' });
  const written = metrics(writer => {
    writer.attributeU32(nl.RTAX_LOCK, 1 << MTU);
    writer.attributeU32(MTU, 600);
    writer.attributeU32(ADVMSS, 500);
    writer.attributeString(nl.RTAX_CC_ALGO, 'reno');
    writer.attributeU32(UNKNOWN, 1);
  });
  const said = 'mtu lock 600 advmss 500 congctl reno metric type 30 1';
  t.same(decoded(plain, written), { ...ours, attributes: said });
  t.same(
    decoded(
      plain,
      metrics(() => undefined),
    ),
    ours,
    'metrics that are none',
  );
  t.same(decoded(plain, wrapped), { ...ours, attributes: 'realms 1/5 encap ip' });
  t.same(
    decoded(plain, writer => writer.attributeU16(nl.RTA_ENCAP_TYPE, 99)),
    { ...ours, attributes: 'encap 99' },
  );
  t.equal(decoded(routeBy(7, '10.5.2.0'), wrapped)?.attributes, undefined, 'a nexthop object’s own');
  t.equal(decoded(routeBy(7, '10.5.2.0'), written)?.attributes, said);
  const short = metrics(writer => writer.attributeU16(MTU, 600));
  t.throws(() => decoded(plain, short), MalformedMessageError);
});

t.test('nexthop objects', async t => {
  const { id } = nexthopEntry(2);
  const decoded = (more: (writer: MessageWriter) => void) =>
    nexthop.decode(
      bodyOf(writer => {
        encodeNexthop(writer, nexthopOn(VX, id, '10.5.2.0'));
        more(writer);
      }),
      devices,
    );
  t.same(
    decoded(() => undefined),
    nexthopEntry(2),
  );
  const wrapped = decoded(writer => writer.attributeU16(nl.NHA_ENCAP_TYPE, 2));
  t.same(wrapped, nexthopEntry(2, { attributes: 'encap ip' }));
  t.notOk(sameEntry(nexthopEntry(2), wrapped!));
  t.ok(isOurs(wrapped!, OWNERSHIP), 'still ours to mend');
  t.match(describe(wrapped!), / onlink encap ip$/);
});

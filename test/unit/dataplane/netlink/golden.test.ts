/** Our bytes against those of iproute2, and our reading of the kernel's. */
import t from 'tap';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import { decodeAddress, encodeAddress } from '../../../../src/dataplane/netlink/address.js';
import { decodeLink, encodeLink, encodeLinkSelector } from '../../../../src/dataplane/netlink/link.js';
import {
  AttributeReader,
  MessageWriter,
  readMessages,
  type Message,
} from '../../../../src/dataplane/netlink/message.js';
import { decodeNeighbour, encodeNeighbour } from '../../../../src/dataplane/netlink/neighbour.js';
import {
  decodeNexthop,
  encodeNexthop,
  encodeNexthopSelector,
} from '../../../../src/dataplane/netlink/nexthop.js';
import { decodeRoute, encodeRoute, encodeRouteLookup } from '../../../../src/dataplane/netlink/route.js';
import { ANSWERED, SENT } from './golden.js';

const DEVICE = 4;
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(':', ''), 'hex'));
const address = (text: string): Uint8Array => Uint8Array.from(text.split('.'), Number);
const hex = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString('hex');

const REQUEST = nl.NLM_F_REQUEST | nl.NLM_F_ACK;
const CREATE = REQUEST | nl.NLM_F_CREATE | nl.NLM_F_EXCL;
const REPLACE = REQUEST | nl.NLM_F_CREATE | nl.NLM_F_REPLACE;
const MAC = bytes('0e:2a:00:00:00:09');
const ROUTE = {
  family: nl.AF_INET,
  destination: address('10.5.2.0'),
  prefixLength: 24,
  tos: 0,
  table: nl.RT_TABLE_MAIN,
  protocol: 83,
  scope: nl.RT_SCOPE_UNIVERSE,
  type: nl.RTN_UNICAST,
  flags: nl.RTNH_F_ONLINK,
  metric: 0,
  gateway: address('10.5.2.0'),
  outInterface: DEVICE,
};
const VIA_IPV6 = bytes('fe80:0000:0000:0000:0000:0000:0000:0001');
const IPV6_PREFIX = bytes('fd00:0010:0000:0002:0000:0000:0000:0000');
const ARP = {
  family: nl.AF_INET,
  interfaceIndex: DEVICE,
  state: nl.NUD_PERMANENT,
  flags: 0,
  type: 0,
  destination: address('10.5.2.0'),
  linkAddress: MAC,
  protocol: 83,
};
const FDB = {
  family: nl.AF_BRIDGE,
  interfaceIndex: DEVICE,
  state: nl.NUD_PERMANENT | nl.NUD_NOARP,
  flags: nl.NTF_SELF,
  type: 0,
  destination: address('192.168.77.2'),
  linkAddress: MAC,
};
const NEXTHOP = {
  family: nl.AF_INET,
  protocol: 83,
  flags: nl.RTNH_F_ONLINK,
  id: 1115766912,
  gateway: address('10.5.2.0'),
  outInterface: DEVICE,
};
const OVERLAY_ADDRESS = {
  family: nl.AF_INET,
  interfaceIndex: DEVICE,
  prefixLength: 32,
  scope: 0,
  flags: 0,
  local: address('10.5.52.0'),
};

type Write = (writer: MessageWriter) => void;

/** What of ours says the same as the command; type and flags with it. */
const OURS: Record<keyof typeof SENT, [type: number, flags: number, write: Write]> = {
  'ip link add flannel.1 address 0e:2a:00:00:00:01 mtu 1450 txqueuelen 0 type vxlan id 1 dev up0 local 192.168.77.1 dstport 8472 nolearning':
    [
      nl.RTM_NEWLINK,
      CREATE,
      w =>
        encodeLink(w, {
          name: 'flannel.1',
          linkAddress: bytes('0e:2a:00:00:00:01'),
          mtu: 1450,
          transmitQueueLength: 0,
          vxlan: { id: 1, link: 3, local: address('192.168.77.1'), port: 8472, learning: false },
        }),
    ],
  'ip link set dev flannel.1 mtu 1400': [
    nl.RTM_NEWLINK,
    REQUEST,
    w => encodeLink(w, { index: DEVICE, mtu: 1400 }),
  ],
  'ip link set dev flannel.1 up': [
    nl.RTM_NEWLINK,
    REQUEST,
    w => encodeLink(w, { index: DEVICE, flags: { value: nl.IFF_UP, mask: nl.IFF_UP } }),
  ],
  'ip link set dev flannel.1 address 0e:2a:00:00:00:02': [
    nl.RTM_NEWLINK,
    REQUEST,
    w => encodeLink(w, { index: DEVICE, linkAddress: bytes('0e:2a:00:00:00:02') }),
  ],
  'ip address add 10.5.52.0/32 dev flannel.1': [
    nl.RTM_NEWADDR,
    CREATE,
    w => encodeAddress(w, OVERLAY_ADDRESS),
  ],
  'ip neigh replace 10.5.2.0 lladdr 0e:2a:00:00:00:09 dev flannel.1 nud permanent protocol 83': [
    nl.RTM_NEWNEIGH,
    REPLACE,
    w => encodeNeighbour(w, ARP),
  ],
  'bridge fdb replace 0e:2a:00:00:00:09 dev flannel.1 self permanent dst 192.168.77.2': [
    nl.RTM_NEWNEIGH,
    REPLACE,
    w => encodeNeighbour(w, FDB),
  ],
  'bridge fdb replace 0e:2a:00:00:00:0a dev flannel.1 self permanent dst 192.168.77.3 port 4789 vni 7 via up0':
    [
      nl.RTM_NEWNEIGH,
      REPLACE,
      w =>
        encodeNeighbour(w, {
          ...FDB,
          linkAddress: bytes('0e:2a:00:00:00:0a'),
          destination: address('192.168.77.3'),
          port: 4789,
          vni: 7,
          viaInterface: 3,
        }),
    ],
  'ip route replace 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink proto 83': [
    nl.RTM_NEWROUTE,
    REPLACE,
    w => encodeRoute(w, ROUTE),
  ],
  'ip route add 10.5.3.0/24 via 10.5.3.0 dev flannel.1 onlink proto 83 metric 20 table 1000': [
    nl.RTM_NEWROUTE,
    CREATE,
    w => {
      const prefix = address('10.5.3.0');
      encodeRoute(w, { ...ROUTE, destination: prefix, gateway: prefix, metric: 20, table: 1000 });
    },
  ],
  'ip route add 10.5.4.0/24 via inet6 fe80::1 dev flannel.1': [
    nl.RTM_NEWROUTE,
    CREATE,
    w =>
      encodeRoute(w, {
        ...ROUTE,
        destination: address('10.5.4.0'),
        gateway: VIA_IPV6,
        protocol: nl.RTPROT_BOOT,
        flags: 0,
      }),
  ],
  'ip nexthop add id 1115766912 via 10.5.2.0 dev flannel.1 onlink proto 83': [
    nl.RTM_NEWNEXTHOP,
    CREATE,
    w => encodeNexthop(w, NEXTHOP),
  ],
  'ip nexthop replace id 1115766912 via 10.5.2.0 dev flannel.1 onlink proto 83': [
    nl.RTM_NEWNEXTHOP,
    REPLACE,
    w => encodeNexthop(w, NEXTHOP),
  ],
  'ip route replace 10.5.2.0/24 nhid 1115766912 proto 83': [
    nl.RTM_NEWROUTE,
    REPLACE,
    w => {
      const { family, destination, prefixLength, tos, table, protocol, scope, type, metric } = ROUTE;
      const key = { family, destination, prefixLength, tos, table, protocol, scope, type, metric };
      encodeRoute(w, { ...key, flags: 0, nexthopId: NEXTHOP.id });
    },
  ],
  'ip nexthop get id 1115766912': [
    nl.RTM_GETNEXTHOP,
    nl.NLM_F_REQUEST,
    w => encodeNexthopSelector(w, NEXTHOP.id),
  ],
  'ip nexthop del id 1115766912': [nl.RTM_DELNEXTHOP, REQUEST, w => encodeNexthopSelector(w, NEXTHOP.id)],
  'ip route get 192.168.77.5': [
    nl.RTM_GETROUTE,
    nl.NLM_F_REQUEST,
    w => encodeRouteLookup(w, nl.AF_INET, address('192.168.77.5')),
  ],
  'ip route del 10.5.2.0/24 proto 83': [
    nl.RTM_DELROUTE,
    REQUEST,
    w => {
      const { family, destination, prefixLength, tos, table, protocol, metric } = ROUTE;
      const any = { type: 0, scope: nl.RT_SCOPE_NOWHERE, flags: 0 };
      encodeRoute(w, { family, destination, prefixLength, tos, table, protocol, metric, ...any });
    },
  ],
  'ip neigh del 10.5.2.0 dev flannel.1': [
    nl.RTM_DELNEIGH,
    REQUEST,
    w => {
      const { family, interfaceIndex, state, flags, type, destination } = ARP;
      encodeNeighbour(w, { family, interfaceIndex, state, flags, type, destination });
    },
  ],
  'bridge fdb del 0e:2a:00:00:00:09 dev flannel.1 self': [
    nl.RTM_DELNEIGH,
    REQUEST,
    w => {
      const { family, interfaceIndex, state, flags, type, linkAddress } = FDB;
      encodeNeighbour(w, { family, interfaceIndex, state, flags, type, linkAddress });
    },
  ],
  'ip -6 route replace fd00:10:0:2::/64 via fd00:10:0:2:: dev flannel.1 onlink proto 83': [
    nl.RTM_NEWROUTE,
    REPLACE,
    w =>
      encodeRoute(w, {
        ...ROUTE,
        family: nl.AF_INET6,
        destination: IPV6_PREFIX,
        prefixLength: 64,
        gateway: IPV6_PREFIX,
      }),
  ],
  'ip route add blackhole 10.5.0.0/16': [
    nl.RTM_NEWROUTE,
    CREATE,
    w => {
      const { family, tos, table, scope, metric } = ROUTE;
      const fixed = { family, tos, table, scope, metric, flags: 0, protocol: nl.RTPROT_BOOT };
      const destination = address('10.5.0.0');
      encodeRoute(w, { ...fixed, destination, prefixLength: 16, type: nl.RTN_BLACKHOLE });
    },
  ],
  'ip address del 10.5.52.0/32 dev flannel.1': [
    nl.RTM_DELADDR,
    REQUEST,
    w => encodeAddress(w, OVERLAY_ADDRESS),
  ],
  'ip link del flannel.1': [nl.RTM_DELLINK, REQUEST, w => encodeLinkSelector(w, DEVICE)],
};

t.test('requests are those of iproute2', async t => {
  for (const [command, [type, flags, write]] of Object.entries(OURS)) {
    const [theirs] = readMessages(bytes(SENT[command as keyof typeof SENT]));
    const writer = new MessageWriter();
    writer.beginMessage(type, flags, theirs!.sequence);
    write(writer);
    writer.endMessage();
    const [ours] = readMessages(writer.bytes());
    t.same(outline(ours!), outline(theirs!), command);
    t.equal(writer.bytes().length, bytes(SENT[command as keyof typeof SENT]).length, 'no byte more');
  }
});

t.test('links are read', async t => {
  const [vxlan, veth] = answered('ip link add');
  const link = decodeLink(vxlan!);
  t.match(link, {
    index: DEVICE,
    name: 'flannel.1',
    mtu: 1450,
    kind: 'vxlan',
    operState: nl.IF_OPER_UNKNOWN,
    carrier: true,
    vxlan: {
      id: 1,
      link: 3,
      port: 8472,
      learning: false,
      ttl: 0,
      tos: 0,
      proxy: false,
      rsc: false,
      l2miss: false,
      l3miss: false,
      udpCsum: true,
      udpZeroCsum6Tx: false,
      udpZeroCsum6Rx: false,
      gbp: true,
    },
  });
  t.equal(link.flags & nl.IFF_UP, nl.IFF_UP);
  t.equal(hex(link.linkAddress), '0e2a00000001');
  t.equal(hex(link.vxlan?.local), 'c0a84d01');
  t.match(decodeLink(veth!), { index: 3, name: 'up0', kind: 'veth', lower: 2, operState: nl.IF_OPER_UP });
});

t.test('addresses are read', async t => {
  const [underlay, overlay] = answered('ip address add').map(decodeAddress);
  t.match(underlay, { interfaceIndex: 3, prefixLength: 24, flags: nl.IFA_F_PERMANENT, label: 'up0' });
  t.equal(hex(underlay?.local), 'c0a84d01');
  t.match(overlay, { interfaceIndex: DEVICE, prefixLength: 32, peer: undefined });
});

t.test('routes are read', async t => {
  const [metric, plain, multipath, object, viaIpv6] = answered('ip route replace', 'ip route add').map(
    decodeRoute,
  );
  t.match(metric, { table: 1000, metric: 20, protocol: 83, flags: nl.RTNH_F_ONLINK });
  t.match(plain, { table: nl.RT_TABLE_MAIN, metric: 0, prefixLength: 24, outInterface: DEVICE });
  t.equal(hex(plain?.destination), '0a050200');
  t.equal(hex(plain?.gateway), '0a050200');
  t.match(multipath, { multipath: true, gateway: undefined, outInterface: undefined });
  t.match(object, { nexthopId: 77, multipath: false });
  t.equal(hex(viaIpv6?.gateway), hex(VIA_IPV6));
  const [found] = answered('ip route get').map(decodeRoute);
  t.match(found, { outInterface: 3, gateway: undefined, prefixLength: 32, flags: nl.RTM_F_CLONED });
  t.equal(hex(found?.preferredSource), 'c0a84d01');
});

t.test('nexthop objects are read', async t => {
  const [plain, blackhole, group] = answered('ip nexthop').map(decodeNexthop);
  t.match(plain, {
    id: 1115766912,
    family: nl.AF_INET,
    protocol: 83,
    flags: nl.RTNH_F_ONLINK,
    outInterface: DEVICE,
    shape: 'plain',
  });
  t.equal(hex(plain?.gateway), '0a050200');
  t.match(blackhole, { id: 7, shape: 'blackhole', gateway: undefined });
  t.match(group, { id: 8, protocol: 0, shape: 'group', gateway: undefined, outInterface: undefined });
});

t.test('neighbours and FDB entries are read', async t => {
  const [arp] = answered('ip neigh').map(decodeNeighbour);
  t.match(arp, {
    family: nl.AF_INET,
    interfaceIndex: DEVICE,
    state: nl.NUD_PERMANENT,
    protocol: 83,
    type: 1,
  });
  t.equal(hex(arp?.destination), '0a050200');
  t.equal(hex(arp?.linkAddress), hex(MAC));
  const [fdb] = answered('bridge fdb').map(decodeNeighbour);
  t.match(fdb, { family: nl.AF_BRIDGE, flags: nl.NTF_SELF, protocol: undefined, vni: undefined });
  t.equal(hex(fdb?.destination), 'c0a84d02');
});

function answered(...commands: string[]): Uint8Array[] {
  return Object.entries(ANSWERED)
    .filter(([key]) => commands.some(command => key.startsWith(command)))
    .map(([, body]) => bytes(body));
}

/** A message as its header, its fixed struct and its attributes in order of type: their order carries no meaning. */
function outline({ type, flags, body }: Message): unknown {
  const fixed = new Map([
    [nl.RTM_NEWLINK >> 2, nl.IFINFOMSG_BYTES],
    [nl.RTM_NEWADDR >> 2, nl.IFADDRMSG_BYTES],
    [nl.RTM_NEWROUTE >> 2, nl.RTMSG_BYTES],
    [nl.RTM_NEWNEIGH >> 2, nl.NDMSG_BYTES],
    [nl.RTM_NEWNEXTHOP >> 2, nl.NHMSG_BYTES],
  ]).get(type >> 2)!;
  const isLink = type >> 2 === nl.RTM_NEWLINK >> 2;
  return {
    type,
    flags,
    fixed: hex(body.subarray(0, fixed)),
    attributes: list(new AttributeReader(body, fixed), isLink ? [nl.IFLA_LINKINFO, nl.IFLA_INFO_DATA] : []),
  };
}

function list(attributes: AttributeReader, nested: number[]): unknown[] {
  const found: [number, unknown][] = [];
  while (attributes.next()) {
    const isNested = attributes.type === nested[0];
    const value = isNested ? list(attributes.nested(), nested.slice(1)) : hex(attributes.bytes());
    found.push([attributes.type, value]);
  }
  return found.sort(([a], [b]) => a - b);
}

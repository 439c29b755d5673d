/** Links of a fake kernel: VXLAN devices come and go by request, others only by the test's hand. */
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { decodeLink, type Link } from '../../../src/dataplane/netlink/link.js';
import { AttributeReader, hostU32, structView } from '../../../src/dataplane/netlink/message.js';
import type { VxlanData } from '../../../src/dataplane/netlink/vxlan.js';
import * as fake from './state.js';
import type { Handler, Request, State } from './state.js';

/** drivers/net/vxlan/vxlan_core.c: what a device has that was not told otherwise. */
const VXLAN_DEFAULTS: VxlanData = {
  ttl: 0,
  tos: 0,
  learning: true,
  proxy: false,
  rsc: false,
  l2miss: false,
  l3miss: false,
  port: 8472,
  udpCsum: true,
  udpZeroCsum6Tx: false,
  udpZeroCsum6Rx: false,
};

export const newLink: Handler = (state, request) => {
  const wanted = decodeLink(request.body);
  const existing = find(state, request.body);
  if (existing !== undefined) {
    return fake.has(request, nl.NLM_F_EXCL) ? fake.EEXIST : change(state, request, existing);
  }
  if (!fake.has(request, nl.NLM_F_CREATE)) return fake.ENODEV;
  return create(state, request, wanted);
};

export const deleteLink: Handler = (state, request) => {
  const link = find(state, request.body);
  if (link === undefined) return fake.ENODEV;
  const down = { ...link, flags: link.flags & ~nl.IFF_UP };
  if (fake.isUp(link)) fake.announceLink(request, nl.RTM_NEWLINK, down, false);
  flushLayer3(state, request, link.index);
  for (const address of fake.takeOut(state.addresses, item => item.interfaceIndex === link.index)) {
    fake.announceAddress(request, nl.RTM_DELADDR, address, false);
  }
  fake.takeOut(state.neighbours, entry => entry.interfaceIndex === link.index);
  fake.takeOut(state.links, item => item === link);
  fake.announceLink(request, nl.RTM_DELLINK, down);
  return 0;
};

export const getLink: Handler = (state, request) => {
  const link = find(state, request.body);
  if (link === undefined) return fake.ENODEV;
  request.reply(nl.RTM_NEWLINK, writer => fake.writeLink(writer, link));
  return 0;
};

function create(state: State, request: Request, wanted: Link): number {
  const vxlan = wanted.vxlan;
  if (wanted.kind !== 'vxlan' || vxlan === undefined) return fake.EOPNOTSUPP;
  if (vxlan.link !== undefined && fake.linkOf(state, vxlan.link) === undefined) return fake.ENODEV;
  if (state.links.some(link => link.vxlan !== undefined && sharesSocket(link.vxlan, vxlan)))
    return fake.EEXIST;
  const link: Link = {
    index: state.nextIndex++,
    name: wanted.name,
    flags: 0,
    mtu: Math.min(wanted.mtu === 0 ? 1450 : wanted.mtu, largestMtu(state, vxlan)),
    operState: nl.IF_OPER_DOWN,
    carrier: true,
    linkAddress: wanted.linkAddress ?? Uint8Array.of(2, 0, 0, 0, 0, state.nextIndex),
    kind: 'vxlan',
    vxlan: { ...VXLAN_DEFAULTS, ...vxlan },
  };
  state.links.push(link);
  fake.announceLink(request, nl.RTM_NEWLINK, link);
  return 0;
}

function change(state: State, request: Request, link: Link): number {
  const wanted = decodeLink(request.body);
  const mask = hostU32(structView(request.body, nl.IFINFOMSG_BYTES), 12);
  const flags = (link.flags & ~mask) | (wanted.flags & mask);
  if (link.vxlan !== undefined && wanted.mtu > largestMtu(state, link.vxlan)) {
    // What comes before the MTU has been done (net/core/rtnetlink.c, do_setlink).
    const { linkAddress } = wanted;
    if (linkAddress !== undefined) setMac(state, request, link, linkAddress);
    return fake.EINVAL;
  }
  const after: Link = {
    ...link,
    flags,
    mtu: wanted.mtu === 0 ? link.mtu : wanted.mtu,
    operState: (flags & nl.IFF_UP) === 0 ? nl.IF_OPER_DOWN : nl.IF_OPER_UNKNOWN,
    ...(wanted.linkAddress !== undefined && { linkAddress: wanted.linkAddress }),
  };
  state.links[state.links.indexOf(link)] = after;
  if (fake.isUp(link) && !fake.isUp(after)) flushLayer3(state, request, link.index);
  // Writing a MAC, even the same one, empties the neighbour table, permanent entries too.
  else if (wanted.linkAddress !== undefined) flushNeighbours(state, request, link.index);
  fake.announceLink(request, nl.RTM_NEWLINK, after);
  return 0;
}

function setMac(state: State, request: Request, link: Link, linkAddress: Uint8Array): void {
  const after = { ...link, linkAddress };
  state.links[state.links.indexOf(link)] = after;
  flushNeighbours(state, request, link.index);
  fake.announceLink(request, nl.RTM_NEWLINK, after, false);
}

/** What its underlay leaves it; a new device is silently given that instead of more, an old one is refused more. */
function largestMtu(state: State, { link, local }: VxlanData): number {
  const underlay = fake.linkOf(state, link);
  return underlay === undefined ? Infinity : underlay.mtu - (local?.length === 16 ? 70 : 50);
}

/** Takes away what goes when a link goes down: routes and nexthops without a word, neighbours with one each; not the FDB. */
function flushLayer3(state: State, request: Request, index: number): void {
  fake.takeNexthops(state, nexthop => nexthop.outInterface === index);
  fake.takeOut(state.routes, route => route.outInterface === index);
  flushNeighbours(state, request, index);
}

export function flushNeighbours(state: State, request: Request, index: number): void {
  const gone = fake.takeOut(
    state.neighbours,
    entry => entry.interfaceIndex === index && entry.family !== nl.AF_BRIDGE,
  );
  for (const entry of gone) fake.announceNeighbour(request, nl.RTM_DELNEIGH, entry, false);
}

function find(state: State, body: Uint8Array): Link | undefined {
  const { index, name } = decodeLink(body);
  if (index > 0) return fake.linkOf(state, index);
  return hasName(body) ? state.links.find(link => link.name === name) : undefined;
}

function hasName(body: Uint8Array): boolean {
  const attributes = new AttributeReader(body, nl.IFINFOMSG_BYTES);
  while (attributes.next()) if (attributes.type === nl.IFLA_IFNAME) return true;
  return false;
}

/** One VNI per UDP port and address family. */
function sharesSocket(a: VxlanData, b: VxlanData): boolean {
  const port = (data: VxlanData): number => data.port ?? 8472;
  const isIpv6 = (data: VxlanData): boolean => data.local?.length === 16;
  return a.id === b.id && port(a) === port(b) && isIpv6(a) === isIpv6(b);
}

/** What a fake kernel holds, and how its parts tell each other what happened. */
import { constants } from 'node:os';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import type { Address } from '../../../src/dataplane/netlink/address.js';
import type { Link } from '../../../src/dataplane/netlink/link.js';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import { encodeNeighbour, type Neighbour } from '../../../src/dataplane/netlink/neighbour.js';
import type { Nexthop } from '../../../src/dataplane/netlink/nexthop.js';
import { encodeRoute, type Route } from '../../../src/dataplane/netlink/route.js';
import { encodeVxlan } from '../../../src/dataplane/netlink/vxlan.js';
import type { MessageWriter } from '../../../src/dataplane/netlink/message.js';

export interface State {
  links: Link[];
  addresses: Address[];
  routes: Route[];
  nexthops: Nexthop[];
  /** ARP and NDP entries as well as FDB entries; the family tells them apart. */
  neighbours: Neighbour[];
  nextIndex: number;
}

/** A request at work: its flags, who sent it, and the way to announce what it did. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
  /** Announces to a group. @param own whether the announcement carries the sender's port */
  announce(group: number, type: number, write: (writer: MessageWriter) => void, own?: boolean): void;
  /** Answers the sender. */
  reply(type: number, write: (writer: MessageWriter) => void): void;
}

/** Carries a request out. @returns 0 or a positive errno */
export type Handler = (state: State, request: Request) => number;

export const { EEXIST, ENOENT, ESRCH, ENODEV, EINVAL, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH, EOPNOTSUPP } =
  constants.errno;

export const has = (request: Request, flag: number): boolean => (request.flags & flag) !== 0;

export const isUp = (link: Link): boolean => (link.flags & nl.IFF_UP) !== 0;

export function linkOf(state: State, index: number | undefined): Link | undefined {
  return state.links.find(link => link.index === index);
}

/** Equal in every field; absent fields equal absent ones. */
export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Whether the first `length` bits agree. */
export function inPrefix(address: Uint8Array, prefix: Uint8Array, length: number): boolean {
  if (address.length !== prefix.length) return false;
  return address.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, length - index * 8));
    return byte >> (8 - bits) === prefix[index]! >> (8 - bits);
  });
}

export function writeLink(writer: MessageWriter, link: Link): void {
  writer.u32(nl.AF_UNSPEC);
  writer.u32(link.index);
  writer.u32(link.flags);
  writer.u32(0);
  writer.attributeString(nl.IFLA_IFNAME, link.name);
  writer.attributeU32(nl.IFLA_MTU, link.mtu);
  writer.attributeU8(nl.IFLA_OPERSTATE, link.operState);
  writer.attributeU8(nl.IFLA_CARRIER, link.carrier === true ? 1 : 0);
  if (link.linkAddress !== undefined) writer.attributeBytes(nl.IFLA_ADDRESS, link.linkAddress);
  if (link.lower !== undefined) writer.attributeU32(nl.IFLA_LINK, link.lower);
  if (link.kind === undefined) return;
  const info = writer.beginNested(nl.IFLA_LINKINFO);
  writer.attributeString(nl.IFLA_INFO_KIND, link.kind);
  if (link.vxlan !== undefined) {
    const data = writer.beginNested(nl.IFLA_INFO_DATA);
    encodeVxlan(writer, link.vxlan);
    writer.endNested(data);
  }
  writer.endNested(info);
}

export function announceLink(request: Request, type: number, link: Link, own = true): void {
  request.announce(nl.RTNLGRP_LINK, type, writer => writeLink(writer, link), own);
}

export function announceAddress(request: Request, type: number, address: Address, own = true): void {
  const group = address.family === nl.AF_INET ? nl.RTNLGRP_IPV4_IFADDR : nl.RTNLGRP_IPV6_IFADDR;
  request.announce(group, type, writer => encodeAddress(writer, address), own);
}

export function announceRoute(request: Request, type: number, route: Route): void {
  const group = route.family === nl.AF_INET ? nl.RTNLGRP_IPV4_ROUTE : nl.RTNLGRP_IPV6_ROUTE;
  request.announce(group, type, writer => encodeRoute(writer, route));
}

/** The VXLAN driver announces FDB entries as its own doing: port 0. */
export function announceNeighbour(request: Request, type: number, entry: Neighbour, own = true): void {
  const isOwn = own && entry.family !== nl.AF_BRIDGE;
  request.announce(nl.RTNLGRP_NEIGH, type, writer => encodeNeighbour(writer, entry), isOwn);
}

/** Removes the nexthop objects that match, and their routes; none of the latter is announced. @returns what was removed */
export function takeNexthops(state: State, matches: (nexthop: Nexthop) => boolean): Nexthop[] {
  const gone = takeOut(state.nexthops, matches);
  const ids = new Set<number | undefined>(gone.map(({ id }) => id));
  takeOut(state.routes, route => route.nexthopId !== undefined && ids.has(route.nexthopId));
  return gone;
}

/** Takes out of a list what matches. @returns what was taken out */
export function takeOut<T>(list: T[], matches: (item: T) => boolean): T[] {
  const out = list.filter(matches);
  for (const item of out) list.splice(list.indexOf(item), 1);
  return out;
}

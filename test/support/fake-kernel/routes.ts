/**
 * Routes of a fake kernel. It keeps none of the routes that the kernel makes for addresses; look-ups and the check of
 * gateways read the addresses instead. Several routes with one key, which NLM_F_CREATE alone can make, are refused.
 */
import * as nl from '../../../src/dataplane/netlink/constants.js';
import type { Address } from '../../../src/dataplane/netlink/address.js';
import { decodeRoute, type Route } from '../../../src/dataplane/netlink/route.js';
import { resolveNexthop } from './nexthops.js';
import * as fake from './state.js';
import type { Handler, State } from './state.js';

/** linux/ipv6_route.h, IP6_RT_PRIO_USER: what an IPv6 route without a metric gets. */
const IPV6_DEFAULT_METRIC = 1024;

export const newRoute: Handler = (state, request) => {
  const wanted = resolveNexthop(state, withDefaultMetric(decodeRoute(request.body)));
  if (typeof wanted === 'number') return wanted;
  const fault = faultOf(state, wanted);
  if (fault !== 0) return fault;
  const existing = state.routes.find(route => sameKey(route, wanted));
  if (existing === undefined) {
    if (!fake.has(request, nl.NLM_F_CREATE)) return fake.ENOENT;
    state.routes.push(wanted);
  } else {
    if (!fake.has(request, nl.NLM_F_REPLACE)) return fake.EEXIST;
    if (fake.same(existing, wanted)) return 0;
    state.routes[state.routes.indexOf(existing)] = wanted;
  }
  fake.announceRoute(request, nl.RTM_NEWROUTE, wanted);
  return 0;
};

export const deleteRoute: Handler = (state, request) => {
  const wanted = decodeRoute(request.body);
  if (wanted.nexthopId !== undefined && typeof resolveNexthop(state, wanted) === 'number') return fake.EINVAL;
  const existing = state.routes.find(route => isMeant(route, wanted));
  if (existing === undefined) return fake.ESRCH;
  fake.takeOut(state.routes, route => route === existing);
  fake.announceRoute(request, nl.RTM_DELROUTE, existing);
  return 0;
};

/** `ip route get`: the longest prefix, then the smallest metric. */
export const lookUpRoute: Handler = (state, request) => {
  const { family, destination } = decodeRoute(request.body);
  const [best] = [...state.routes, ...connected(state)]
    .filter(
      route => route.family === family && fake.inPrefix(destination, route.destination, route.prefixLength),
    )
    .sort((a, b) => b.prefixLength - a.prefixLength || a.metric - b.metric);
  if (best === undefined) return fake.ENETUNREACH;
  const source = best.preferredSource ?? addressOf(state, best)?.local;
  request.reply(nl.RTM_NEWROUTE, writer => {
    for (const byte of [family, destination.length * 8, 0, 0, nl.RT_TABLE_MAIN, 0, 0, nl.RTN_UNICAST])
      writer.u8(byte);
    writer.u32(nl.RTM_F_CLONED);
    writer.attributeBytes(nl.RTA_DST, destination);
    if (best.outInterface !== undefined) writer.attributeU32(nl.RTA_OIF, best.outInterface);
    if (best.gateway !== undefined) writer.attributeBytes(nl.RTA_GATEWAY, best.gateway);
    if (source !== undefined) writer.attributeBytes(nl.RTA_PREFSRC, source);
  });
  return 0;
};

function withDefaultMetric(route: Route): Route {
  return route.family === nl.AF_INET6 && route.metric === 0
    ? { ...route, metric: IPV6_DEFAULT_METRIC }
    : route;
}

function faultOf(state: State, route: Route): number {
  const network = route.destination.map((byte, index) => byte & (0xff << (8 - bitsAt(route, index))));
  if (!fake.sameBytes(network, route.destination)) return fake.EINVAL;
  const link = fake.linkOf(state, route.outInterface);
  if (link === undefined)
    return route.outInterface === undefined && route.gateway === undefined ? 0 : fake.ENODEV;
  if (!fake.isUp(link)) return fake.ENETDOWN;
  const isOnLink = (route.flags & nl.RTNH_F_ONLINK) !== 0;
  if (route.gateway === undefined || isOnLink) return 0;
  return connected(state).some(
    other =>
      other.outInterface === link.index &&
      fake.inPrefix(route.gateway!, other.destination, other.prefixLength),
  )
    ? 0
    : fake.ENETUNREACH;
}

function bitsAt(route: Route, index: number): number {
  return Math.min(8, Math.max(0, route.prefixLength - index * 8));
}

/** What the kernel makes of the addresses of links that are up. */
function connected(state: State): Route[] {
  return state.addresses
    .filter(address => fake.isUp(fake.linkOf(state, address.interfaceIndex)!))
    .map(address => ({
      family: address.family,
      destination: address.local!,
      prefixLength: address.prefixLength,
      tos: 0,
      table: nl.RT_TABLE_MAIN,
      protocol: nl.RTPROT_KERNEL,
      scope: nl.RT_SCOPE_LINK,
      type: nl.RTN_UNICAST,
      flags: 0,
      metric: 0,
      multipath: false,
      outInterface: address.interfaceIndex,
    }));
}

function addressOf(state: State, route: Route): Address | undefined {
  return state.addresses.find(
    address => address.interfaceIndex === route.outInterface && address.family === route.family,
  );
}

function sameKey(a: Route, b: Route): boolean {
  return isSamePrefix(a, b) && a.metric === b.metric;
}

function isSamePrefix(a: Route, b: Route): boolean {
  return (
    a.family === b.family &&
    a.table === b.table &&
    a.tos === b.tos &&
    a.prefixLength === b.prefixLength &&
    fake.sameBytes(a.destination, b.destination)
  );
}

/** What a delete does not say matches everything. */
function isMeant(route: Route, wanted: Route): boolean {
  const scopeMatches =
    route.family === nl.AF_INET6 || wanted.scope === nl.RT_SCOPE_NOWHERE || wanted.scope === route.scope;
  return (
    isSamePrefix(route, wanted) &&
    scopeMatches &&
    (wanted.metric === 0 || wanted.metric === route.metric) &&
    (wanted.protocol === 0 || wanted.protocol === route.protocol) &&
    (wanted.type === 0 || wanted.type === route.type) &&
    isMeantWay(route, wanted)
  );
}

/** fib_nh_match of net/ipv4/fib_semantics.c: a route by a nexthop object is not meant by gateway or device. */
function isMeantWay(route: Route, wanted: Route): boolean {
  if (wanted.nexthopId !== undefined) return wanted.nexthopId === route.nexthopId;
  if (route.nexthopId !== undefined) return wanted.gateway === undefined && wanted.outInterface === undefined;
  return (
    (wanted.gateway === undefined || fake.sameBytes(wanted.gateway, route.gateway)) &&
    (wanted.outInterface === undefined || wanted.outInterface === route.outInterface)
  );
}

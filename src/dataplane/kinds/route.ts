/** Routes of table main. Pure. */
import { ipFromBytes, parseIpv4Number, type IpAddress } from '../../address/ip.js';
import { containsPrefix, formatPrefix } from '../../address/prefix.js';
import { BOOT_ROUTE_PROTOCOL, SELVEDGE_ROUTE_PROTOCOL, type RouteEntry } from '../model.js';
import {
  AF_INET,
  AF_INET6,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_DST,
  RTA_GATEWAY,
  RTA_NH_ID,
  RTAX_LOCK,
  RTM_DELROUTE,
  RTM_F_CLONED,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from '../netlink/constants.js';
import {
  decodeRoute,
  encodeRoute,
  encodeRouteDump,
  type Route,
  type RouteMetric,
  type RouteRequest,
} from '../netlink/route.js';
import type { Ownership } from '../ownership.js';
import { formatEncap } from './encap.js';
import { isIpv4, toWire, type DeviceTable, type Kind } from './kind.js';
import { formatProtocol } from './route-protocol.js';

export const route: Kind<RouteEntry> = {
  name: 'route',
  order: 4,
  key: entry => `${formatPrefix(entry.destination)} metric ${entry.metric}`,
  keyPart: entry => entry.destination.address,
  describe: describeRoute,
  same: (a, b) =>
    a.protocol === b.protocol &&
    a.nexthopId === b.nexthopId &&
    a.special === b.special &&
    a.attributes === b.attributes &&
    // The way of a nexthop object is compared where that stands.
    (a.nexthopId !== undefined || sameWay(a, b)),
  isOurs: isOurRoute,
  exclusive: true,
  putType: RTM_NEWROUTE,
  removeType: RTM_DELROUTE,
  encode: (writer, entry, devices) => encodeRoute(writer, request(entry, devices)),
  // A default route has no destination to replace.
  isModel: entry =>
    entry.destination.length > 0 &&
    isIpv4(entry.destination.address) &&
    (entry.nexthopId !== undefined || isIpv4(entry.gateway)),
  rewrite(writer, entry, model) {
    const to = parseIpv4Number(entry.destination.address);
    if (to === undefined || entry.destination.length !== model.destination.length) return false;
    if (entry.protocol !== model.protocol || entry.metric !== model.metric || entry.special !== model.special)
      return false;
    if (entry.nexthopId !== undefined && model.nexthopId !== undefined) {
      writer.repeatMessage();
      writer.rewriteU32(RTA_NH_ID, entry.nexthopId);
    } else {
      const gateway = entry.gateway === undefined ? undefined : parseIpv4Number(entry.gateway);
      if (gateway === undefined || entry.nexthopId !== model.nexthopId) return false;
      if (entry.device !== model.device || entry.onLink !== model.onLink) return false;
      writer.repeatMessage();
      writer.rewriteIpv4(RTA_GATEWAY, gateway);
    }
    writer.rewriteIpv4(RTA_DST, to);
    return true;
  },
  // While the object is the same, the kernel goes on with the route's attributes of before (net/ipv4/fib_semantics.c,
  // fib_find_info_nh): not so when the route has been classic in between, which loses no packet.
  firstStep(entry, held) {
    if (held.attributes === undefined || held.nexthopId === undefined) return undefined;
    if (entry.nexthopId !== held.nexthopId) return undefined;
    const { kind, destination, gateway, device, onLink, protocol, metric } = entry;
    if (gateway === undefined || device === undefined) return undefined;
    return { kind: 'replace', entry: { kind, destination, gateway, device, onLink, protocol, metric }, held };
  },
  // Gateway and protocol go along: a route that somebody put there in between is not the one that we mean. Of a route by
  // a nexthop object the kernel takes neither gateway nor device in its removal; and the id would make it answer EINVAL,
  // instead of ESRCH, where the object is gone and the route with it.
  encodeRemoval(writer, entry, devices) {
    const { gateway, outInterface, nexthopId, ...key } = request(entry, devices);
    const isClassic = entry.special === undefined && nexthopId === undefined;
    encodeRoute(writer, { ...key, scope: RT_SCOPE_NOWHERE, ...(isClassic && { gateway, outInterface }) });
  },
  dumps: () => [{ type: RTM_GETROUTE, write: writer => encodeRouteDump(writer, AF_INET) }],
  decode(body, devices) {
    const read = decodeRoute(body);
    if (read.table !== RT_TABLE_MAIN || read.tos !== 0 || (read.flags & RTM_F_CLONED) !== 0) return undefined;
    const device = read.outInterface === undefined ? undefined : devices.nameOf(read.outInterface);
    const special = whatIsSpecial(read);
    const attributes = attributesOf(read);
    return {
      kind: 'route',
      destination: {
        family: read.family === AF_INET ? 4 : 6,
        address: ipFromBytes(read.destination),
        length: read.prefixLength,
      },
      ...(read.gateway && { gateway: ipFromBytes(read.gateway) }),
      ...(device !== undefined && { device }),
      onLink: (read.flags & RTNH_F_ONLINK) !== 0,
      protocol: read.protocol,
      metric: read.metric,
      ...(read.nexthopId !== undefined && { nexthopId: read.nexthopId }),
      ...(special !== undefined && { special }),
      ...(attributes !== undefined && { attributes }),
    };
  },
};

/** RTN_UNSPEC: in a delete, a route of any type. */
const ANY_TYPE = 0;

function request(entry: RouteEntry, devices: DeviceTable): RouteRequest {
  const { gateway, device, onLink, nexthopId } = entry;
  // The kernel takes an id or a way, not both.
  const byId = nexthopId !== undefined;
  return {
    family: entry.destination.family === 4 ? AF_INET : AF_INET6,
    destination: toWire(entry.destination.address),
    prefixLength: entry.destination.length,
    tos: 0,
    table: RT_TABLE_MAIN,
    protocol: entry.protocol,
    scope: RT_SCOPE_UNIVERSE,
    type: entry.special === undefined ? RTN_UNICAST : ANY_TYPE,
    flags: onLink && !byId ? RTNH_F_ONLINK : 0,
    metric: entry.metric,
    gateway: gateway === undefined || byId ? undefined : toWire(gateway),
    outInterface: device === undefined || byId ? undefined : devices.indexOf(device),
    nexthopId,
  };
}

function sameWay(a: RouteEntry, b: RouteEntry): boolean {
  return a.gateway === b.gateway && a.device === b.device && a.onLink === b.onLink;
}

/** rtm_type by name (linux/rtnetlink.h), for messages. */
const TYPE_NAMES = new Map([
  [2, 'local'],
  [3, 'broadcast'],
  [5, 'multicast'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
  [9, 'throw'],
  [10, 'nat'],
]);

/** What a plain unicast route with one gateway cannot express. */
function whatIsSpecial(read: Route): string | undefined {
  if (read.type !== RTN_UNICAST) return TYPE_NAMES.get(read.type) ?? `type ${read.type}`;
  return read.multipath ? 'multipath' : undefined;
}

/** RTAX_* by iproute2's names (linux/rtnetlink.h), for messages. */
const METRIC_NAMES = new Map([
  [2, 'mtu'],
  [3, 'window'],
  [4, 'rtt'],
  [5, 'rttvar'],
  [6, 'ssthresh'],
  [7, 'cwnd'],
  [8, 'advmss'],
  [9, 'reordering'],
  [10, 'hoplimit'],
  [11, 'initcwnd'],
  [12, 'features'],
  [13, 'rto_min'],
  [14, 'initrwnd'],
  [15, 'quickack'],
  [16, 'congctl'],
  [17, 'fastopen_no_cookie'],
]);

/** What no route of ours says and what changes the way, or what is sent along it. */
function attributesOf(read: Route): string | undefined {
  const { preferredSource, metrics, realms, encapType } = read;
  if ((preferredSource ?? metrics ?? realms ?? encapType) === undefined) return undefined;
  const words: string[] = [];
  if (preferredSource !== undefined) words.push(`src ${ipFromBytes(preferredSource)}`);
  if (metrics !== undefined) words.push(...metricWords(metrics));
  // With a nexthop object the kernel tells what that one says.
  if (read.nexthopId === undefined) {
    if (realms !== undefined) words.push(`realms ${realms >>> 16}/${realms & 0xffff}`);
    if (encapType !== undefined) words.push(formatEncap(encapType));
  }
  return words.length === 0 ? undefined : words.join(' ');
}

function metricWords(metrics: readonly RouteMetric[]): string[] {
  const lock = metrics.find(({ type }) => type === RTAX_LOCK)?.value;
  const isLocked = (type: number) => typeof lock === 'number' && ((lock >>> type) & 1) === 1;
  return metrics
    .filter(({ type }) => type !== RTAX_LOCK)
    .map(({ type, value }) => {
      const name = METRIC_NAMES.get(type) ?? `metric type ${type}`;
      return `${name} ${isLocked(type) ? 'lock ' : ''}${value}`;
    });
}

function isOurRoute(entry: RouteEntry, { network, devices, underlay, peerAt }: Ownership): boolean {
  const isOnOverlay = entry.device !== undefined && devices.has(entry.device);
  if (entry.protocol === SELVEDGE_ROUTE_PROTOCOL)
    return isOnOverlay || containsPrefix(network, entry.destination);
  if (entry.protocol !== BOOT_ROUTE_PROTOCOL || entry.metric !== 0) return false;
  // flanneld makes plain routes.
  if (entry.special !== undefined || entry.attributes !== undefined) return false;
  if (entry.nexthopId !== undefined) return false;
  // flanneld's own on the overlay device: `S via S onlink`.
  if (isOnOverlay) return entry.onLink && entry.gateway === entry.destination.address;
  // flanneld's host-gw and direct routes look like anybody's; one that says what a peer's lease says is flanneld's.
  return entry.device === underlay && isPeerGateway(entry.gateway, peerAt(entry.destination));
}

function isPeerGateway(gateway: IpAddress | undefined, publicIp: IpAddress | undefined): boolean {
  return gateway !== undefined && gateway === publicIp;
}

function describeRoute(entry: RouteEntry): string {
  const words = ['route', entry.special, formatPrefix(entry.destination)];
  if (entry.nexthopId !== undefined) words.push('nhid', String(entry.nexthopId));
  if (entry.gateway !== undefined) words.push('via', entry.gateway);
  if (entry.device !== undefined) words.push('dev', entry.device);
  if (entry.onLink) words.push('onlink');
  if (entry.protocol !== SELVEDGE_ROUTE_PROTOCOL) words.push('proto', formatProtocol(entry.protocol));
  if (entry.metric !== 0) words.push('metric', String(entry.metric));
  words.push(entry.attributes);
  return words.filter(word => word !== undefined).join(' ');
}

/** Routes of table main. Pure. */
import { ipFromBytes, ipToBytes, type IpAddress } from '../../address/ip.js';
import { containsPrefix, formatPrefix } from '../../address/prefix.js';
import { BOOT_ROUTE_PROTOCOL, SELVEDGE_ROUTE_PROTOCOL, type RouteEntry } from '../model.js';
import {
  AF_INET,
  AF_INET6,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
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
  type RouteRequest,
} from '../netlink/route.js';
import type { Ownership } from '../ownership.js';
import type { DeviceTable, Kind } from './kind.js';

export const route: Kind<RouteEntry> = {
  name: 'route',
  order: 4,
  key: entry => `${formatPrefix(entry.destination)} metric ${entry.metric}`,
  describe: describeRoute,
  same: (a, b) =>
    a.gateway === b.gateway &&
    a.device === b.device &&
    a.onLink === b.onLink &&
    a.protocol === b.protocol &&
    a.special === b.special,
  isOurs: isOurRoute,
  exclusive: true,
  putType: RTM_NEWROUTE,
  removeType: RTM_DELROUTE,
  encode: (writer, entry, devices) => encodeRoute(writer, request(entry, devices)),
  // Gateway and protocol go along: a route that somebody put there in between is not the one that we mean. A route by
  // a nexthop object is read with that one's gateway and device, but the kernel takes neither in its removal.
  encodeRemoval(writer, entry, devices) {
    const { gateway, outInterface, ...key } = request(entry, devices);
    const isPlain = entry.special === undefined;
    encodeRoute(writer, {
      ...key,
      scope: RT_SCOPE_NOWHERE,
      ...(isPlain && gateway !== undefined && { gateway }),
      ...(isPlain && outInterface !== undefined && { outInterface }),
    });
  },
  dumps: () => [{ type: RTM_GETROUTE, write: writer => encodeRouteDump(writer, AF_INET) }],
  decode(body, devices) {
    const read = decodeRoute(body);
    if (read.table !== RT_TABLE_MAIN || read.tos !== 0 || (read.flags & RTM_F_CLONED) !== 0) return undefined;
    const device = read.outInterface === undefined ? undefined : devices.nameOf(read.outInterface);
    const special = whatIsSpecial(read);
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
      ...(special !== undefined && { special }),
    };
  },
};

/** RTN_UNSPEC: in a delete, a route of any type. */
const ANY_TYPE = 0;

function request(entry: RouteEntry, devices: DeviceTable): RouteRequest {
  return {
    family: entry.destination.family === 4 ? AF_INET : AF_INET6,
    destination: ipToBytes(entry.destination.address),
    prefixLength: entry.destination.length,
    tos: 0,
    table: RT_TABLE_MAIN,
    protocol: entry.protocol,
    scope: RT_SCOPE_UNIVERSE,
    type: entry.special === undefined ? RTN_UNICAST : ANY_TYPE,
    flags: entry.onLink ? RTNH_F_ONLINK : 0,
    metric: entry.metric,
    ...(entry.gateway !== undefined && { gateway: ipToBytes(entry.gateway) }),
    ...(entry.device !== undefined && { outInterface: devices.indexOf(entry.device) }),
  };
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
  if (read.nexthopId !== undefined) return `nexthop ${read.nexthopId}`;
  return read.multipath ? 'multipath' : undefined;
}

function isOurRoute(entry: RouteEntry, { network, devices, underlay, peerAt }: Ownership): boolean {
  const isOnOverlay = entry.device !== undefined && devices.has(entry.device);
  if (entry.protocol === SELVEDGE_ROUTE_PROTOCOL)
    return isOnOverlay || containsPrefix(network, entry.destination);
  if (entry.protocol !== BOOT_ROUTE_PROTOCOL || entry.special !== undefined || entry.metric !== 0)
    return false;
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
  if (entry.gateway !== undefined) words.push('via', entry.gateway);
  if (entry.device !== undefined) words.push('dev', entry.device);
  if (entry.onLink) words.push('onlink');
  if (entry.protocol !== SELVEDGE_ROUTE_PROTOCOL) words.push('proto', String(entry.protocol));
  if (entry.metric !== 0) words.push('metric', String(entry.metric));
  return words.filter(word => word !== undefined).join(' ');
}

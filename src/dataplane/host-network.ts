/** What the kernel says of this host's own network: interfaces with their addresses, the default route, a way. */
import { ipFromBytes, ipToBytes, type IpAddress } from '../address/ip.js';
import type { Prefix } from '../address/prefix.js';
import { decodeAddress, encodeAddressDump, type Address } from './netlink/address.js';
import {
  AF_INET,
  IFA_F_DEPRECATED,
  IFA_F_PERMANENT,
  IFA_F_TEMPORARY,
  IFF_LOWER_UP,
  IFF_UP,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
} from './netlink/constants.js';
import { NetlinkError } from './netlink/errors.js';
import { decodeLink, encodeLinkDump } from './netlink/link.js';
import type { MessageWriter } from './netlink/message.js';
import { decodeRoute, encodeRouteDump, encodeRouteLookup, type Route } from './netlink/route.js';
import type { NetlinkSocket } from './netlink/socket.js';

export interface HostInterface {
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  /** IPv4 addresses, the best first. */
  readonly addresses: readonly IpAddress[];
}

export interface HostNetwork {
  readonly interfaces: readonly HostInterface[];
  /** Interface of the default route with the lowest metric in table main. */
  readonly defaultRoute: string | undefined;
}

/** The way to one address, as `ip route get` tells it. */
export interface RouteTo {
  readonly device: string;
  readonly source: IpAddress | undefined;
}

/** Reads interfaces, IPv4 addresses and the IPv4 default route. @throws NetlinkError */
export async function readHostNetwork(socket: NetlinkSocket): Promise<HostNetwork> {
  const links = (await dump(socket, RTM_GETLINK, 'devices', encodeLinkDump)).map(decodeLink);
  const addresses = (
    await dump(socket, RTM_GETADDR, 'addresses', writer => encodeAddressDump(writer, AF_INET))
  ).map(decodeAddress);
  const routes = (await dump(socket, RTM_GETROUTE, 'routes', writer => encodeRouteDump(writer, AF_INET))).map(
    decodeRoute,
  );
  const defaults = routes
    .filter(
      route => route.table === RT_TABLE_MAIN && route.prefixLength === 0 && route.outInterface !== undefined,
    )
    .sort((a, b) => a.metric - b.metric);
  return {
    interfaces: links.map(({ index, name, mtu }) => ({ name, mtu, addresses: bestFirst(addresses, index) })),
    defaultRoute: links.find(link => link.index === defaults[0]?.outInterface)?.name,
  };
}

/** Whether a device can send at all. */
export interface LinkState {
  /** Administratively up (IFF_UP). */
  readonly isUp: boolean;
  /** Something answers at the other end of the cable (IFF_LOWER_UP). */
  readonly hasCarrier: boolean;
}

/** Reads the state of every device, by name. @throws NetlinkError */
export async function readLinkStates(socket: NetlinkSocket): Promise<ReadonlyMap<string, LinkState>> {
  const links = (await dump(socket, RTM_GETLINK, 'devices', encodeLinkDump)).map(decodeLink);
  const stateOf = (flags: number): LinkState => ({
    isUp: (flags & IFF_UP) !== 0,
    hasCarrier: (flags & IFF_LOWER_UP) !== 0,
  });
  return new Map(links.map(({ name, flags }) => [name, stateOf(flags)]));
}

/**
 * How the kernel says that no route leads there; the last three stand for routes of type unreachable, prohibit and
 * blackhole (fib_props of net/ipv4/fib_semantics.c).
 */
const NO_WAY: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL']);

/** A packet from a container, as the host gets it. */
export interface Forwarded {
  /** Name of the interface by which it comes in. */
  readonly device: string;
  readonly source: IpAddress;
}

/**
 * Asks the kernel for the way to an address.
 * @returns undefined when there is none
 */
export async function lookUpRoute(socket: NetlinkSocket, target: IpAddress): Promise<RouteTo | undefined> {
  const [route] = await lookUpRoutes(socket, [target]);
  return route;
}

/**
 * Asks the kernel for the ways to several addresses, for packets of this host or forwarded ones.
 * @returns in their order; undefined: there is none
 */
export async function lookUpRoutes(
  socket: NetlinkSocket,
  targets: readonly IpAddress[],
  forwarded?: Forwarded,
): Promise<readonly (RouteTo | undefined)[]> {
  const links = (await dump(socket, RTM_GETLINK, 'devices', encodeLinkDump)).map(decodeLink);
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const inInterface = links.find(({ name }) => name === forwarded?.device)?.index;
  const from =
    forwarded === undefined || inInterface === undefined
      ? undefined
      : { inInterface, source: ipToBytes(forwarded.source) };
  const routes: (RouteTo | undefined)[] = [];
  for (const target of targets) {
    const route = await askRoute(socket, target, from);
    const device = names.get(route?.outInterface ?? 0);
    routes.push(
      route && device !== undefined
        ? { device, source: route.preferredSource && ipFromBytes(route.preferredSource) }
        : undefined,
    );
  }
  return routes;
}

async function askRoute(
  socket: NetlinkSocket,
  target: IpAddress,
  from: { readonly inInterface: number; readonly source: Uint8Array } | undefined,
): Promise<Route | undefined> {
  try {
    const [reply] = await socket.request({
      type: RTM_GETROUTE,
      flags: 0,
      describe: () => `route to ${target}`,
      write: writer => encodeRouteLookup(writer, AF_INET, ipToBytes(target), from),
    });
    return reply && decodeRoute(reply.body);
  } catch (error) {
    if (error instanceof NetlinkError && NO_WAY.has(error.code)) return undefined;
    throw error;
  }
}

/** Destinations of the IPv4 routes of table main that lead through a gateway. @throws NetlinkError */
export async function readGatewayRoutes(socket: NetlinkSocket): Promise<Prefix[]> {
  const routes = await dump(socket, RTM_GETROUTE, 'routes', writer => encodeRouteDump(writer, AF_INET));
  return routes
    .map(decodeRoute)
    .filter(({ table, gateway }) => table === RT_TABLE_MAIN && gateway !== undefined)
    .map(({ destination, prefixLength: length }) => ({
      family: 4,
      address: ipFromBytes(destination),
      length,
    }));
}

/** flannel's order: global before link-local, permanent before dynamic; deprecated ones do not count. */
function bestFirst(all: readonly Address[], index: number): IpAddress[] {
  const rank = (address: Address) =>
    (address.scope === RT_SCOPE_UNIVERSE ? 0 : 4) +
    ((address.flags & IFA_F_PERMANENT) !== 0 ? 0 : 2) +
    ((address.flags & IFA_F_TEMPORARY) !== 0 ? 1 : 0);
  return all
    .filter(address => address.interfaceIndex === index && (address.flags & IFA_F_DEPRECATED) === 0)
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap(address => (address.local === undefined ? [] : [ipFromBytes(address.local)]));
}

async function dump(
  socket: NetlinkSocket,
  type: number,
  what: string,
  write: (writer: MessageWriter) => void,
): Promise<Uint8Array[]> {
  const replies = await socket.dump({ type, flags: 0, describe: () => `list of ${what}`, write });
  return replies.map(({ body }) => body);
}

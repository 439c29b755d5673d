/** The entries that the contract puts into a kernel: one of each kind, told apart by what a case is about. */
import * as nl from '../../src/dataplane/netlink/constants.js';
import type { Address } from '../../src/dataplane/netlink/address.js';
import type { Neighbour } from '../../src/dataplane/netlink/neighbour.js';
import type { NexthopRequest } from '../../src/dataplane/netlink/nexthop.js';
import type { Route } from '../../src/dataplane/netlink/route.js';

export const MAC_A = Uint8Array.of(2, 0x53, 0, 0, 0, 1);
export const MAC_B = Uint8Array.of(2, 0x53, 0, 0, 0, 2);

export function bytes(address: string): Uint8Array {
  return Uint8Array.from(address.split('.'), Number);
}

/** Bytes of whatever class as numbers, to compare. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

export function addressOn(interfaceIndex: number, local: string, prefixLength: number): Address {
  const fixed = { family: nl.AF_INET, scope: nl.RT_SCOPE_UNIVERSE, flags: 0 };
  return { ...fixed, interfaceIndex, prefixLength, local: bytes(local) };
}

export function arpOn(interfaceIndex: number, address: string, linkAddress: Uint8Array): Neighbour {
  const fixed = { family: nl.AF_INET, state: nl.NUD_PERMANENT, flags: 0, type: nl.RTN_UNICAST, protocol: 83 };
  return { ...fixed, interfaceIndex, destination: bytes(address), linkAddress };
}

export function fdbOn(interfaceIndex: number, linkAddress: Uint8Array, vtep?: string): Neighbour {
  const fixed = { family: nl.AF_BRIDGE, state: nl.NUD_PERMANENT, flags: nl.NTF_SELF, type: 0 };
  return { ...fixed, interfaceIndex, linkAddress, ...(vtep !== undefined && { destination: bytes(vtep) }) };
}

/** A route as it is asked for, with bytes as the kernel tells them. */
export type WrittenRoute = Omit<Route, 'multipath'>;

export function routeOn(outInterface: number, destination: string, gateway: string): WrittenRoute {
  return {
    family: nl.AF_INET,
    destination: bytes(destination),
    prefixLength: 24,
    tos: 0,
    table: nl.RT_TABLE_MAIN,
    protocol: 83,
    scope: nl.RT_SCOPE_UNIVERSE,
    type: nl.RTN_UNICAST,
    flags: nl.RTNH_F_ONLINK,
    metric: 0,
    gateway: bytes(gateway),
    outInterface,
  };
}

export function nexthopOn(outInterface: number, id: number, gateway: string): NexthopRequest {
  const fixed = { family: nl.AF_INET, protocol: 83, flags: nl.RTNH_F_ONLINK };
  return { ...fixed, id, outInterface, gateway: bytes(gateway) };
}

/** A route by a nexthop object. */
export function routeBy(nexthopId: number, destination: string): WrittenRoute {
  return { ...withoutPath(routeOn(0, destination, destination)), nexthopId };
}

export function withoutPath(route: WrittenRoute): WrittenRoute {
  const { family, destination, prefixLength, tos, table, protocol, scope, type, metric } = route;
  return { family, destination, prefixLength, tos, table, protocol, scope, type, metric, flags: 0 };
}

/**
 * From what a plan says to what the kernel is given: a route on an overlay device becomes a nexthop object and a route
 * by it. Pure.
 *
 * A kernel looks for a classic route's next hop among all those of its kind, so that N peers cost O(N²); by nexthop
 * objects their cost is flat. Not on the underlay: a nexthop object on a physical device dies, without a word, when the
 * carrier is lost, and does not return with it, while a classic route works again at once. Nor where there are few peers:
 * nothing is gained there, and classic routes are what people and their tools know.
 */
import { formatPrefix } from '../address/prefix.js';
import { describe, isOurs } from './kinds/index.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry, type NexthopEntry, type RouteEntry } from './model.js';
import { nexthopIdOf, subnetAddressOf } from './nexthop-id.js';
import type { Ownership } from './ownership.js';

/** With how many peers nexthop objects are used. */
export interface NexthopRange {
  /** So many and more. */
  readonly from: number;
  /** Where they are in use already, they stay with so many and more: a peer that comes and goes moves nothing. */
  readonly downTo: number;
}

/**
 * Measured on Linux 6.18: milliseconds that the kernel needs for all entries of N peers (the least of 21 tries).
 *
 *     peers      50    100   200   500   1,000  2,000
 *     classic    0.22  0.45  1.02  3.56  11.4   37.8
 *     nexthops   0.24  0.46  0.88  2.13   4.3    8.8
 */
export const NEXTHOPS_PAY: NexthopRange = { from: 200, downTo: 100 };

/** What stands against nexthop objects at present. */
export interface NexthopObstacles {
  /** So few peers that nothing would be gained: all routes are classic. */
  readonly few: boolean;
  /** The kernel has none (before Linux 5.3): all routes are classic. */
  readonly unsupported: boolean;
  /** Ids that others have taken, with what stands there: the peers of these have classic routes. */
  readonly taken: ReadonlyMap<number, NexthopEntry>;
}

export const NO_OBSTACLES: NexthopObstacles = { few: false, unsupported: false, taken: new Map() };

/** @param inUse whether there are nexthop objects of ours */
export function areFew(peers: number, { from, downTo }: NexthopRange, inUse: boolean): boolean {
  return peers < (inUse ? downTo : from);
}

/** What the kernel is to be given for these entries, which a backend has planned. */
export function lower(
  planned: readonly Entry[],
  { devices }: Ownership,
  obstacles: NexthopObstacles,
): readonly Entry[] {
  if (obstacles.few || obstacles.unsupported) return planned;
  const lowered: Entry[] = [];
  for (const entry of planned) {
    const nexthop = entry.kind === 'route' ? nexthopFor(entry, devices, obstacles) : undefined;
    if (entry.kind !== 'route' || nexthop === undefined) lowered.push(entry);
    else lowered.push(nexthop, routeBy(nexthop, entry));
  }
  return lowered;
}

/** One of ours: it has a gateway and a device. */
type OurNexthop = Required<Omit<NexthopEntry, 'special' | 'attributes'>>;

/** The same route by its nexthop object. Field by field: there is one for every peer, and a spread costs ten times as much. */
function routeBy({ id, gateway, device }: OurNexthop, route: RouteEntry): RouteEntry {
  const { destination, onLink, protocol, metric } = route;
  return { kind: 'route', destination, gateway, device, onLink, protocol, metric, nexthopId: id };
}

/** The nexthop object by which this route is to go, or undefined when it stays classic. */
function nexthopFor(
  { destination, gateway, device, onLink, protocol }: RouteEntry,
  devices: ReadonlySet<string>,
  { taken }: NexthopObstacles,
): OurNexthop | undefined {
  if (gateway === undefined || device === undefined || !devices.has(device)) return undefined;
  const id = nexthopIdOf(destination);
  return id === undefined || taken.has(id)
    ? undefined
    : { kind: 'nexthop', id, gateway, device, onLink, protocol };
}

/**
 * The obstacles that a reading of the kernel shows.
 * @param unsupported whether the kernel has no nexthop objects
 * @param peers how many there are
 */
export function findObstacles(
  entries: Iterable<Entry>,
  ownership: Ownership,
  unsupported: boolean,
  peers: number,
  range: NexthopRange,
): NexthopObstacles {
  const taken = new Map<number, NexthopEntry>();
  let inUse = false;
  for (const entry of entries) {
    if (entry.kind !== 'nexthop') continue;
    if (isOurs(entry, ownership)) inUse = true;
    else if (subnetAddressOf(entry.id) !== undefined) taken.set(entry.id, entry);
  }
  return { few: areFew(peers, range, inUse), unsupported, taken };
}

/** Whether both lead to the same entries. */
export function sameObstacles(a: NexthopObstacles, b: NexthopObstacles): boolean {
  return (
    a.few === b.few &&
    a.unsupported === b.unsupported &&
    a.taken.size === b.taken.size &&
    [...a.taken.keys()].every(id => b.taken.has(id))
  );
}

/**
 * What is done in another way because of the obstacles, a line each: no fault, for the packets take the same way.
 * @param desired what the kernel is to hold at present
 */
export function obstacleNotes(obstacles: NexthopObstacles, desired: Iterable<Entry>): string[] {
  if (obstacles.unsupported) return ['this kernel has no nexthop objects: all routes are classic'];
  if (obstacles.taken.size === 0) return [];
  const notes: string[] = [];
  for (const entry of desired) {
    if (entry.kind !== 'route' || entry.nexthopId !== undefined) continue;
    if (entry.protocol !== SELVEDGE_ROUTE_PROTOCOL) continue;
    const found = obstacles.taken.get(nexthopIdOf(entry.destination) ?? 0);
    if (found === undefined) continue;
    notes.push(
      `${describe(found)} has the id for ${formatPrefix(entry.destination)} and is not ours: that peer has a classic route`,
    );
  }
  return notes;
}

/** A small overlay network for tests of the data plane: 10.5.0.0/16 on flannel.1 over up0, peers by number. */
import { parsePrefix, type Prefix } from '../../src/address/prefix.js';
import type { Announced, News } from '../../src/dataplane/announced.js';
import { byKey } from '../../src/dataplane/diff.js';
import { keyOf } from '../../src/dataplane/kinds/index.js';
import {
  BOOT_ROUTE_PROTOCOL,
  SELVEDGE_ROUTE_PROTOCOL,
  type AddressEntry,
  type Entry,
  type FdbEntry,
  type NeighbourEntry,
  type NexthopEntry,
  type RouteEntry,
  type VxlanLink,
} from '../../src/dataplane/model.js';
import { lower, NO_OBSTACLES, type NexthopRange } from '../../src/dataplane/lowering.js';
import { nexthopIdOf } from '../../src/dataplane/nexthop-id.js';
import type { Ownership } from '../../src/dataplane/ownership.js';

export const DEVICE = 'flannel.1';
export const UNDERLAY = 'up0';
export const OWN_MAC = '02:53:00:00:00:ff';

/** A prefix that a test has written itself. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`);
  return parsed;
}

export const NETWORK = prefix('10.5.0.0/16');

/** Where peer `n` is reached on the underlay. */
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Of a peer by its number; from 256 on, outside of the network, where only numbers matter. */
export const vtepOf = (n: number): string => `192.168.${77 + (n >> 8)}.${n & 255}`;
export const macOf = (n: number): string => `02:53:00:00:${hex(n >> 8)}:${hex(n & 255)}`;
export const subnetOf = (n: number): Prefix => prefix(`10.${5 + (n >> 8)}.${n & 255}.0/24`);

/** The instance's predicate; the only accepted peer that is asked for is number 2. */
export const OWNERSHIP: Ownership = {
  network: NETWORK,
  devices: new Set([DEVICE]),
  underlay: UNDERLAY,
  peerAt: ({ address, length }) => (address === '10.5.2.0' && length === 24 ? vtepOf(2) : undefined),
};

/** Nexthop objects for any number of peers: few are easier to look at. */
export const ALWAYS: NexthopRange = { from: 0, downTo: 0 };

export function vxlanLink(changes: Partial<VxlanLink> = {}): VxlanLink {
  return {
    kind: 'vxlan',
    name: DEVICE,
    vni: 1,
    port: 8472,
    underlay: UNDERLAY,
    local: '192.168.77.1',
    mac: OWN_MAC,
    mtu: 1450,
    learning: false,
    gbp: false,
    ...changes,
  };
}

export function addressEntry(text: string, device = DEVICE): AddressEntry {
  return { kind: 'address', device, prefix: prefix(text) };
}

/** The address of the host's own device. */
export const OWN_ADDRESS = addressEntry('10.5.1.0/32');

export function fdbEntry(mac: string, vtep: string, device = DEVICE): FdbEntry {
  return { kind: 'fdb', device, mac, vtep };
}

export function neighbourEntry(address: string, mac: string, device = DEVICE): NeighbourEntry {
  return { kind: 'neighbour', device, address, mac };
}

/** A route as a plan has it on the overlay: by the base address, on-link. */
export function overlayRoute(destination: Prefix, changes: Partial<RouteEntry> = {}): RouteEntry {
  return {
    kind: 'route',
    destination,
    gateway: destination.address,
    device: DEVICE,
    onLink: true,
    protocol: SELVEDGE_ROUTE_PROTOCOL,
    metric: 0,
    ...changes,
  };
}

/** The nexthop object of peer `n`. */
export function nexthopEntry(n: number, changes: Partial<NexthopEntry> = {}): NexthopEntry {
  const gateway = subnetOf(n).address;
  const id = nexthopIdOf(subnetOf(n))!;
  const protocol = SELVEDGE_ROUTE_PROTOCOL;
  return { kind: 'nexthop', id, gateway, device: DEVICE, onLink: true, protocol, ...changes };
}

/** The route of peer `n` by its nexthop object. */
export function nexthopRoute(n: number, changes: Partial<RouteEntry> = {}): RouteEntry {
  return overlayRoute(subnetOf(n), { nexthopId: nexthopIdOf(subnetOf(n))!, ...changes });
}

/** The same as flanneld leaves it. */
export function flannelRoute(destination: Prefix, changes: Partial<RouteEntry> = {}): RouteEntry {
  return overlayRoute(destination, { protocol: BOOT_ROUTE_PROTOCOL, ...changes });
}

/** A route by way of the underlay, as host-gw and direct routing make it. */
export function underlayRoute(
  destination: Prefix,
  gateway: string,
  changes: Partial<RouteEntry> = {},
): RouteEntry {
  return overlayRoute(destination, { gateway, device: UNDERLAY, onLink: false, ...changes });
}

/** What is planned for peer `n`, in its key order: FDB entry, neighbour, route. */
export function peerEntries(
  n: number,
  mac = macOf(n),
  vtep = vtepOf(n),
): [FdbEntry, NeighbourEntry, RouteEntry] {
  const subnet = subnetOf(n);
  return [fdbEntry(mac, vtep), neighbourEntry(subnet.address, mac), overlayRoute(subnet)];
}

/** What the kernel is given for these entries of a plan, sorted. */
export function programmed(planned: Iterable<Entry>): Entry[] {
  return sorted(lower([...planned], OWNERSHIP, NO_OBSTACLES));
}

/** Entries in one text that does not depend on their order, to compare what two kernels or plans hold. */
export function sorted(entries: Iterable<Entry>): Entry[] {
  return [...byKey(entries)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

/** What was announced of entries, and was all. */
export function newsOf(...announced: readonly Announced[]): News {
  return { entries: new Map(announced.map(each => [keyOf(each.entry), each])), isAll: true };
}

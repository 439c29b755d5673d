/**
 * What the kernel should hold, and what it holds, as plain data. Pure.
 *
 * Entries name devices by their name, because a device may not exist yet when an entry is planned; the index is looked
 * up when bytes are made. Keys mirror the kernel's own: two entries with one key cannot both exist.
 */
import type { IpAddress } from '../address/ip.js';
import type { MacAddress } from '../address/mac.js';
import { formatPrefix, type Prefix } from '../address/prefix.js';

/** A VXLAN device as we create it. */
export interface VxlanLink {
  readonly kind: 'vxlan';
  readonly name: string;
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number;
  /** UDP port of the outer packets. */
  readonly port: number;
  /** Name of the underlay device that carries the outer packets. */
  readonly underlay: string;
  /** Source address of the outer packets. */
  readonly local: IpAddress;
  readonly mac: MacAddress;
  /** Largest inner packet, bytes. */
  readonly mtu: number;
  readonly learning: boolean;
  /** Group Based Policy extension. */
  readonly gbp: boolean;
}

export type Link = VxlanLink;

/** An address on a device. Key: device and address with its prefix length. */
export interface AddressEntry {
  readonly kind: 'address';
  readonly device: string;
  /** The address itself with the length of its on-link prefix. */
  readonly prefix: Prefix;
}

/** A permanent FDB entry of a VXLAN device: frames for this MAC go to that VTEP. Key: device and MAC. */
export interface FdbEntry {
  readonly kind: 'fdb';
  readonly device: string;
  readonly mac: MacAddress;
  /** Underlay address of the VTEP. */
  readonly vtep: IpAddress;
}

/** A permanent neighbour (ARP) entry. Key: device and address. */
export interface NeighbourEntry {
  readonly kind: 'neighbour';
  readonly device: string;
  readonly address: IpAddress;
  readonly mac: MacAddress;
}

/** A unicast route of table main, TOS 0. Key: destination and metric. */
export interface RouteEntry {
  readonly kind: 'route';
  readonly destination: Prefix;
  readonly gateway: IpAddress;
  readonly device: string;
  /** The gateway need not be covered by an address of the device. */
  readonly onLink: boolean;
  readonly protocol: number;
  readonly metric: number;
}

export type Entry = AddressEntry | FdbEntry | NeighbourEntry | RouteEntry;

/** The kernel's key of an entry, with the kind in front. */
export function keyOf(entry: Entry): string {
  switch (entry.kind) {
    case 'address':
      return `address ${entry.device} ${formatPrefix(entry.prefix)}`;
    case 'fdb':
      return `fdb ${entry.device} ${entry.mac}`;
    case 'neighbour':
      return `neighbour ${entry.device} ${entry.address}`;
    case 'route':
      return `route ${formatPrefix(entry.destination)} metric ${entry.metric}`;
  }
}

/** An entry as operators know it from iproute2, for messages. */
export function describe(entry: Entry): string {
  switch (entry.kind) {
    case 'address':
      return `address ${formatPrefix(entry.prefix)} dev ${entry.device}`;
    case 'fdb':
      return `fdb ${entry.mac} dev ${entry.device} dst ${entry.vtep}`;
    case 'neighbour':
      return `neighbour ${entry.address} lladdr ${entry.mac} dev ${entry.device}`;
    case 'route':
      return `route ${formatPrefix(entry.destination)} via ${entry.gateway} dev ${entry.device}${entry.onLink ? ' onlink' : ''}`;
  }
}

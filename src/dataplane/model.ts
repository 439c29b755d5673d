/**
 * What the kernel should hold, and what it holds, as plain data. Pure.
 *
 * Entries name devices by their name, because a device may not exist yet when an entry is planned; the index is looked
 * up when bytes are made. What can be asked of an entry (its key, its bytes, whose it is) stands in `kinds/`.
 */
import type { IpAddress } from '../address/ip.js';
import type { MacAddress } from '../address/mac.js';
import type { Prefix } from '../address/prefix.js';

/**
 * The protocol number of our routes (rtm_protocol): it tells them from everybody else's.
 * Numbers from 5 on are free for routing daemons; linux/rtnetlink.h lists those in use, and 83 is none of them.
 */
export const SELVEDGE_ROUTE_PROTOCOL = 83;

/** RTPROT_BOOT of linux/rtnetlink.h: what iproute2 gives when asked for none, and what flanneld's routes have. */
export const BOOT_ROUTE_PROTOCOL = 3;

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
  /** Underlay address of the VTEP. Missing only in what was read: where nexthop objects stand for it, or it is gone. */
  readonly vtep?: IpAddress;
  /** What else leads the frames elsewhere: `port 1234 vni 77 via lo`, `nhid 501`. Never in a desired one. */
  readonly special?: string;
}

/** A permanent neighbour (ARP) entry. Key: device and address. */
export interface NeighbourEntry {
  readonly kind: 'neighbour';
  readonly device: string;
  readonly address: IpAddress;
  readonly mac: MacAddress;
}

/**
 * A nexthop object, which routes refer to by its id. Key: the id, in the whole network namespace.
 *
 * Ours have one gateway on one device. Others' may be anything; `special` then says what.
 */
export interface NexthopEntry {
  readonly kind: 'nexthop';
  readonly id: number;
  readonly gateway?: IpAddress;
  readonly device?: string;
  /** The gateway need not be covered by an address of the device. */
  readonly onLink: boolean;
  readonly protocol: number;
  /** `group`, `blackhole` or `fdb`. Never in a desired one. */
  readonly special?: string;
  /** What it says besides: `encap ip`. Never in a desired one. */
  readonly attributes?: string;
}

/**
 * A route of table main, TOS 0. Key: destination and metric.
 *
 * Ours are unicast with one gateway. What others put there may be anything, so `gateway` and `device` may be missing in
 * what was read, and `special` then says what the route is.
 */
export interface RouteEntry {
  readonly kind: 'route';
  readonly destination: Prefix;
  readonly gateway?: IpAddress;
  readonly device?: string;
  /** The gateway need not be covered by an address of the device. */
  readonly onLink: boolean;
  readonly protocol: number;
  readonly metric: number;
  /**
   * The nexthop object that the route refers to. Gateway and device are that one's then, and stand here for people: a
   * kernel with net.ipv4.nexthop_compat_mode off does not tell them.
   */
  readonly nexthopId?: number;
  /** What a plain unicast route cannot express: `blackhole`, `multipath` … Never in a desired route. */
  readonly special?: string;
  /** What it says besides: `mtu lock 600`, `src 10.0.0.1`, `encap ip`. Never in a desired route. */
  readonly attributes?: string;
}

export type Entry = AddressEntry | FdbEntry | NeighbourEntry | NexthopEntry | RouteEntry;

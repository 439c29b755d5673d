/**
 * How a lease becomes kernel state: the interface of a backend, and the registry by type name. Pure.
 *
 * A backend knows leases and entries, and nothing of sockets or stores. It is configured once from the settings in the
 * network config and then answers questions about one host and its peers.
 */
import { containsIp, type Prefix } from '../address/prefix.js';
import type { IpAddress } from '../address/ip.js';
import type { MacAddress } from '../address/mac.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry, type Link, type RouteEntry } from '../dataplane/model.js';
import type { Fault } from '../schema/go-json.js';
import type { Lease, LeaseSubnets } from '../subnet/lease.js';

/** The underlay as a backend needs to know it. */
export interface Underlay {
  readonly device: string;
  /** The device's own address that we use. */
  readonly address: IpAddress;
  /** MTU of the device, bytes. */
  readonly mtu: number;
  /** What peers send to: `address`, or where a NAT forwards to it. */
  readonly publicIp: IpAddress;
  /** Destinations of table main, for telling on-link peers from those behind a gateway; see `Backend.followsRoutes`. */
  readonly routes: readonly UnderlayRoute[];
}

export interface UnderlayRoute {
  readonly destination: Prefix;
  readonly device: string;
  readonly hasGateway: boolean;
}

/** This host's part in the network. */
export interface Self {
  readonly subnets: LeaseSubnets;
  readonly underlay: Underlay;
  /** MAC of the overlay device; undefined for a backend without a device. */
  readonly mac: MacAddress | undefined;
}

/** What a backend writes into the host's own lease. */
export interface BackendLeaseData {
  readonly backendType: string;
  readonly backendData?: unknown;
}

/** A backend's word on somebody's lease: fit, with what it claims for its host alone, or why not. */
export type PeerJudgement =
  | { readonly ok: true; readonly claims: readonly string[] }
  | { readonly ok: false; readonly setAside: { readonly code: RefusalCode; readonly reason: string } };

export type RefusalCode = 'other-backend' | 'bad-backend-data' | 'duplicate';

/** What the host itself needs, whoever its peers are. Lists: a dual-stack host has two of everything. */
export interface HostPlan {
  readonly links: readonly Link[];
  readonly entries: readonly Entry[];
}

/** A backend with its settings. */
export interface Backend {
  readonly type: string;
  /** Name of the overlay device, or undefined for a backend without one. */
  readonly device: string | undefined;
  /** UDP port that packets of other hosts come in by, or undefined for a backend that wraps none. */
  readonly port: number | undefined;
  /** What wrapping adds to a packet between containers, bytes. */
  readonly overhead: number;
  /** Whether its plans depend on the routes of the underlay: if not, these need not be kept up to date. */
  readonly followsRoutes: boolean;
  /** Why this backend cannot work on this underlay, or undefined. */
  cannotRun(underlay: Underlay): string | undefined;
  /** Devices of this host by which packets between containers of different hosts come and go. */
  forwardDevices(underlay: Underlay): readonly string[];
  /** MTU for containers, bytes. */
  mtu(underlay: Underlay): number;
  /** @param mac of the overlay device, when there is one */
  leaseData(mac: MacAddress | undefined): BackendLeaseData;
  /** The overlay device's MAC that a lease publishes, if any: a returning host keeps the one in its own lease. */
  publishedMac(lease: Lease): MacAddress | undefined;
  /** @param self undefined MAC: judged by somebody who is no host of the network */
  judge(lease: Lease, self: Pick<Self, 'mac'>): PeerJudgement;
  planHost(self: Self): HostPlan;
  /** Everything that the kernel must hold for one accepted peer. */
  planPeer(lease: Lease, self: Self): readonly Entry[];
  /** The address of the peer's own behind the tunnel, at which its host answers; undefined where there is no tunnel to it. */
  vtepAddress(lease: Lease, self: Self): IpAddress | undefined;
  /** How packets get to the peer, for people: `vxlan`, `host-gw`, `direct`. */
  pathTo(lease: Lease, self: Self): string;
}

export type Configured =
  | { readonly ok: true; readonly backend: Backend; readonly notes: readonly string[] }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** A kind of backend: reads its settings. */
export interface BackendType {
  readonly type: string;
  /** @param settings the Backend object of the config without `Type` */
  configure(settings: Readonly<Record<string, unknown>>): Configured;
}

/** The most specific route of table main decides: on-link means that it leaves by the underlay and has no gateway. */
export function isOnLink(underlay: Underlay, address: IpAddress): boolean {
  let best: UnderlayRoute | undefined;
  for (const route of underlay.routes) {
    // The length first: to look into a prefix costs far more.
    const isLonger = best === undefined || route.destination.length > best.destination.length;
    if (isLonger && containsIp(route.destination, address)) best = route;
  }
  return best?.device === underlay.device && !best.hasGateway;
}

/**
 * The judgement on a lease that is set aside.
 * @param reason why, for people, without the lease's key
 */
export function refuse(code: RefusalCode, reason: string): PeerJudgement {
  return { ok: false, setAside: { code, reason } };
}

/**
 * The judgement on a lease of another backend than ours: its host cannot be reached by our means.
 * @param own our backend's type
 */
export function refuseOtherBackend(lease: Lease, own: string): PeerJudgement {
  const theirs = lease.backendType === '' ? 'not named' : JSON.stringify(lease.backendType);
  return refuse('other-backend', `backend is ${theirs}, ours is ${own}`);
}

/** Our route to a peer's subnet. */
export function peerRoute(
  lease: Lease,
  path: Required<Pick<RouteEntry, 'gateway' | 'device' | 'onLink'>>,
): RouteEntry {
  const { gateway, device, onLink } = path;
  // Field by field: there is one for every peer, and a spread costs ten times as much.
  return {
    kind: 'route',
    destination: lease.subnets.ipv4,
    gateway,
    device,
    onLink,
    protocol: SELVEDGE_ROUTE_PROTOCOL,
    metric: 0,
  };
}

/** The route to a peer over the underlay alone: all of host-gw, and vxlan's DirectRouting. */
export function underlayRoute(lease: Lease, underlay: Underlay): RouteEntry {
  return peerRoute(lease, { gateway: lease.publicIp, device: underlay.device, onLink: false });
}

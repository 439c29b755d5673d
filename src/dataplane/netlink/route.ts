/** Routes on the wire: struct rtmsg and RTA_* attributes (linux/rtnetlink.h). Pure. */
import {
  AF_INET,
  AF_INET6,
  RT_TABLE_UNSPEC,
  RTA_DST,
  RTA_ENCAP_TYPE,
  RTA_FLOW,
  RTA_IIF,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_MULTIPATH,
  RTA_NH_ID,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_SRC,
  RTA_TABLE,
  RTA_VIA,
  RTAX_CC_ALGO,
  RTM_F_LOOKUP_TABLE,
  RTMSG_BYTES,
} from './constants.js';
import { MalformedMessageError } from './errors.js';
import { AttributeReader, hostU32, structView, type MessageWriter, type WireAddress } from './message.js';

/** What a route request says. In a delete only the key counts; a zero protocol and scope 255 match any. */
export interface RouteRequest {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Address of the prefix. */
  readonly destination: WireAddress;
  readonly prefixLength: number;
  readonly tos: number;
  /** Table number; may exceed a byte. */
  readonly table: number;
  /** RTPROT_*: who made it. */
  readonly protocol: number;
  readonly scope: number;
  /** RTN_UNICAST, RTN_BLACKHOLE … */
  readonly type: number;
  /** RTNH_F_* and RTM_F_* bits. */
  readonly flags: number;
  /** RTA_PRIORITY, part of the key. 0 is left out: IPv6 then stores 1024. */
  readonly metric: number;
  /** Of the other family than the route's when the kernel calls it RTA_VIA. */
  readonly gateway?: WireAddress | undefined;
  readonly outInterface?: number | undefined;
  readonly preferredSource?: Uint8Array | undefined;
  /** Id of the nexthop object that carries the route. */
  readonly nexthopId?: number | undefined;
}

/** A route as the kernel tells it. */
export interface Route extends RouteRequest {
  /** 4 or 16 bytes. */
  readonly destination: Uint8Array;
  readonly gateway?: Uint8Array | undefined;
  /** Whether it has several paths, which are not decoded: no route of ours has. */
  readonly multipath: boolean;
  /** What it says of TCP and packet sizes, in the kernel's order. */
  readonly metrics?: readonly RouteMetric[];
  /** What its packets are counted under: from << 16 | to. */
  readonly realms?: number;
  /** LWTUNNEL_ENCAP_*: what its packets are wrapped in. */
  readonly encapType?: number;
}

/** One of the values of RTA_METRICS. */
export interface RouteMetric {
  /** RTAX_*. */
  readonly type: number;
  /** The name of a congestion control algorithm, or a number. */
  readonly value: string | number;
}

/** What a question about routes leaves open. */
const ANY_ROUTE = { prefixLength: 0, tos: 0, table: 0, protocol: 0, scope: 0, type: 0, flags: 0 } as const;

/** A default route has no RTA_DST. */
const NO_ADDRESS = { [AF_INET]: new Uint8Array(4), [AF_INET6]: new Uint8Array(16) } as const;

/** Writes the body of RTM_NEWROUTE or RTM_DELROUTE. */
export function encodeRoute(writer: MessageWriter, route: RouteRequest): void {
  writeHeader(writer, route);
  if (route.prefixLength > 0) writer.attributeIp(RTA_DST, route.destination);
  if (route.gateway !== undefined) writeGateway(writer, route.family, route.gateway);
  if (route.outInterface !== undefined) writer.attributeU32(RTA_OIF, route.outInterface);
  if (route.metric !== 0) writer.attributeU32(RTA_PRIORITY, route.metric);
  if (route.preferredSource !== undefined) writer.attributeBytes(RTA_PREFSRC, route.preferredSource);
  if (route.table > 255) writer.attributeU32(RTA_TABLE, route.table);
  if (route.nexthopId !== undefined) writer.attributeU32(RTA_NH_ID, route.nexthopId);
}

/**
 * Writes the body of RTM_GETROUTE that asks which way packets to one address go, as `ip route get` does. The answer is
 * a route with its interface, source and, when there is one, gateway.
 * @param destination 4 or 16 bytes, matching the family
 * @param forwarded a packet that came in from there, instead of one of this host: index of the interface, and source
 */
export function encodeRouteLookup(
  writer: MessageWriter,
  family: number,
  destination: Uint8Array,
  forwarded?: { readonly inInterface: number; readonly source: Uint8Array },
): void {
  const prefixLength = destination.length * 8;
  writeHeader(writer, { ...ANY_ROUTE, family, prefixLength, flags: RTM_F_LOOKUP_TABLE });
  writer.attributeBytes(RTA_DST, destination);
  if (forwarded === undefined) return;
  writer.attributeBytes(RTA_SRC, forwarded.source);
  writer.attributeU32(RTA_IIF, forwarded.inInterface);
}

/** Writes the body of an RTM_GETROUTE dump: all routes of the family in all tables. */
export function encodeRouteDump(writer: MessageWriter, family: number): void {
  writeHeader(writer, { ...ANY_ROUTE, family });
}

/**
 * Reads the body of RTM_NEWROUTE or RTM_DELROUTE.
 * @throws MalformedMessageError
 */
export function decodeRoute(body: Uint8Array): Route {
  const header = structView(body, RTMSG_BYTES);
  const family = header.getUint8(0);
  const route: { -readonly [K in keyof Route]: Route[K] } = {
    family,
    destination: NO_ADDRESS[family === AF_INET ? AF_INET : AF_INET6],
    prefixLength: header.getUint8(1),
    tos: header.getUint8(3),
    table: header.getUint8(4),
    protocol: header.getUint8(5),
    scope: header.getUint8(6),
    type: header.getUint8(7),
    flags: hostU32(header, 8),
    metric: 0,
    multipath: false,
  };
  const attributes = new AttributeReader(body, RTMSG_BYTES);
  while (attributes.next()) {
    switch (attributes.type) {
      case RTA_DST:
        route.destination = attributes.ipAddress();
        break;
      case RTA_GATEWAY:
        route.gateway = attributes.ipAddress();
        break;
      case RTA_VIA:
        route.gateway = readVia(attributes.bytes());
        break;
      case RTA_OIF:
        route.outInterface = attributes.u32();
        break;
      case RTA_PRIORITY:
        route.metric = attributes.u32();
        break;
      case RTA_PREFSRC:
        route.preferredSource = attributes.ipAddress();
        break;
      case RTA_TABLE:
        route.table = attributes.u32();
        break;
      case RTA_NH_ID:
        route.nexthopId = attributes.u32();
        break;
      case RTA_MULTIPATH:
        route.multipath = true;
        break;
      case RTA_METRICS:
        route.metrics = readMetrics(attributes.nested());
        break;
      case RTA_FLOW:
        route.realms = attributes.u32();
        break;
      case RTA_ENCAP_TYPE:
        route.encapType = attributes.u16();
        break;
    }
  }
  return route;
}

type RouteHeader = Pick<
  RouteRequest,
  'family' | 'prefixLength' | 'tos' | 'table' | 'protocol' | 'scope' | 'type' | 'flags'
>;

function writeHeader(writer: MessageWriter, route: RouteHeader): void {
  writer.u8(route.family);
  writer.u8(route.prefixLength);
  writer.u8(0); // rtm_src_len: no source routing
  writer.u8(route.tos);
  writer.u8(route.table > 255 ? RT_TABLE_UNSPEC : route.table);
  writer.u8(route.protocol);
  writer.u8(route.scope);
  writer.u8(route.type);
  writer.u32(route.flags);
}

/** struct rtvia: a family of 16 bits, then the address. */
function writeGateway(writer: MessageWriter, family: number, gateway: WireAddress): void {
  const isIpv4 = typeof gateway === 'number' || gateway.length === 4;
  if (isIpv4 === (family === AF_INET)) {
    writer.attributeIp(RTA_GATEWAY, gateway);
    return;
  }
  const bytes =
    typeof gateway === 'number' ? [gateway >>> 24, gateway >>> 16, gateway >>> 8, gateway] : gateway;
  const via = new Uint8Array(2 + bytes.length);
  new Uint16Array(via.buffer, 0, 1)[0] = isIpv4 ? AF_INET : AF_INET6;
  via.set(bytes, 2);
  writer.attributeBytes(RTA_VIA, via);
}

function readMetrics(attributes: AttributeReader): RouteMetric[] {
  const metrics: RouteMetric[] = [];
  while (attributes.next()) {
    const { type } = attributes;
    metrics.push({ type, value: type === RTAX_CC_ALGO ? attributes.string() : attributes.u32() });
  }
  return metrics;
}

function readVia(bytes: Uint8Array): Uint8Array {
  const address = bytes.subarray(2);
  if (address.length === 4 || address.length === 16) return address;
  throw new MalformedMessageError(`RTA_VIA of ${bytes.length} bytes`);
}

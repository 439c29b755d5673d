/** The vxlan backend: flannel's kernel state (pkg/backend/vxlan) as a plan. Pure. */
import * as z from 'zod';
import { notADeviceMac, parseMac, type MacAddress } from '../address/mac.js';
import { hostPrefix } from '../address/prefix.js';
import type { Entry, VxlanLink } from '../dataplane/model.js';
import { flag, wholeNumber } from '../schema/fields.js';
import { formatFault, readGoObject } from '../schema/go-json.js';
import type { Lease } from '../subnet/lease.js';
import {
  isOnLink,
  peerRoute,
  refuse,
  refuseOtherBackend,
  underlayRoute,
  type Backend,
  type BackendType,
  type PeerJudgement,
  type Self,
  type Underlay,
} from './backend.js';

/** Outer Ethernet (inner frame's) 14, IPv4 20, UDP 8, VXLAN 8 bytes: what encapsulation over IPv4 takes (RFC 7348). */
export const VXLAN_IPV4_OVERHEAD = 50;

/** The port that Linux takes when none is given; RFC 7348's 4789 came later, and flannel keeps the kernel's. */
const LINUX_VXLAN_PORT = 8472;

/** IFNAMSIZ leaves 15 characters for a device name, and `flannel.` takes 8 of them. */
const LARGEST_VNI = 9_999_999;

/** RFC 791: every link must pass 576 bytes; less is a typing error. */
const SMALLEST_MTU = 576;

const shape = {
  VNI: wholeNumber(0, LARGEST_VNI).default(1),
  Port: wholeNumber(0, 65_535).default(0),
  MTU: wholeNumber(SMALLEST_MTU, 65_535).optional(),
  GBP: flag.default(false),
  Learning: flag.default(false),
  DirectRouting: flag.default(false),
};

/** The settings as used; `mtu` is the underlay's when the config names none. */
interface VxlanSettings {
  readonly vni: number;
  readonly port: number;
  readonly mtu: number | undefined;
  readonly gbp: boolean;
  readonly learning: boolean;
  readonly directRouting: boolean;
}

/** What a vxlan lease publishes. Very old flannel nodes publish no VNI. */
const publishedShape = {
  VNI: wholeNumber(0, 0xffff_ffff).optional(),
  VtepMAC: z.string({ error: 'must be a string' }),
};

export const vxlan: BackendType = {
  type: 'vxlan',
  configure(settings) {
    const { fields, faults, unknown } = readGoObject(shape, settings, 'Backend.');
    if (faults.length > 0) return { ok: false, faults };
    return {
      ok: true,
      backend: createVxlan({
        vni: fields.VNI ?? 1,
        port: fields.Port === undefined || fields.Port === 0 ? LINUX_VXLAN_PORT : fields.Port,
        mtu: fields.MTU,
        gbp: fields.GBP ?? false,
        learning: fields.Learning ?? false,
        directRouting: fields.DirectRouting ?? false,
      }),
      notes: unknown.map(name => `unknown field ${name} is ignored`),
    };
  },
};

function createVxlan(settings: VxlanSettings): Backend {
  const device = `flannel.${settings.vni}`;
  const mtu = (underlay: Underlay) =>
    Math.min(settings.mtu ?? underlay.mtu, underlay.mtu) - VXLAN_IPV4_OVERHEAD;
  const isDirect = (lease: Lease, self: Self) =>
    settings.directRouting && isOnLink(self.underlay, lease.publicIp);

  return {
    type: 'vxlan',
    device,
    port: settings.port,
    overhead: VXLAN_IPV4_OVERHEAD,
    followsRoutes: settings.directRouting,
    cannotRun: () => undefined,
    forwardDevices: underlay => (settings.directRouting ? [device, underlay.device] : [device]),
    mtu,
    leaseData: mac => ({ backendType: 'vxlan', backendData: { VNI: settings.vni, VtepMAC: mac } }),
    publishedMac(lease) {
      const vtep = lease.backendType === 'vxlan' ? vtepOf(lease) : undefined;
      return vtep?.ok === true ? vtep.mac : undefined;
    },
    judge: (lease, self) => judge(lease, self.mac, settings.vni),
    vtepAddress: (lease, self) => (isDirect(lease, self) ? undefined : lease.subnets.ipv4.address),
    pathTo: (lease, self) => (isDirect(lease, self) ? 'direct' : 'vxlan'),
    planHost(self) {
      if (self.mac === undefined) throw new Error('vxlan: the device has no MAC yet');
      const link: VxlanLink = {
        kind: 'vxlan',
        name: device,
        vni: settings.vni,
        port: settings.port,
        underlay: self.underlay.device,
        // Not the public IP: behind a NAT that is not on this host, and the kernel would send nothing.
        local: self.underlay.address,
        mac: self.mac,
        mtu: mtu(self.underlay),
        learning: settings.learning,
        gbp: settings.gbp,
      };
      // Peers route to our subnet's base address as next hop, so the device owns it.
      const prefix = hostPrefix(self.subnets.ipv4.address);
      return { links: [link], entries: [{ kind: 'address', device, prefix }] };
    },
    planPeer: (lease, self) =>
      isDirect(lease, self) ? [underlayRoute(lease, self.underlay)] : tunnelEntries(lease, device),
  };
}

function judge(lease: Lease, ownMac: MacAddress | undefined, vni: number): PeerJudgement {
  if (lease.backendType !== 'vxlan') return refuseOtherBackend(lease, 'vxlan');
  const vtep = vtepOf(lease);
  if (!vtep.ok) return refuse('bad-backend-data', vtep.reason);
  if (vtep.vni !== undefined && vtep.vni !== vni) {
    return refuse('bad-backend-data', `VNI is ${vtep.vni}, ours is ${vni}`);
  }
  if (vtep.mac === ownMac) return refuse('duplicate', `VtepMAC ${vtep.mac} is our own`);
  return { ok: true, claims: [`VtepMAC ${vtep.mac}`] };
}

type Vtep =
  | { readonly ok: true; readonly vni: number | undefined; readonly mac: MacAddress }
  | { readonly ok: false; readonly reason: string };

/**
 * A lease is judged, planned, and planned again when routes change, but what it publishes is read once. It is kept at the
 * lease itself: with ten thousand peers a WeakMap took a tenth of a start, for hashes and for the collector's work.
 */
const READ = Symbol('what backendData says');

interface ReadLease extends Lease {
  /** A copy of the lease has it of another, where it is of no concern. */
  [READ]?: { readonly of: Lease; readonly vtep: Vtep };
}

function vtepOf(lease: ReadLease): Vtep {
  const known = lease[READ];
  if (known?.of === lease) return known.vtep;
  const vtep = readVtep(lease);
  lease[READ] = { of: lease, vtep };
  return vtep;
}

function readVtep(lease: Lease): Vtep {
  const { fields, faults } = readGoObject(publishedShape, lease.backendData ?? null, 'BackendData.');
  if (faults.length > 0) return { ok: false, reason: faults.map(formatFault).join('; ') };
  const text = fields.VtepMAC ?? '';
  const mac = parseMac(text);
  if (mac === undefined) return { ok: false, reason: `VtepMAC ${JSON.stringify(text)} is not a MAC address` };
  const impossible = notADeviceMac(mac);
  if (impossible !== undefined) return { ok: false, reason: `VtepMAC ${mac} is ${impossible}` };
  return { ok: true, vni: fields.VNI, mac };
}

/** FDB: which VTEP has the MAC. Neighbour: which MAC has the next hop. Route: the subnet by its own base address. */
function tunnelEntries(lease: Lease, device: string): readonly Entry[] {
  const vtep = vtepOf(lease);
  if (!vtep.ok) throw new Error(`${lease.key}: planned without being accepted: ${vtep.reason}`);
  const nextHop = lease.subnets.ipv4.address;
  return [
    { kind: 'fdb', device, mac: vtep.mac, vtep: lease.publicIp },
    { kind: 'neighbour', device, address: nextHop, mac: vtep.mac },
    peerRoute(lease, { gateway: nextHop, device, onLink: true }),
  ];
}

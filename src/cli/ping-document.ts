/** What `selvedge ping` found, as a document and as text. Pure. */
import { parseIp } from '../address/ip.js';
import { addressAt, containsIp, parsePrefix } from '../address/prefix.js';
import { VXLAN_IPV4_OVERHEAD } from '../backends/vxlan.js';
import { pathMtuOf } from '../daemon/probe-status.js';
import type { PathMtu, PeerStatus, StatusDocument } from '../daemon/status.js';
import type { RouteTo } from '../dataplane/host-network.js';
import { lossPercent, type PathRecord } from '../probe/path-record.js';
import type { ProbedPeer, ProbeTarget } from '../probe/peer.js';
import { formatColumns } from './columns.js';

/** Raised when a field is removed or changes its meaning. */
export const PING_VERSION = 1;

/** A peer with what its probes have shown. */
export interface Pinged {
  readonly peer: PeerStatus;
  readonly probed: ProbedPeer;
  /** The kernel's way to both addresses; undefined: there is none. */
  readonly routes: { readonly underlay: RouteTo | undefined; readonly overlay: RouteTo | undefined };
}

export interface PingDocument {
  readonly version: typeof PING_VERSION;
  readonly peers: readonly PingedPeer[];
}

interface PingedPeer {
  readonly node: string | null;
  readonly subnet: string;
  readonly path: string;
  readonly state: ProbedPeer['state'];
  readonly underlay: PingedPath;
  readonly overlay: PingedPath;
  /** `wanted` and `size` are bytes on the underlay. */
  readonly pathMtu: Omit<PathMtu, 'testedAt'> | null;
}

interface PingedPath {
  readonly address: string;
  /** By which device and from which address; null: the kernel knows no way. */
  readonly device: string | null;
  readonly source: string | null;
  /** Null: no answer. */
  readonly rttMs: number | null;
  readonly lossPercent: number | null;
}

/**
 * The peers that are meant.
 * @param wanted subnet, address in one, public IP or name of a node; undefined: all
 */
export function choosePeers({ peers }: StatusDocument, wanted: string | undefined): readonly PeerStatus[] {
  if (wanted === undefined) return peers;
  const address = parseIp(wanted);
  return peers.filter(({ node, subnet, publicIp }) => {
    if (node === wanted || subnet === wanted || publicIp === wanted) return true;
    const prefix = parsePrefix(subnet);
    return address !== undefined && prefix !== undefined && containsIp(prefix, address);
  });
}

/** Where a peer of the status document is probed, and how large its packets may be; undefined for one of no sense. */
export function targetOf(status: StatusDocument, peer: PeerStatus): ProbeTarget | undefined {
  const subnet = parsePrefix(peer.subnet);
  const overlaySize = status.dataPlane?.device?.mtu ?? status.underlay?.mtu;
  if (subnet === undefined || overlaySize === undefined) return undefined;
  const isTunnel = peer.overlayAddress !== null;
  return {
    underlay: peer.publicIp,
    overlay: peer.overlayAddress ?? addressAt(subnet, 1n),
    isTunnel,
    overlaySize,
    underlaySize: overlaySize + (isTunnel ? VXLAN_IPV4_OVERHEAD : 0),
  };
}

export function pingDocument(pinged: readonly Pinged[]): PingDocument {
  return {
    version: PING_VERSION,
    peers: pinged.map(({ peer, probed, routes }) => ({
      node: peer.node,
      subnet: peer.subnet,
      path: peer.path,
      state: probed.state,
      underlay: pathOf(probed.target.underlay, probed.underlay, routes.underlay),
      overlay: pathOf(probed.target.overlay, probed.overlay, routes.overlay),
      pathMtu: pathMtuOf(probed),
    })),
  };
}

function pathOf(address: string, record: PathRecord, route: RouteTo | undefined): PingedPath {
  return {
    address,
    device: route?.device ?? null,
    source: route?.source ?? null,
    rttMs: record.rttMs === undefined ? null : Math.round(record.rttMs * 1000) / 1000,
    lossPercent: lossPercent(record) ?? null,
  };
}

/** A peer a line, those that are not reached first. @returns lines with a newline at the end */
export function renderPing({ peers }: PingDocument): string {
  const isReached = ({ state }: PingedPeer) => Number(state === 'reachable');
  const sorted = peers.toSorted((a, b) => isReached(a) - isReached(b));
  const table = formatColumns(
    ['NODE', 'SUBNET', 'PATH', 'BY', 'STATE', 'UNDERLAY', 'OVERLAY', 'MTU'],
    sorted.map(peer => [
      peer.node ?? '-',
      peer.subnet,
      peer.path,
      wayOf(peer),
      peer.state,
      `${peer.underlay.address} ${timeOf(peer.underlay)}`,
      `${peer.overlay.address} ${timeOf(peer.overlay)}`,
      mtuOf(peer.pathMtu),
    ]),
  );
  return `${table}\n${peers.filter(isReached).length} of ${peers.length} reached\n`;
}

/** `flannel.1 over eth0`: the device that containers' packets leave by, and the one below it. */
function wayOf({ overlay, underlay }: PingedPeer): string {
  if (overlay.device === null) return 'no route';
  return overlay.device === underlay.device
    ? overlay.device
    : `${overlay.device} over ${underlay.device ?? 'nothing'}`;
}

function timeOf({ rttMs, lossPercent }: PingedPath): string {
  if (lossPercent === null) return 'not sent';
  if (rttMs === null) return 'no answer';
  return `${rttMs.toFixed(2)} ms${lossPercent === 0 ? '' : `, ${lossPercent} % lost`}`;
}

function mtuOf(mtu: PingedPeer['pathMtu']): string {
  if (mtu?.size == null) return '-';
  return mtu.finding === 'fits' ? String(mtu.size) : `${mtu.size} of ${mtu.wanted}, ${mtu.finding}`;
}

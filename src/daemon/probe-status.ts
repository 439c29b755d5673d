/** What the probes have shown, for the status document. Pure. */
import type { ProbedPeer } from '../probe/peer.js';
import { lossPercent, type PathRecord } from '../probe/path-record.js';
import type { PeerState } from '../probe/path-state.js';
import type { Facts, ToIso } from './facts.js';
import type { Probing } from './probing.js';
import type { PathMtu, PathProbe, PeerProbe, ProbesStatus } from './status.js';

/**
 * The state of a peer as it is shown. Where no peer at all answers any more and packets still come in by the tunnel, it is the
 * probes that are not let through, and silence says nothing.
 */
export function shownState(probing: Probing, state: PeerState): PeerState {
  return state === 'unreachable' && isSilenceDoubtful(probing) ? 'unknown' : state;
}

function isSilenceDoubtful({ monitor: { byState }, isReceiving }: Probing): boolean {
  return isReceiving && byState.reachable.size + byState['overlay-blocked'].size === 0;
}

/** The probes as a whole; null when none are wanted. */
export function probesStatus({ probing }: Facts): ProbesStatus | null {
  if (probing === undefined) return null;
  const { monitor, rate, trouble } = probing;
  const peers = { reachable: 0, unreachable: 0, 'overlay-blocked': 0, unknown: 0 };
  for (const state of Object.keys(peers) as PeerState[])
    peers[shownState(probing, state)] += monitor.byState[state].size;
  return {
    rate,
    off: trouble?.message ?? null,
    roundSeconds: Math.round(monitor.roundMs / 1000),
    peers,
    sent: { ...monitor.counts.sent },
    lost: { ...monitor.counts.lost },
  };
}

/** What is known of one peer; null while nobody probes it. @param key of its lease */
export function peerProbe({ probing }: Facts, key: string, at: ToIso): PeerProbe | null {
  const peer = probing?.monitor.peers.get(key);
  if (peer === undefined || probing === undefined || probing.trouble !== undefined) return null;
  const pathMtu = pathMtuOf(peer);
  return {
    state: shownState(probing, peer.state),
    since: at(peer.since),
    underlay: pathProbe(peer.underlay, at),
    overlay: pathProbe(peer.overlay, at),
    pathMtu: pathMtu && peer.mtu ? { ...pathMtu, testedAt: at(peer.mtu.at) } : null,
  };
}

function pathProbe(record: PathRecord, at: ToIso): PathProbe {
  const { word, rttMs, answeredAt } = record;
  return {
    word,
    rttMs: rttMs === undefined ? null : Math.round(rttMs * 1000) / 1000,
    lossPercent: lossPercent(record) ?? null,
    answeredAt: answeredAt === undefined ? null : at(answeredAt),
  };
}

/** What was found of the path MTU; null before that. */
export function pathMtuOf({ mtu, target }: ProbedPeer): Omit<PathMtu, 'testedAt'> | null {
  if (mtu === undefined) return null;
  const { finding } = mtu;
  const wanted = target.underlaySize;
  const size = finding.kind === 'fits' ? wanted : finding.kind === 'unknown' ? null : finding.size;
  return { finding: finding.kind, wanted, size };
}

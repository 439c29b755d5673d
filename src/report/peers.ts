/** Peers as people read them: trouble first, a row each. Pure. */
import type { PathProbe, PeerProbe, PeerStatus } from '../daemon/status.js';
import { age } from './ages.js';

/** What matters most of a peer, the worst first. `programmed`: the kernel leads to it, and no probe tells more. */
export const CONDITIONS = [
  'failing',
  'pending',
  'unreachable',
  'overlay-blocked',
  'black-hole',
  'fragmented',
  'programmed',
  'reachable',
] as const;

export type Condition = (typeof CONDITIONS)[number];

/** Titles of the cells that `peerCells` gives. */
export const PEER_COLUMNS = ['NODE', 'SUBNET', 'VIA', 'PATH', 'STATE', 'RTT', 'MTU', 'SEEN'] as const;

/** More of a peer, for those who look for a cause; behind the others. */
export const WIDE_COLUMNS = [...PEER_COLUMNS, 'OVERLAY', 'HOST RTT', 'LOSS', 'HOST LOSS', 'SINCE'] as const;

/** So many of the columns say something of peers that are not probed. */
export const UNPROBED_COLUMNS = 5;

export function conditionOf({ state, probe }: PeerStatus): Condition {
  if (state !== 'programmed' || probe === null) return state;
  if (probe.state === 'unreachable' || probe.state === 'overlay-blocked') return probe.state;
  const finding = probe.pathMtu?.finding;
  if (finding === 'black-hole' || finding === 'fragmented') return finding;
  return probe.state === 'reachable' ? 'reachable' : 'programmed';
}

/** Whether nobody need look at it. */
export function isWell(condition: Condition): boolean {
  return condition === 'programmed' || condition === 'reachable';
}

/** A copy in the order of need; peers in the same condition stay in the order of the document. */
export function troubleFirst(peers: readonly PeerStatus[]): PeerStatus[] {
  const rank = (peer: PeerStatus) => {
    const condition = conditionOf(peer);
    // A peer of which probes do not tell is in no more trouble than the others.
    return isWell(condition) ? CONDITIONS.length : CONDITIONS.indexOf(condition);
  };
  const ranked = peers.map(peer => ({ peer, rank: rank(peer) }));
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ peer }) => peer);
}

/** What stands in a peer's row, in the order of `PEER_COLUMNS`. @param now what ages are counted from */
export function peerCells(peer: PeerStatus, now: Date): readonly string[] {
  const { node, subnet, publicIp, path, error, probe } = peer;
  const condition = conditionOf(peer);
  return [
    ...[node ?? '-', subnet, publicIp, path, error === null ? condition : `${condition}: ${error}`],
    ...(probe === null ? ['-', '-', '-'] : [rttOf(probe), mtuOf(probe), seenOf(probe, now)]),
  ];
}

/** What stands in a peer's row, in the order of `WIDE_COLUMNS`. */
export function widePeerCells(peer: PeerStatus, now: Date): readonly string[] {
  const { overlayAddress, probe } = peer;
  const more =
    probe === null
      ? ['-', '-', '-', '-']
      : [
          milliseconds(rttNow(probe.underlay)),
          percent(probe.overlay.lossPercent),
          percent(probe.underlay.lossPercent),
          age(probe.since, now),
        ];
  return [...peerCells(peer, now), overlayAddress ?? '-', ...more];
}

function percent(value: number | null): string {
  return value === null ? '-' : `${Math.round(value)} %`;
}

/** Round-trip time between containers' networks, or else between the hosts: `0.35 ms`. */
function rttOf({ overlay, underlay }: PeerProbe): string {
  return milliseconds(rttNow(overlay) ?? rttNow(underlay));
}

/** That of a path which has fallen silent says nothing of now. */
function rttNow({ word, rttMs }: PathProbe): number | null {
  return word === 'silent' ? null : rttMs;
}

function milliseconds(value: number | null): string {
  return value === null ? '-' : `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
}

/** What passes whole of what is sent, bytes on the underlay: `1500`, `1400 of 1500`. */
function mtuOf({ pathMtu }: PeerProbe): string {
  if (pathMtu?.size == null) return '-';
  return pathMtu.size === pathMtu.wanted ? String(pathMtu.size) : `${pathMtu.size} of ${pathMtu.wanted}`;
}

/** When it last answered on either path. */
function seenOf({ overlay, underlay }: PeerProbe, now: Date): string {
  const last = [overlay.answeredAt, underlay.answeredAt]
    .filter(at => at !== null)
    .toSorted()
    .at(-1);
  return last === undefined ? 'never' : age(last, now);
}

/** Whether every word of a search occurs in the row, in whatever case. */
export function matches(cells: readonly string[], search: string): boolean {
  const text = cells.join(' ').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word));
}

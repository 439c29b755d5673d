/** Peers as people read them: trouble first, a row each. Pure. */
import type { PeerStatus } from '../daemon/status.js';

/** The worst first. */
export const PEER_STATES = [
  'failing',
  'pending',
  'programmed',
] as const satisfies readonly PeerStatus['state'][];

/** Titles of the cells that `peerCells` gives. */
export const PEER_COLUMNS = ['NODE', 'SUBNET', 'VIA', 'PATH', 'STATE'] as const;

/** A copy in the order of need; peers in the same state stay in the order of the document. */
export function troubleFirst(peers: readonly PeerStatus[]): PeerStatus[] {
  return peers.toSorted((a, b) => PEER_STATES.indexOf(a.state) - PEER_STATES.indexOf(b.state));
}

/** What stands in a peer's row, in the order of `PEER_COLUMNS`. */
export function peerCells({ node, subnet, publicIp, path, state, error }: PeerStatus): readonly string[] {
  return [node ?? '-', subnet, publicIp, path, error === null ? state : `${state}: ${error}`];
}

/** Whether every word of a search occurs in the row, in whatever case. */
export function matches(cells: readonly string[], search: string): boolean {
  const text = cells.join(' ').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word));
}

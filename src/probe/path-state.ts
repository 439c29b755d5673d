/** What the two paths to a peer say together. Pure. */
import type { Word } from './path-record.js';

/**
 * `reachable`: packets between containers pass. `overlay-blocked`: the host answers, and nothing comes back through the
 * tunnel. `unreachable`: it has answered before, and nothing does now. `unknown`: no probe tells; all may be well.
 */
export type PeerState = 'reachable' | 'unreachable' | 'overlay-blocked' | 'unknown';

export interface Evidence {
  readonly underlay: Word;
  readonly overlay: Word;
  /**
   * Whether the overlay's address is the host's own behind a tunnel. Without one packets go the way of the underlay, and
   * the address is a container bridge's that need not be there: its silence says nothing.
   */
  readonly isTunnel: boolean;
}

/**
 * The state of a peer. Whoever has never answered may filter ICMP, so that silence is bad news only of a path that has
 * answered before, or of the tunnel while the host itself answers.
 */
export function judgePeer({ underlay, overlay, isTunnel }: Evidence): PeerState {
  if (overlay === 'answers') return 'reachable';
  if (!isTunnel) {
    if (underlay === 'answers') return 'reachable';
    return underlay === 'silent' ? 'unreachable' : 'unknown';
  }
  if (overlay === 'untested' || underlay === 'untested') return 'unknown';
  if (underlay === 'answers') return 'overlay-blocked';
  return underlay === 'silent' || overlay === 'silent' ? 'unreachable' : 'unknown';
}

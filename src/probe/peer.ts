/** A peer and what is known of it. */
import type { IpAddress } from '../address/ip.js';
import type { MtuView } from './mtu-tests.js';
import type { PathRecord } from './path-record.js';
import type { PeerState } from './path-state.js';

export type ProbePath = 'underlay' | 'overlay';
export const PATHS: readonly ProbePath[] = ['underlay', 'overlay'];

/** A peer as the probes need to know it. */
export interface ProbeTarget {
  /** Where it is on the underlay, and where inside the overlay. */
  readonly underlay: IpAddress;
  readonly overlay: IpAddress;
  /** @see Evidence.isTunnel */
  readonly isTunnel: boolean;
  /** Containers' packets at their largest, and what they are on the underlay; bytes. */
  readonly overlaySize: number;
  readonly underlaySize: number;
}

/** What is known of one peer. */
export interface ProbedPeer {
  readonly target: ProbeTarget;
  readonly underlay: PathRecord;
  readonly overlay: PathRecord;
  readonly mtu: MtuView | undefined;
  readonly state: PeerState;
  /** Of the state, on the caller's clock. */
  readonly since: number;
}

/** The metrics of each single peer, which grow with the network: only with `--metrics-per-peer`. Pure. */
import type { PathProbe, PeerStatus } from '../status.js';

export interface PeerMetricRow {
  readonly name: `selvedge_peer_${string}`;
  readonly help: string;
  /** Besides `subnet`. */
  readonly label?: 'path';
  /** The value, or one for each path; none where nothing is known. */
  readonly read: (peer: PeerStatus) => Iterable<readonly [path: string | undefined, value: number]>;
}

export const PEER_METRIC_ROWS: readonly PeerMetricRow[] = [
  {
    name: 'selvedge_peer_reachable',
    help: '1 while packets of containers reach the peer, 0 while they do not; absent while no probe tells.',
    read: ({ probe }) =>
      probe === null || probe.state === 'unknown' ? [] : [[undefined, Number(probe.state === 'reachable')]],
  },
  {
    name: 'selvedge_peer_rtt_seconds',
    help: 'Smoothed round-trip time to the peer.',
    label: 'path',
    read: peer => paths(peer, ({ rttMs }) => (rttMs === null ? null : rttMs / 1000)),
  },
  {
    name: 'selvedge_peer_loss_ratio',
    help: 'How many of the latest 20 probes were lost, 0 to 1.',
    label: 'path',
    read: peer => paths(peer, ({ lossPercent }) => (lossPercent === null ? null : lossPercent / 100)),
  },
  {
    name: 'selvedge_peer_path_mtu_bytes',
    help: 'The largest packet that passes whole on the underlay.',
    read: ({ probe }) => (probe?.pathMtu?.size == null ? [] : [[undefined, probe.pathMtu.size]]),
  },
];

function paths(
  { probe }: PeerStatus,
  read: (path: PathProbe) => number | null,
): (readonly [string, number])[] {
  return (['underlay', 'overlay'] as const).flatMap(path => {
    const value = probe === null ? null : read(probe[path]);
    return value === null ? [] : [[path, value] as const];
  });
}

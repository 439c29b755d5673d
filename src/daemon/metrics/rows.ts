/**
 * The metrics, a row each: what is read at a scrape. Pure. Names and units follow Prometheus' rules (base units, `_total`
 * for counters); every label has a fixed set of values, so that no host's series grow with its network.
 */
import { PROBLEM_CODES } from '../problems.js';
import { SET_ASIDE_CODES } from '../../subnet/peers.js';
import type { Facts } from '../facts.js';
import type { PeerStatus, StatusDocument } from '../status.js';

/** Everything that a scrape sees, of one moment. */
export interface Scrape {
  readonly status: StatusDocument;
  readonly facts: Facts;
  /** Milliseconds, on the clock of the facts. */
  readonly now: number;
  /** What the host lacks to be ready. */
  readonly lack: string | undefined;
  /** Messages that were to change the kernel, since the start. */
  readonly kernelChanges: number;
}

/** Values by the row's label; a row without a label gives one number, or none when there is nothing to tell. */
type Reading = number | undefined | Iterable<readonly [string, number]>;

export interface MetricRow {
  readonly name: `selvedge_${string}`;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly label?: string;
  readonly read: (scrape: Scrape) => Reading;
}

const PEER_STATES: readonly PeerStatus['state'][] = ['programmed', 'pending', 'failing'];

export const METRIC_ROWS: readonly MetricRow[] = [
  {
    name: 'selvedge_build_info',
    type: 'gauge',
    help: 'Always 1; the label says which version runs.',
    label: 'version',
    read: ({ status }) => [[status.agent.version, 1]],
  },
  {
    name: 'selvedge_healthy',
    type: 'gauge',
    help: '1 while the verdict of selvedge status is healthy.',
    read: ({ status }) => Number(status.verdict === 'healthy'),
  },
  {
    name: 'selvedge_ready',
    type: 'gauge',
    help: '1 while the lease is held, the files for Docker are written and all accepted peers are programmed.',
    read: ({ lack }) => Number(lack === undefined),
  },
  {
    name: 'selvedge_problem',
    type: 'gauge',
    help: '1 for each problem that selvedge status shows, by its code.',
    label: 'code',
    read: ({ status }) => countBy(PROBLEM_CODES, status.problems, ({ code }) => code, 'once'),
  },
  {
    name: 'selvedge_lease_held',
    type: 'gauge',
    help: '1 while this host holds a lease.',
    read: ({ facts }) => Number(facts.own !== undefined && facts.ownLost === undefined),
  },
  {
    name: 'selvedge_lease_remaining_seconds',
    type: 'gauge',
    help: 'Time until the lease ends unless it is renewed; absent for a reservation, which has no end.',
    read: ({ facts: { expiresAt }, now }) =>
      expiresAt === undefined ? undefined : Math.max(0, expiresAt - now) / 1000,
  },
  {
    name: 'selvedge_lease_renewals_total',
    type: 'counter',
    help: 'Renewals that etcd has confirmed.',
    read: ({ facts }) => facts.counts.lease.all.get('renewed'),
  },
  {
    name: 'selvedge_lease_renewal_failures_total',
    type: 'counter',
    help: 'Renewals that failed.',
    read: ({ facts }) => facts.counts.lease.all.get('not-renewed'),
  },
  {
    name: 'selvedge_lease_acquisitions_total',
    type: 'counter',
    help: 'Leases that this host came to own; more than one means that some were lost.',
    read: ({ facts }) => facts.counts.lease.all.get('acquired'),
  },
  {
    name: 'selvedge_lease_losses_total',
    type: 'counter',
    help: 'Leases that were lost, by what became of them.',
    label: 'cause',
    read: ({ facts }) => facts.counts.losses.all,
  },
  {
    name: 'selvedge_lease_conflicts_total',
    type: 'counter',
    help: 'How often somebody else rewrote the key of this host.',
    read: ({ facts }) => facts.counts.lease.all.get('contested'),
  },
  {
    name: 'selvedge_subnets',
    type: 'gauge',
    help: 'Subnets of the range.',
    label: 'state',
    read: ({ status: { subnets } }) =>
      subnets === null
        ? []
        : [
            ['free', subnets.free],
            ['used', subnets.total - subnets.free],
          ],
  },
  {
    name: 'selvedge_etcd_connected',
    type: 'gauge',
    help: '1 while etcd answers.',
    read: ({ status }) => Number(status.etcd.connected),
  },
  {
    name: 'selvedge_etcd_requests_total',
    type: 'counter',
    help: 'Calls to etcd; each beginning of a watch is one.',
    label: 'operation',
    read: ({ facts }) => facts.counts.requests.all,
  },
  {
    name: 'selvedge_etcd_errors_total',
    type: 'counter',
    help: 'Calls that failed, and watches that ended by themselves.',
    label: 'kind',
    read: ({ facts }) => facts.counts.requestErrors.all,
  },
  {
    name: 'selvedge_etcd_watch_restarts_total',
    type: 'counter',
    help: 'Watches begun after the first.',
    read: ({ facts }) => Math.max(0, (facts.counts.requests.all.get('watch') ?? 0) - 1),
  },
  {
    name: 'selvedge_etcd_doubt',
    type: 'gauge',
    help: '1 while what etcd says of peers that are gone is not believed.',
    read: ({ status }) => Number(status.etcd.doubt !== null),
  },
  {
    name: 'selvedge_peers_kept',
    type: 'gauge',
    help: 'Peers that etcd no longer lists and that are kept while it is in doubt.',
    read: ({ status }) => status.etcd.doubt?.keptPeers ?? 0,
  },
  {
    name: 'selvedge_peers',
    type: 'gauge',
    help: 'Accepted peers: programmed (the kernel holds all they need), pending (not yet), failing (it refused).',
    label: 'state',
    read: ({ status }) => countBy(PEER_STATES, status.peers, ({ state }) => state),
  },
  {
    name: 'selvedge_peers_set_aside',
    type: 'gauge',
    help: 'Leases of others that are no peers, by the reason.',
    label: 'code',
    read: ({ status }) => countBy(SET_ASIDE_CODES, status.setAside, ({ code }) => code),
  },
  {
    name: 'selvedge_probed_peers',
    type: 'gauge',
    help: 'Peers by what probes say: reachable, unreachable, overlay-blocked (no answer through the tunnel), unknown.',
    label: 'state',
    read: ({ status: { probes } }) => (probes === null ? [] : Object.entries(probes.peers)),
  },
  {
    name: 'selvedge_path_mtu_peers',
    type: 'gauge',
    help: 'Peers by what becomes of full-size packets: fits, fragmented, black-hole, unknown.',
    label: 'finding',
    read: ({ facts: { probing } }) =>
      Object.entries(probing?.monitor.byMtu ?? {}).map(([finding, keys]) => [finding, keys.size] as const),
  },
  {
    name: 'selvedge_probes_sent_total',
    type: 'counter',
    help: 'Probes sent; those that were to find out the path MTU apart.',
    label: 'kind',
    read: ({ status: { probes } }) => Object.entries(probes?.sent ?? {}),
  },
  {
    name: 'selvedge_probes_lost_total',
    type: 'counter',
    help: 'Probes without an answer in time, of the peers that never answered too.',
    label: 'path',
    read: ({ status: { probes } }) => Object.entries(probes?.lost ?? {}),
  },
  {
    name: 'selvedge_probe_strays_total',
    type: 'counter',
    help: 'Answers that were not counted: late, second ones, from a wrong address, malformed.',
    label: 'kind',
    read: ({ facts: { probing } }) => Object.entries(probing?.monitor.counts.strays ?? {}),
  },
  {
    name: 'selvedge_kernel_entries_desired',
    type: 'gauge',
    help: 'Entries that the kernel should hold.',
    label: 'kind',
    read: ({ status }) => Object.entries(status.dataPlane?.desired ?? {}),
  },
  {
    name: 'selvedge_kernel_entries_held',
    type: 'gauge',
    help: 'Those of them that it holds.',
    label: 'kind',
    read: ({ status }) => Object.entries(status.dataPlane?.held ?? {}),
  },
  {
    name: 'selvedge_kernel_changes_total',
    type: 'counter',
    help: 'Messages sent to change the kernel.',
    read: ({ kernelChanges }) => kernelChanges,
  },
  {
    name: 'selvedge_kernel_refusals_total',
    type: 'counter',
    help: 'Entries that the kernel refused.',
    read: ({ facts }) => facts.reconciler?.view.refusals ?? 0,
  },
  {
    name: 'selvedge_kernel_repairs_total',
    type: 'counter',
    help: 'Entries and devices put right after others had changed them.',
    label: 'kind',
    read: ({ facts }) => Object.entries(facts.reconciler?.view.repairsByKind ?? {}),
  },
  {
    name: 'selvedge_kernel_drift_total',
    type: 'counter',
    help: 'Entries that a check found amiss, each time that it did.',
    read: ({ facts }) => facts.reconciler?.view.drift ?? 0,
  },
  {
    name: 'selvedge_kernel_conflicts',
    type: 'gauge',
    help: 'Foreign entries in the place of ours; they are left alone.',
    read: ({ status }) => status.dataPlane?.conflicts.length ?? 0,
  },
  {
    name: 'selvedge_kernel_last_check_timestamp_seconds',
    type: 'gauge',
    help: 'When the kernel was last read as a whole and compared, as a Unix time.',
    read: ({ status }) => {
      const at = status.dataPlane?.lastFullCheckAt;
      return at == null ? undefined : Date.parse(at) / 1000;
    },
  },
  {
    name: 'selvedge_firewall_repairs_total',
    type: 'counter',
    help: 'Tables and chains of ours in the firewall put right after others had changed them.',
    read: ({ status }) => status.firewall?.repairs ?? 0,
  },
];

/** How often each of the keys comes among the items; keys that do not come are 0. @param atMost `once`: 1 or 0 */
function countBy<T>(
  keys: readonly string[],
  items: readonly T[],
  keyOf: (item: T) => string,
  atMost?: 'once',
): ReadonlyMap<string, number> {
  const counts = new Map(keys.map(key => [key, 0]));
  for (const item of items) {
    const key = keyOf(item);
    counts.set(key, atMost === 'once' ? 1 : (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

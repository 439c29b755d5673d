/** Facts → status document. Pure. */
import { formatPrefix } from '../address/prefix.js';
import type { PartState } from '../dataplane/firewall/keeper.js';
import { describe, sameEntry } from '../dataplane/kinds/index.js';
import { obstacleNotes } from '../dataplane/lowering.js';
import type { Link } from '../dataplane/model.js';
import type { ReconcilerView } from '../dataplane/reconciler-view.js';
import { isoAt, type Facts, type Moment, type ToIso } from './facts.js';
import { nextEnd } from '../subnet/etcd3-credentials.js';
import type { EndpointView } from '../subnet/etcd3-store.js';
import { configKeyOf } from './feed.js';
import type { AgentOptions } from './options.js';
import { awaitedIn, phaseOf } from './phase.js';
import { peerProbe, probesStatus } from './probe-status.js';
import { problemsOf } from './find-problems.js';
import {
  STATUS_VERSION,
  type DataPlaneStatus,
  type EndpointStatus,
  type EntryCounts,
  type EtcdStatus,
  type FirewallPartStatus,
  type FirewallStatus,
  type LeaseStatus,
  type PeerStatus,
  type StatusDocument,
  type SubnetsStatus,
  type TxChecksumStatus,
} from './status.js';
import { VERSION } from './version.js';

export function buildStatus(facts: Facts, options: AgentOptions, moment: Moment): StatusDocument {
  const at = isoAt(moment);
  const phase = phaseOf(facts);
  const config = facts.config?.status ?? {
    state: 'missing',
    key: configKeyOf(options),
    faults: [],
    notes: [],
    running: null,
    source: null,
  };
  // Problems go by this count, which may else be older than what is told here.
  const subnets = subnetsStatus(facts);
  const problems = problemsOf(facts, options, config.faults, at, moment.wall);
  return {
    version: STATUS_VERSION,
    agent: {
      version: VERSION,
      instance: options.instance,
      pid: process.pid,
      startedAt: at(facts.startedAt),
    },
    verdict:
      phase !== 'running'
        ? 'starting'
        : problems.some(({ severity }) => severity === 'error')
          ? 'degraded'
          : 'healthy',
    phase,
    awaiting: awaitedIn(phase, config.key, facts, at),
    problems,
    etcd: etcdStatus(facts, options, at, moment.wall),
    config,
    underlay: facts.underlay
      ? {
          device: facts.underlay.name,
          address: facts.underlay.address,
          publicIp: facts.underlay.publicIp,
          mtu: facts.underlay.mtu,
          reason: facts.underlay.reason,
        }
      : null,
    lease: leaseStatus(facts, at),
    subnets,
    peers: peerStatuses(facts, at),
    probes: probesStatus(facts),
    setAside: Array.from(facts.overlay?.peers?.setAside ?? [], ([key, { code, reason }]) => ({
      key,
      code,
      reason,
    })),
    dataPlane: dataPlaneStatus(facts, at),
    firewall: firewallStatus(facts, at),
    files: Array.from(facts.files?.writtenAt ?? [], ([path, writtenAt]) => ({
      path,
      writtenAt: at(writtenAt),
    })),
  };
}

function etcdStatus(facts: Facts, options: AgentOptions, at: ToIso, wall: number): EtcdStatus {
  const { connection, credentials } = facts;
  const doubt = facts.doubt?.state;
  return {
    endpoints: options.etcd.endpoints,
    connected: connection?.connected ?? false,
    since: at(connection?.since ?? facts.startedAt),
    lastError: connection?.error?.message ?? null,
    lastErrorKind: connection?.error?.kind ?? null,
    endpointStates: facts.endpoints
      .filter(
        ({ passedOver, certificateEndsAt }) => passedOver !== undefined || certificateEndsAt !== undefined,
      )
      .map(endpointStatus),
    certificates: (credentials?.certificates ?? []).map(certificate => ({
      role: certificate.role,
      file: certificate.file,
      endsAt: new Date(nextEnd(certificate, wall)).toISOString(),
    })),
    doubt:
      doubt === undefined
        ? null
        : {
            reason: doubt.reason,
            since: at(doubt.since),
            until: at(doubt.until),
            keptPeers: facts.overlay?.peers?.kept.size ?? 0,
          },
  };
}

function endpointStatus({ url, passedOver, certificateEndsAt }: EndpointView): EndpointStatus {
  return {
    url,
    passedOver:
      passedOver === undefined
        ? null
        : { since: new Date(passedOver.since).toISOString(), cause: passedOver.advice.cause },
    certificateEndsAt: certificateEndsAt === undefined ? null : new Date(certificateEndsAt).toISOString(),
  };
}

function leaseStatus({ own, renewedAt, expiresAt }: Facts, at: ToIso): LeaseStatus | null {
  if (own === undefined) return null;
  return {
    subnet: formatPrefix(own.subnet),
    key: own.key,
    etcdLease: own.leaseId === '0' ? null : BigInt(own.leaseId).toString(16),
    origin: own.origin,
    renewedAt: renewedAt === undefined ? null : at(renewedAt),
    expiresAt: expiresAt === undefined ? null : at(expiresAt),
  };
}

function subnetsStatus({ usage }: Facts): SubnetsStatus | null {
  if (usage === undefined) return null;
  const { total, free } = usage.count;
  return { total: Number(total), free: Number(free) };
}

function peerStatuses(facts: Facts, at: ToIso): PeerStatus[] {
  const { overlay, reconciler, backend } = facts;
  const self = overlay?.self;
  if (overlay?.peers === undefined || self === undefined || backend === undefined) return [];
  return Array.from(overlay.peers.accepted.values(), lease => {
    const state = reconciler?.peerState(lease.key) ?? { programmed: false, error: undefined };
    return {
      node: lease.holder?.name ?? null,
      subnet: formatPrefix(lease.subnets.ipv4),
      publicIp: lease.publicIp,
      path: backend.pathTo(lease, self),
      state: state.programmed ? 'programmed' : state.error === undefined ? 'pending' : 'failing',
      error: state.error ?? null,
      overlayAddress: backend.vtepAddress(lease, self) ?? null,
      probe: peerProbe(facts, lease.key, at),
    };
  });
}

function dataPlaneStatus(facts: Facts, at: ToIso): DataPlaneStatus | null {
  const { reconciler, overlay, backend } = facts;
  if (reconciler === undefined || overlay?.self === undefined || backend === undefined) return null;
  const view = reconciler.view;
  const link: Link | undefined = backend.planHost(overlay.self).links[0];
  return {
    device: link === undefined ? null : { name: link.name, mac: link.mac, mtu: link.mtu },
    txChecksum: txChecksumStatus(facts),
    ...countEntries(view),
    repairs: view.repairs,
    lastRepairs: view.lastRepairs.map(repair => ({ ...repair, at: at(repair.at) })),
    lastFullCheckAt: view.lastFullCheckAt === undefined ? null : at(view.lastFullCheckAt),
    notes: obstacleNotes(view.obstacles, view.desired.values()),
    failing: Array.from(view.failures, ([key, { error }]) => {
      const entry = view.desired.get(key) ?? view.held.get(key);
      return { entry: entry === undefined ? key : describe(entry), error };
    }),
    conflicts: Array.from(view.conflicts.values(), ({ wanted, found }) => ({
      wanted: describe(wanted),
      found: describe(found),
    })),
  };
}

function txChecksumStatus({ checksum }: Facts): TxChecksumStatus | null {
  if (checksum === undefined) return null;
  const { wanted, held } = checksum.keeper.state;
  return {
    wanted: wanted ?? null,
    active: held === undefined || held === 'unsupported' ? null : held,
    reason: checksum.choice.reason,
  };
}

function firewallStatus({ firewall }: Facts, at: ToIso): FirewallStatus | null {
  const { masquerade, forward, lookedAt, repairs } = firewall?.view ?? {};
  if (lookedAt === undefined) return null;
  const partStatus = ({ tool, isInPlace, error }: PartState): FirewallPartStatus => ({
    tool: tool ?? null,
    inPlace: isInPlace,
    error: error ?? null,
  });
  return {
    masquerade:
      masquerade === undefined
        ? null
        : { ...partStatus(masquerade), withoutNft: masquerade.withoutNft ?? null },
    forward: (forward ?? []).map(partStatus),
    repairs: repairs ?? 0,
    checkedAt: at(lookedAt),
  };
}

function countEntries({ desired, held }: ReconcilerView): { desired: EntryCounts; held: EntryCounts } {
  const none = { address: 0, fdb: 0, neighbour: 0, nexthop: 0, route: 0 };
  const counts = { desired: { ...none }, held: { ...none } };
  for (const [key, entry] of desired) {
    counts.desired[entry.kind]++;
    const found = held.get(key);
    if (found !== undefined && sameEntry(entry, found)) counts.held[entry.kind]++;
  }
  return counts;
}

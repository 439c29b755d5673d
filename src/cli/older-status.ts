/** Reads what an agent of an earlier release tells: fields were added since, within one version of the document. Pure. */
import type {
  ConfigStatus,
  DataPlaneStatus,
  EtcdStatus,
  FirewallStatus,
  MasqueradeStatus,
  PeerStatus,
  Problem,
  StatusDocument,
} from '../daemon/status.js';

/** What an agent that does not know a field means by that. */
const ADDED = {
  document: { firewall: null, probes: null, setAside: [], subnets: null },
  etcd: { doubt: null, endpointStates: [], certificates: [], lastErrorKind: null },
  config: { source: null },
  problem: { severity: 'error' },
  peer: { node: null, overlayAddress: null, probe: null },
  masquerade: { withoutNft: null },
  dataPlane: { lastRepairs: [], notes: [], txChecksum: null },
} as const satisfies {
  readonly document: Partial<StatusDocument>;
  readonly etcd: Partial<EtcdStatus>;
  readonly config: Partial<ConfigStatus>;
  readonly problem: Partial<Problem>;
  readonly peer: Partial<PeerStatus>;
  readonly masquerade: Partial<MasqueradeStatus>;
  readonly dataPlane: Partial<DataPlaneStatus>;
};

const PEER_FIELDS = Object.keys(ADDED.peer);

/** @param document of the version that this command knows @returns the same with every field that this command reads */
export function withAddedFields(document: StatusDocument): StatusDocument {
  const { etcd, config, problems, peers, dataPlane } = document;
  return {
    ...ADDED.document,
    ...document,
    ...(document.firewall && { firewall: withMasquerade(document.firewall) }),
    etcd: { ...ADDED.etcd, ...etcd },
    config: { ...ADDED.config, ...config },
    problems: problems.map(problem => ({ ...ADDED.problem, ...problem })),
    // A copy of ten thousand peers is not free, and an agent of this release lacks nothing.
    peers: peers.map(peer => (PEER_FIELDS.every(field => field in peer) ? peer : { ...ADDED.peer, ...peer })),
    dataPlane: dataPlane && { ...ADDED.dataPlane, ...dataPlane },
  };
}

function withMasquerade(firewall: FirewallStatus): FirewallStatus {
  const { masquerade } = firewall;
  return { ...firewall, masquerade: masquerade && { ...ADDED.masquerade, ...masquerade } };
}

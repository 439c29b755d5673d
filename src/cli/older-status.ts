/** Reads what an agent of an earlier release tells: fields were added since, within one version of the document. Pure. */
import type {
  DataPlaneStatus,
  EtcdStatus,
  FirewallStatus,
  MasqueradeStatus,
  PeerStatus,
  StatusDocument,
} from '../daemon/status.js';

/** What an agent that does not know a field means by that. */
const ADDED = {
  document: { firewall: null, probes: null, setAside: [], subnets: null },
  etcd: { endpointStates: [], certificates: [], lastErrorKind: null },
  peer: { node: null, overlayAddress: null, probe: null },
  masquerade: { withoutNft: null },
  dataPlane: { lastRepairs: [], notes: [], txChecksum: null },
} as const satisfies {
  readonly document: Partial<StatusDocument>;
  readonly etcd: Partial<EtcdStatus>;
  readonly peer: Partial<PeerStatus>;
  readonly masquerade: Partial<MasqueradeStatus>;
  readonly dataPlane: Partial<DataPlaneStatus>;
};

/** @param document of the version that this command knows @returns the same with every field that this command reads */
export function withAddedFields(document: StatusDocument): StatusDocument {
  const { etcd, peers, dataPlane } = document;
  return {
    ...ADDED.document,
    ...document,
    ...(document.firewall && { firewall: withMasquerade(document.firewall) }),
    etcd: { ...ADDED.etcd, ...etcd },
    peers: peers.map(peer => ({ ...ADDED.peer, ...peer })),
    dataPlane: dataPlane && { ...ADDED.dataPlane, ...dataPlane },
  };
}

function withMasquerade(firewall: FirewallStatus): FirewallStatus {
  const { masquerade } = firewall;
  return { ...firewall, masquerade: masquerade && { ...ADDED.masquerade, ...masquerade } };
}

/** Status documents for tests. */
import type { PeerStatus, StatusDocument } from '../../../src/daemon/status.js';

const counts = { address: 1, fdb: 2, neighbour: 2, nexthop: 1, route: 2 };

export function peer(index: number, change: Partial<PeerStatus> = {}): PeerStatus {
  return {
    node: `node${index}`,
    subnet: `10.5.${index}.0/24`,
    publicIp: `192.0.2.${index}`,
    path: 'vxlan',
    state: 'programmed',
    error: null,
    overlayAddress: `10.5.${index}.0`,
    probe: null,
    ...change,
  };
}

/** An agent with two peers, an hour old at 2026-01-01T01:00:00Z. */
export const healthyStatus: StatusDocument = {
  version: 1,
  agent: { version: '0.1.0', instance: 'net', pid: 4711, startedAt: '2026-01-01T00:00:00.000Z' },
  verdict: 'healthy',
  phase: 'running',
  awaiting: null,
  problems: [],
  etcd: {
    endpoints: ['http://10.0.0.1:2379'],
    connected: true,
    since: '2026-01-01T00:00:00.000Z',
    lastError: null,
    lastErrorKind: null,
    endpointStates: [],
    certificates: [],
    doubt: null,
  },
  config: {
    state: 'running',
    key: '/net/config',
    faults: [],
    notes: ['Backend is missing: vxlan'],
    running: '{"Network":"10.5.0.0/16"}',
    source: 'etcd',
  },
  underlay: {
    device: 'eth0',
    address: '192.0.2.1',
    publicIp: '192.0.2.1',
    mtu: 1500,
    reason: 'it has the default route',
  },
  lease: {
    subnet: '10.5.34.0/24',
    key: '/net/subnets/10.5.34.0-24',
    etcdLease: '694d7b2f1c8a9e05',
    origin: 'free',
    renewedAt: '2026-01-01T00:59:48.000Z',
    expiresAt: '2026-01-02T00:59:48.000Z',
  },
  subnets: { total: 254, free: 212 },
  peers: [peer(2), peer(3, { path: 'direct' })],
  probes: null,
  setAside: [],
  dataPlane: {
    device: { name: 'flannel.1', mac: 'c6:d2:32:6f:8f:44', mtu: 1450 },
    txChecksum: { wanted: null, active: 'on', reason: 'auto: kernel 6.18.0 is sound' },
    desired: counts,
    held: counts,
    repairs: 0,
    lastRepairs: [],
    lastFullCheckAt: '2026-01-01T00:59:30.000Z',
    notes: [],
    failing: [],
    conflicts: [],
  },
  firewall: {
    masquerade: { tool: 'nft', inPlace: true, error: null, withoutNft: null },
    forward: [{ tool: 'iptables-nft', inPlace: true, error: null }],
    repairs: 0,
    checkedAt: '2026-01-01T00:10:00.000Z',
  },
  files: [
    { path: '/run/flannel/subnet.env', writtenAt: '2026-01-01T00:00:02.000Z' },
    { path: '/run/flannel/docker', writtenAt: '2026-01-01T00:00:02.000Z' },
  ],
};

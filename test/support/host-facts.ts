/** Facts of a host for tests of the doctor: one that is well, and what is changed of it. */
import { formatLeaseValue } from '../../src/subnet/lease.js';
import type { KeyValue } from '../../src/subnet/store.js';
import type { SavedTable } from '../../src/dataplane/firewall/held.js';
import type { Fact, FactName, FactValues, HostFacts } from '../../src/doctor/facts.js';
import { VERSION } from '../../src/daemon/version.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { healthyStatus } from '../unit/daemon/example-status.js';
import { addressEntry, prefix } from './dataplane.js';
import { optionsWith } from './status-facts.js';

const MAC = 'c6:d2:32:6f:8f:44';
export const NODE_ID = '0123456789abcdef0123456789abcdef';
export const CONFIG_TEXT = '{"Network":"10.5.0.0/16"}';

/** A key of etcd with a lease. */
export function leaseEntry(subnet: string, publicIp: string, mac: string, nodeId?: string): KeyValue {
  const value = formatLeaseValue({
    publicIp,
    backendType: 'vxlan',
    backendData: { VNI: 1, VtepMAC: mac },
    ...(nodeId !== undefined && { holder: { nodeId, name: 'other' } }),
  });
  const key = `/net/subnets/${subnet.replace('/', '-')}`;
  return { key, value, createRevision: 1n, modRevision: 1n, leaseId: '7' };
}

export function configEntry(value: string): KeyValue {
  return { key: '/net/config', value, createRevision: 1n, modRevision: 1n, leaseId: '0' };
}

/** What the agent says when all is well. */
export const STATUS: StatusDocument = {
  ...healthyStatus,
  agent: { ...healthyStatus.agent, version: VERSION },
};

/** FORWARD as it stands with these rules, and our chain when they jump to it. */
export function filterTable(
  policy: 'ACCEPT' | 'DROP',
  forward: readonly string[],
  input: readonly string[] = [],
) {
  const rules = new Map<string, readonly string[]>([
    ['INPUT', input],
    ['FORWARD', forward],
    ['OUTPUT', []],
  ]);
  if (forward.includes('-j SELVEDGE-FWD-net')) rules.set('SELVEDGE-FWD-net', []);
  return { policies: new Map([['FORWARD', policy]]), rules } satisfies SavedTable;
}

const VIA_OVERLAY = { device: 'flannel.1', source: '10.5.34.0' };
const link = { index: 1, kind: '', mtu: 1500, mac: undefined, up: true };

/** Everything as it should be on the host of `healthyStatus`. */
export const VALUES: FactValues = {
  agent: { kind: 'answers', status: STATUS, uid: 0 },
  etcd: {
    kind: 'read',
    entries: [
      configEntry(CONFIG_TEXT),
      leaseEntry('10.5.34.0/24', '192.0.2.1', MAC, NODE_ID),
      leaseEntry('10.5.2.0/24', '192.0.2.2', '02:00:00:00:00:02'),
    ],
  },
  etcdServers: [{ url: 'http://10.0.0.1:2379', version: '3.4.23', aheadMs: 700 }],
  network: {
    interfaces: [{ name: 'eth0', mtu: 1500, addresses: ['192.0.2.1'] }],
    states: new Map([['eth0', { isUp: true, hasCarrier: true }]]),
    links: [
      { ...link, name: 'eth0' },
      { ...link, name: 'docker0', kind: 'bridge' },
      { ...link, name: 'flannel.1', kind: 'vxlan', mtu: 1450, mac: MAC },
    ],
    entries: [addressEntry('10.5.34.0/32'), addressEntry('10.5.34.1/24', 'docker0')],
    chosen: {
      name: 'eth0',
      mtu: 1500,
      address: '192.0.2.1',
      publicIp: '192.0.2.1',
      reason: 'it has the default route',
    },
  },
  firewall: {
    iptables: [{ variant: 'nft', filter: filterTable('DROP', ['-j SELVEDGE-FWD-net']), nat: undefined }],
    nftRuleset: '{"nftables":[]}',
    unread: [],
  },
  settings: {
    setup: {
      ipForward: '1',
      rpFilterOfAll: '0',
      devices: [{ name: 'flannel.1', rpFilter: '2' }],
      dockerForwards: true,
      networkdRemovesRoutes: undefined,
      networkManagerTakesDevices: undefined,
      hiddenTables: undefined,
      closedChains: [],
      port: 8472,
    },
    bridgeNetfilter: undefined,
    unforwarding: ['eth0'],
  },
  files: {
    subnetEnv: 'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.34.1/24\n',
    dockerEnv: 'DOCKER_OPT_BIP="--bip=10.5.34.1/24"\n',
  },
  state: {
    state: { prefix: '/net', subnet: prefix('10.5.34.0/24'), config: CONFIG_TEXT },
    fault: undefined,
    nodeId: NODE_ID,
  },
  tunnel: undefined,
  ways: [{ subnet: '10.5.2.0/24', target: '10.5.2.2', ofHost: VIA_OVERLAY, ofContainers: VIA_OVERLAY }],
  checksums: { before: 3, after: 3, seconds: 0.5 },
  flannelds: [],
  hasVxlan: true,
};

/** The host that is well, but for these facts. */
export function hostWith(changes: Partial<FactValues> = {}): HostFacts {
  const values = { ...VALUES, ...changes };
  const facts = Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, Fact<unknown>] => [name, { ok: true, value }]),
  ) as HostFacts['facts'];
  return { options: optionsWith(), facts };
}

/** The host that is well, of which these facts could not be had. */
export function hostWithout(why: string, names: readonly FactName[]): HostFacts {
  const { options, facts } = hostWith();
  const missing = Object.fromEntries(names.map((name): [string, Fact<never>] => [name, { ok: false, why }]));
  return { options, facts: { ...facts, ...missing } };
}

/** Which finding follows from which: what is told under its cause is not told beside it. Pure. */
import type { FindingCode } from './codes.js';
import type { Finding } from './finding.js';

/** A finding with those that follow from it. */
export interface FoldedFinding extends Finding {
  readonly follows: readonly FoldedFinding[];
}

/** The host cannot talk to anybody. */
const NO_UNDERLAY: readonly FindingCode[] = ['no-interface', 'underlay-down', 'underlay-address'];
/** The host gets nothing from etcd. */
const NO_ETCD: readonly FindingCode[] = ['etcd-away', 'etcd-tls', 'etcd-denied'];
/** What other hosts send does not come in, or ours does not go out. */
const NO_TUNNEL: readonly FindingCode[] = [
  'route-shadowed',
  'port-blocked',
  'port-closed',
  'overlay-device',
  'lease-mac',
  'behind-nat',
];
/** Nobody keeps the data plane, or it is not begun. */
const NO_AGENT: readonly FindingCode[] = ['agent-down', 'agent-silent', 'agent-waits'];

/**
 * Each effect with what it may come from, the likeliest first. Only what always, or nearly always, comes of it stands
 * here: a second cause that hides under a first one is found a day later.
 */
export const FOLLOWS_FROM: Partial<Record<FindingCode, readonly FindingCode[]>> = {
  'etcd-away': NO_UNDERLAY,
  'underlay-address': ['underlay-down'],
  'agent-waits': [...NO_ETCD, 'config-invalid', 'config-missing', 'no-free-subnet', 'duplicate-public-ip'],
  'agent-refuses': ['no-interface'],
  'agent-down': ['flanneld-runs', 'no-interface', 'kernel-lacks-vxlan', 'agent-refuses'],
  'lease-trouble': [...NO_ETCD, 'duplicate-public-ip', 'public-ip-shared'],
  'public-ip-shared': ['duplicate-public-ip'],
  'etcd-endpoint': NO_ETCD,
  'etcd-doubt': ['etcd-away'],
  'certificate-expires': ['etcd-tls'],
  'etcd-credentials': ['etcd-tls'],
  'device-trouble': [...NO_UNDERLAY, 'kernel-lacks-vxlan', 'flanneld-runs'],
  'kernel-refused': [...NO_UNDERLAY, 'device-trouble', 'overlay-device'],
  'overlay-device': [...NO_UNDERLAY, 'device-trouble', ...NO_AGENT],
  'mtu-too-large': NO_AGENT,
  'lease-mac': NO_AGENT,
  'contested-entry': ['flanneld-runs', 'networkd-removes-routes', 'network-manager'],
  'env-file': ['file-not-written', ...NO_AGENT, 'subnet-changed'],
  'docker-subnet': ['env-file', 'subnet-changed'],
  'forward-dropped': ['firewall-trouble', ...NO_AGENT],
  'stale-entries': NO_AGENT,
  'leases-set-aside': ['public-ip-shared'],
  'peer-unreachable': [...NO_UNDERLAY, 'port-closed'],
  'tunnel-one-way': NO_TUNNEL,
  'overlay-blocked': [...NO_TUNNEL, 'tunnel-one-way'],
  'path-mtu': ['mtu-too-large'],
  'route-overlap': ['underlay-in-network', 'route-conflict', 'docker-subnet'],
  'route-conflict': ['docker-subnet'],
  'behind-nat': ['route-shadowed', 'port-blocked', 'port-closed', 'overlay-device'],
  'route-shadowed': ['route-conflict', 'underlay-in-network', 'docker-subnet', ...NO_UNDERLAY],
};

/**
 * Puts each finding under the first of its causes that was found too.
 * @param findings the most important first; that order is kept among those on one level
 */
export function fold(findings: readonly Finding[]): FoldedFinding[] {
  const found = new Set(findings.map(({ code }) => code));
  const table: Partial<Record<string, readonly FindingCode[]>> = FOLLOWS_FROM;
  const levelUnder = (cause: string | undefined): FoldedFinding[] => {
    const level = findings.filter(({ code }) => table[code]?.find(each => found.has(each)) === cause);
    const isFirst = (finding: Finding) => level.find(({ code }) => code === finding.code) === finding;
    // Of two with the same code what follows is told under the first.
    return level.map(each => ({ ...each, follows: isFirst(each) ? levelUnder(each.code) : [] }));
  };
  return levelUnder(undefined);
}

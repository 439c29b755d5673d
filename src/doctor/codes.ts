/**
 * Everything that `selvedge doctor` can find: the agent's own problems, and what only a look from outside shows. Each code
 * has a page in `docs/problems`; a test keeps them in step. Pure.
 */
import { LACK_CODES } from '../daemon/host-setup/judge.js';
import { PROBLEM_CODES } from '../daemon/problems.js';

/** Short names, stable for scripts, in the order in which they are told: what others may come from is first. */
export const DOCTOR_CODES = [
  'underlay-down',
  'underlay-address',
  'behind-nat',
  'no-interface',
  'kernel-lacks-vxlan',
  'flanneld-runs',
  'agent-refuses',
  'agent-down',
  'agent-silent',
  'agent-waits',
  'lease-mac',
  'overlay-device',
  'mtu-too-large',
  'env-file',
  'route-shadowed',
  'port-blocked',
  'tunnel-one-way',
  'forward-rejected',
  ...LACK_CODES,
  'bridge-netfilter',
  'route-overlap',
  'underlay-in-network',
  'checksum-faults',
  'leases-set-aside',
  'stale-entries',
  'clock-skew',
  'etcd-old',
  'agent-version',
] as const;

export const FINDING_CODES = [...DOCTOR_CODES, ...PROBLEM_CODES] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

/** What an operator should know, while the overlay works all the same. */
const WARNINGS: ReadonlySet<FindingCode> = new Set<FindingCode>([
  'agent-waits',
  'legacy-tables-hidden',
  'networkd-removes-routes',
  'network-manager',
  'bridge-netfilter',
  'route-overlap',
  'leases-set-aside',
  'stale-entries',
  'clock-skew',
  'etcd-old',
  'agent-version',
]);

export function isFindingCode(text: string): text is FindingCode {
  return (FINDING_CODES as readonly string[]).includes(text);
}

export function severityOf(code: FindingCode): 'error' | 'warning' {
  return WARNINGS.has(code) ? 'warning' : 'error';
}

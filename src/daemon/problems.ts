/**
 * Everything that can be wrong with a running agent: the registry of codes. The README explains each; a test keeps the
 * two in step. Pure.
 */
import type { Problem } from './status.js';

/** Short names, stable for alerts and scripts. */
export const PROBLEM_CODES = [
  'etcd-away',
  'etcd-tls',
  'etcd-denied',
  'etcd-credentials',
  'certificate-expires',
  'etcd-endpoint',
  'etcd-doubt',
  'config-missing',
  'config-invalid',
  'config-differs',
  'no-free-subnet',
  'subnets-running-out',
  'lease-trouble',
  'subnet-changed',
  'docker-subnet',
  'duplicate-public-ip',
  'public-ip-shared',
  'device-trouble',
  'checksum-not-set',
  'kernel-unreadable',
  'kernel-refused',
  'route-conflict',
  'contested-entry',
  'masquerade-missing',
  'forward-dropped',
  'firewall-trouble',
  'file-not-written',
  'health-port',
  'probes-off',
  'peer-unreachable',
  'overlay-blocked',
  'path-mtu',
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** What is yet to come; all else is wrong now. */
const WARNINGS: ReadonlySet<ProblemCode> = new Set([
  'etcd-credentials',
  'certificate-expires',
  'etcd-endpoint',
  'subnets-running-out',
  'health-port',
  'probes-off',
]);

/** A problem with a code of the registry. */
export function problem(code: ProblemCode, seen: string, cause: string, next: string): Problem {
  return { code, severity: WARNINGS.has(code) ? 'warning' : 'error', seen, cause, next };
}

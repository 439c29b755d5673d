/** The line that `systemctl status` shows of the agent. Pure. */
import { formatPrefix } from '../address/prefix.js';
import type { Facts } from './facts.js';
import type { PeerCount } from './readiness.js';
import type { Problem } from './status.js';

/** What a person reads in one line of a terminal or two. */
const LONGEST_LINE = 250;

/** Of these the code says what is seen, and a library's long words would leave no room for what was found out. */
const FOUND_OUT: ReadonlySet<string> = new Set(['etcd-away', 'etcd-tls', 'etcd-denied']);

/**
 * Before the agent is ready, what it waits for; afterwards its subnet and its peers; then what is wrong.
 * @param lack what it waits for, undefined once it is ready
 * @param problems what matters most first
 */
export function describeService(
  { own }: Facts,
  lack: string | undefined,
  peers: PeerCount,
  problems: readonly Problem[],
): string {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const first = problems[0];
  const parts = [lack ?? `${errors.length === 0 ? 'healthy' : 'degraded'}: ${describeNetwork(own, peers)}`];
  if (first !== undefined)
    parts.push(`${first.code}: ${FOUND_OUT.has(first.code) ? first.cause : first.seen}`);
  if (problems.length > 1) {
    const rest = `(and ${problems.length - 1} more: selvedge status)`;
    return `${oneLine(parts.join('; '), LONGEST_LINE - rest.length - 1)} ${rest}`;
  }
  return oneLine(parts.join('; '), LONGEST_LINE);
}

function describeNetwork(own: Facts['own'], { all, programmed }: PeerCount): string {
  const subnet = own === undefined ? 'no subnet' : formatPrefix(own.subnet);
  const count = programmed === all ? String(all) : `${programmed} of ${all}`;
  return `${subnet}, ${count} ${all === 1 ? 'peer' : 'peers'} programmed`;
}

/**
 * A text as the value of one assignment of the notify protocol, where a newline would begin another one: texts may hold
 * what somebody wrote into etcd.
 */
export function oneLine(text: string, longest = LONGEST_LINE): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`;
}

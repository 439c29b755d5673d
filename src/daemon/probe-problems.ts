/**
 * What the probes show, as problems. Pure. A peer that is off is no fault of this host: what concerns some peers is a
 * warning, and an error what concerns all of them.
 */
import { formatPrefix } from '../address/prefix.js';
import type { MtuFinding } from '../probe/path-mtu.js';
import type { Facts } from './facts.js';
import { shownState } from './probe-status.js';
import type { Probing } from './probing.js';
import { problem, type ProblemCode } from './problems.js';
import type { Problem } from './status.js';

/** Peers that are named; the others are counted. */
const MOST_NAMED = 3;

export function probeProblems(facts: Facts): Problem[] {
  const { probing } = facts;
  if (probing === undefined) return [];
  if (probing.trouble !== undefined) {
    const { message, remedy } = probing.trouble;
    const cause =
      'this agent may not or cannot send ICMP; all else works, and --probe-rate 0 says that none are wanted';
    return [problem('probes-off', `peers are not probed: ${message}`, cause, remedy)];
  }
  return [
    ...unreachableProblems(facts, probing),
    ...blockedProblems(facts, probing),
    ...mtuProblems(facts, probing),
  ];
}

function unreachableProblems(facts: Facts, probing: Probing): Problem[] {
  const { unreachable } = probing.monitor.byState;
  if (unreachable.size === 0 || shownState(probing, 'unreachable') !== 'unreachable') return [];
  const { publicIp = 'PEER' } = peerOf(facts, unreachable) ?? {};
  // Of one peer alone nobody can say on which side the fault is.
  const isAll = unreachable.size > 1 && unreachable.size === probing.monitor.peers.size;
  const cause = isAll
    ? `this host is cut off: ${facts.underlay?.name ?? 'its interface'}, its cable, switch or firewall`
    : 'the host is off or cut off, or it no longer lets ICMP in';
  const next = isAll ? `ip -s link show ${facts.underlay?.name ?? ''}`.trim() : `ping ${publicIp}`;
  return [
    weighed('peer-unreachable', isAll, `${named(facts, unreachable)} do not answer any more`, cause, next),
  ];
}

function blockedProblems(facts: Facts, { monitor }: Probing): Problem[] {
  const { 'overlay-blocked': blocked, reachable } = monitor.byState;
  if (blocked.size === 0) return [];
  const port = `UDP ${facts.backend?.port ?? 8472}`;
  const isAll = reachable.size === 0;
  const where = isAll
    ? 'of this host, or between it and the others'
    : 'of the other host, or on the way to it';
  const { publicIp = 'PEER' } = peerOf(facts, blocked) ?? {};
  const seen = `${named(facts, blocked)} answer on the underlay, and not through the tunnel`;
  const next = `tcpdump -ni ${facts.underlay?.name ?? 'any'} host ${publicIp} and udp, here and there; nft list ruleset`;
  return [weighed('overlay-blocked', isAll, seen, `a firewall ${where} blocks ${port}`, next)];
}

function mtuProblems(facts: Facts, { monitor }: Probing): Problem[] {
  const { fragmented, 'black-hole': holes, fits } = monitor.byMtu;
  const problems: Problem[] = [];
  if (holes.size > 0) {
    const seen = `full-size packets vanish on the way to ${named(facts, holes)}: ${sizes(facts, holes)}`;
    const cause = 'a narrow link on the way drops what is too large without a word, so that connections hang';
    const isAll = fits.size + fragmented.size === 0;
    problems.push(weighed('path-mtu', isAll, seen, cause, mtuCure(facts, holes)));
  }
  if (fragmented.size > 0) {
    const seen = `full-size packets are fragmented on the way to ${named(facts, fragmented)}: ${sizes(facts, fragmented)}`;
    const cause = 'a link on the way has a smaller MTU than this host; packets arrive, and slower';
    problems.push(weighed('path-mtu', false, seen, cause, mtuCure(facts, fragmented)));
  }
  return problems;
}

/** The smallest of those that were found. */
function smallest(
  { probing }: Facts,
  keys: ReadonlySet<string>,
): { size: number; wanted: number } | undefined {
  let least: { size: number; wanted: number } | undefined;
  for (const key of keys) {
    const peer = probing?.monitor.peers.get(key);
    const size = sizeOfFinding(peer?.mtu?.finding);
    if (peer === undefined || size === undefined || size >= (least?.size ?? Infinity)) continue;
    least = { size, wanted: peer.target.underlaySize };
  }
  return least;
}

function sizeOfFinding(finding: MtuFinding | undefined): number | undefined {
  return finding !== undefined && 'size' in finding ? finding.size : undefined;
}

function sizes(facts: Facts, keys: ReadonlySet<string>): string {
  const least = smallest(facts, keys);
  return least === undefined ? '' : `${least.size} of ${least.wanted} bytes pass whole`;
}

function mtuCure(facts: Facts, keys: ReadonlySet<string>): string {
  const { publicIp = 'PEER' } = peerOf(facts, keys) ?? {};
  const least = smallest(facts, keys);
  return `tracepath -n ${publicIp}; widen that link, or set Backend.MTU to ${least?.size ?? 'its MTU'} in the config`;
}

function weighed(code: ProblemCode, isError: boolean, seen: string, cause: string, next: string): Problem {
  return { ...problem(code, seen, cause, next), severity: isError ? 'error' : 'warning' };
}

/** `node7 10.5.7.0/24 at 192.0.2.7, … and 12 more`. */
function named(facts: Facts, keys: ReadonlySet<string>): string {
  const names: string[] = [];
  for (const key of keys) {
    if (names.length === MOST_NAMED) break;
    const lease = facts.overlay?.peers?.accepted.get(key);
    if (lease === undefined) continue;
    const name = lease.holder?.name === undefined ? '' : `${lease.holder.name} `;
    names.push(`${name}${formatPrefix(lease.subnets.ipv4)} at ${lease.publicIp}`);
  }
  const rest = keys.size - names.length;
  return names.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function peerOf(facts: Facts, keys: ReadonlySet<string>) {
  const [key] = keys;
  return key === undefined ? undefined : facts.overlay?.peers?.accepted.get(key);
}

/** The verdict of the status document with its counts, in one line. Pure. */
import type {
  DataPlaneStatus,
  LeaseStatus,
  ProbesStatus,
  SetAsideStatus,
  StatusDocument,
} from '../daemon/status.js';
import { age } from './ages.js';

/** Such as `healthy: 47/47 peers programmed, 46/47 reachable, 0 drift · lease 10.5.34.0/24 renewed 12 s ago`. */
export function verdictLine(status: StatusDocument, now: Date): string {
  const line = `${status.verdict}: ${verdictReason(status)}`;
  if (status.verdict === 'starting') return line;
  return `${line} · ${status.lease === null ? 'no lease' : leaseInShort(status.lease, now)}`;
}

/** What stands behind the word, without what time alone changes: the counts, or what a start waits for. */
export function verdictReason(status: StatusDocument): string {
  if (status.verdict === 'starting') {
    const awaiting = status.awaiting === null ? '' : `: ${status.awaiting}`;
    return `${status.phase.replaceAll('-', ' ')}${awaiting}`;
  }
  const programmed = status.peers.filter(peer => peer.state === 'programmed').length;
  const drift = status.dataPlane === null ? 0 : missingEntries(status.dataPlane);
  const faulty = faultyLeases(status);
  return [
    `${programmed}/${status.peers.length} peers programmed`,
    ...(status.probes?.off === null ? [reached(status.probes, status.peers.length)] : []),
    `${drift} drift`,
    ...(faulty.length === 0 ? [] : [`${faulty.length} set aside`]),
  ].join(', ');
}

/** Those of which no probe tells are told apart: they may all be well. */
function reached({ peers: { reachable, unknown } }: ProbesStatus, all: number): string {
  return `${reachable}/${all} reachable${unknown === 0 ? '' : ` (${unknown} unknown)`}`;
}

function leaseInShort(lease: LeaseStatus, now: Date): string {
  if (lease.etcdLease === null) return `lease ${lease.subnet} reserved`;
  return `lease ${lease.subnet}${lease.renewedAt === null ? '' : ` renewed ${age(lease.renewedAt, now)}`}`;
}

/** A reservation whose host has not come is set aside too, and nothing is wrong with it. */
export function faultyLeases({ setAside }: StatusDocument): readonly SetAsideStatus[] {
  return setAside.filter(({ code }) => code !== 'reserved');
}

/** Entries that are wanted and that the kernel does not hold. */
export function missingEntries({ desired, held }: DataPlaneStatus): number {
  const kinds = Object.keys(desired) as (keyof typeof desired)[];
  return kinds.reduce((sum, kind) => sum + Math.max(0, desired[kind] - held[kind]), 0);
}

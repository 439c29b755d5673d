/**
 * Whether containers on this host may count on the network: a lease is held, the files for Docker are written, and the
 * kernel holds all that every accepted peer needs. Unlike flannel's, which is said once and for all before any peer is
 * programmed, it is withdrawn when it ends. Pure.
 */
import { formatPrefix } from '../address/prefix.js';
import { isHostProgrammed, isoAt, type Facts, type Moment } from './facts.js';
import { awaitedIn, phaseOf } from './phase.js';

/**
 * What this host lacks to be ready, in words; undefined when it is ready.
 * @param configKey where the config is looked for
 */
export function lackOf(facts: Facts, configKey: string, moment: Moment): string | undefined {
  return lackOfHost(facts, configKey, moment) ?? lackOfPeers(facts);
}

/** What is lacking apart from single peers. */
export function lackOfHost(facts: Facts, configKey: string, moment: Moment): string | undefined {
  const phase = phaseOf(facts);
  if (phase === 'stopping') return 'the agent stops';
  const awaited = awaitedIn(phase, configKey, facts, isoAt(moment));
  if (awaited !== null) return `waiting for ${awaited}`;
  const lack = lackOfLease(facts, moment.steady) ?? facts.files?.error;
  if (lack !== undefined || isHostProgrammed(facts)) return lack;
  return `the kernel lacks a part of this host: ${hostError(facts)}`;
}

/** Which peers the kernel does not lead to, as a count; undefined when it does to all. */
export function lackOfPeers(facts: Facts): string | undefined {
  const { all, programmed } = countPeers(facts);
  return programmed === all ? undefined : `${all - programmed} of ${all} peers are not programmed`;
}

/** How many peers this host has, and how many of them the kernel leads to. */
export interface PeerCount {
  readonly all: number;
  readonly programmed: number;
}

/** Looks at every peer. */
export function countPeers({ overlay, reconciler }: Facts): PeerCount {
  const peers = overlay?.peers?.accepted ?? new Map<string, never>();
  let programmed = 0;
  for (const key of peers.keys()) if (reconciler?.peerState(key).programmed === true) programmed++;
  return { all: peers.size, programmed };
}

/** The agent cannot tell whether etcd still has a lease whose time has passed without a renewal. */
function lackOfLease({ own, ownLost, expiresAt }: Facts, now: number): string | undefined {
  if (own === undefined) return 'no lease';
  const lease = `the lease of ${formatPrefix(own.subnet)}`;
  if (ownLost !== undefined) return `${lease} is lost (${ownLost})`;
  return expiresAt !== undefined && expiresAt <= now ? `${lease} has run out` : undefined;
}

function hostError({ reconciler }: Facts): string {
  return reconciler?.hostState().error ?? 'its device or address';
}

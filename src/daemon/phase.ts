/** How far the agent is on its way from the start to a network that works. Pure. */
import { formatPrefix } from '../address/prefix.js';
import { describeHolder } from '../subnet/holder.js';
import type { Awaiting } from '../subnet/manager.js';
import type { StoreErrorKind } from '../subnet/store.js';
import type { Facts, ToIso } from './facts.js';
import type { Phase } from './status.js';

export function phaseOf(facts: Facts): Phase {
  if (facts.stopping) return 'stopping';
  if (!facts.mirrored) return 'waiting-for-etcd';
  if (facts.config?.status.running == null) return 'waiting-for-config';
  if (facts.own === undefined) return 'acquiring';
  return facts.reconciler?.view.settled === true && (facts.files?.writtenAt.size ?? 0) > 0
    ? 'running'
    : 'programming';
}

/** What is awaited of etcd, by what it lacks. */
const ANSWERS: Readonly<Record<StoreErrorKind, string>> = {
  unavailable: 'etcd to answer',
  tls: 'a secure connection to etcd',
  denied: 'etcd to let us in',
  invalid: 'etcd to answer',
};

/** The one thing that a start waits for, in words; null when it waits for nothing. */
export function awaitedIn(
  phase: Phase,
  configKey: string,
  { awaiting, saved, connection }: Facts,
  at: ToIso,
): string | null {
  switch (phase) {
    case 'waiting-for-etcd': {
      const answer = ANSWERS[connection?.error?.kind ?? 'unavailable'];
      return saved.subnet === undefined
        ? answer
        : `${answer}, then for ${formatPrefix(saved.subnet)} again, which this host had; nothing is changed until then`;
    }
    case 'waiting-for-config':
      return `a config at ${configKey} that can be used`;
    case 'acquiring':
      return awaiting === undefined ? 'a subnet' : awaitedHolder(awaiting, at);
    case 'programming':
      return 'the kernel to hold all peers, and the files for Docker';
    case 'running':
    case 'stopping':
      return null;
  }
}

function awaitedHolder({ lease, until }: Awaiting, at: ToIso): string {
  const { holder, publicIp, subnets } = lease;
  return (
    `whether ${describeHolder(holder)} at ${publicIp}, which holds ${formatPrefix(subnets.ipv4)}, lives: ` +
    `without a sign of it until ${at(until)} it counts as gone`
  );
}

/** Probes the peers of this host: hands them to the prober, and what it finds to the facts and the log. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { addressAt } from '../address/prefix.js';
import type { Backend, Self } from '../backends/backend.js';
import { PeerMonitor, TIMEOUT_MS } from '../probe/peer-monitor.js';
import type { ProbeTarget } from '../probe/peer.js';
import { COOKIE_LENGTH } from '../probe/icmp.js';
import { openIcmpSocket, type ProbesUnavailableError } from '../probe/icmp-socket.js';
import type { PeerState } from '../probe/path-state.js';
import { probe } from '../probe/prober.js';
import type { Lease } from '../subnet/lease.js';
import type { Facts } from './facts.js';
import type { Clock } from './tasks.js';

/** The probes, as the status and the metrics see them. */
export interface Probing {
  readonly monitor: PeerMonitor;
  /** Packets per second. */
  readonly rate: number;
  /** Why there are none. */
  trouble: ProbesUnavailableError | undefined;
  /** Whether packets have come in by the overlay device of late, whoever sent them. */
  isReceiving: boolean;
}

export interface ProbingParts {
  readonly facts: Facts;
  readonly log: Logger;
  readonly clock: Clock;
  /** Packets per second, above 0. */
  readonly rate: number;
}

/** How often the packets are counted that come in by the overlay device. */
const COUNT_MS = 10_000;

/** Probes until `signal` aborts. */
export async function probePeers(
  { facts, log, clock, rate }: ProbingParts,
  signal: AbortSignal,
): Promise<void> {
  const monitor = new PeerMonitor({
    rate,
    timeoutMs: TIMEOUT_MS,
    identifier: randomBytes(2).readUInt16BE(),
    cookie: randomBytes(COOKIE_LENGTH),
    isProgrammed: key => facts.reconciler?.peerState(key).programmed === true,
    onAnswer: (path, rttMs) => facts.onProbeAnswer?.(path, rttMs),
    onState: (key, before, after) => logState(log, facts, key, before, after),
  });
  const probing: Probing = {
    ...{ monitor, rate, trouble: undefined, isReceiving: false },
  };
  facts.probing = probing;
  const refresh = followPeers(facts, monitor);
  const prober = probe(
    {
      monitor,
      open: openIcmpSocket,
      clock,
      refresh,
      onAvailable: trouble => {
        if (trouble !== undefined && trouble.message !== probing.trouble?.message)
          log.warn(`peers are not probed: ${trouble.message}; ${trouble.remedy}`);
        probing.trouble = trouble;
      },
    },
    signal,
  );
  await Promise.all([prober, countReceived(facts, probing, clock, signal)]);
}

/** @returns brings the monitor's targets up to date where peers are others than before: those, and not ten thousand */
export function followPeers(facts: Facts, monitor: PeerMonitor): (now: number) => void {
  const known = new Map<string, Lease>();
  let knownBy: Self | undefined;
  let seen: number | undefined;
  return now => {
    const { overlay, backend, reconciler } = facts;
    // What has time is done when the kernel has what cannot wait.
    if (reconciler?.readings.isFilling === true) return;
    const self = overlay?.self;
    if (overlay?.peers === undefined || self === undefined || backend === undefined) return;
    if (overlay.revision === seen) return;
    seen = overlay.revision;
    // Where a peer is probed hangs on who we are as well.
    if (self !== knownBy) known.clear();
    const { accepted } = overlay.peers;
    const changes = new Map<string, ProbeTarget | undefined>();
    for (const [key, lease] of accepted) {
      if (known.get(key) === lease) continue;
      known.set(key, lease);
      changes.set(key, probeTargetOf(lease, self, backend));
    }
    knownBy = self;
    for (const key of monitor.peers.keys()) {
      if (accepted.has(key)) continue;
      known.delete(key);
      changes.set(key, undefined);
    }
    monitor.changeTargets(changes, now);
  };
}

/** Where a peer is probed, and how large its packets may be. */
export function probeTargetOf(lease: Lease, self: Self, backend: Backend): ProbeTarget {
  const vtep = backend.vtepAddress(lease, self);
  const overlaySize = backend.mtu(self.underlay);
  return {
    underlay: lease.publicIp,
    // Without a tunnel, the first address that a bridge takes in its subnet.
    overlay: vtep ?? addressAt(lease.subnets.ipv4, 1n),
    isTunnel: vtep !== undefined,
    overlaySize,
    underlaySize: overlaySize + (vtep === undefined ? 0 : backend.overhead),
  };
}

function logState(log: Logger, facts: Facts, key: string, before: PeerState, after: PeerState): void {
  const lease = facts.overlay?.peers?.accepted.get(key);
  const peer = `peer ${lease?.subnets.ipv4.address ?? key} at ${lease?.publicIp ?? '?'}`;
  if (after === 'unreachable') log.warn({ key }, `${peer} does not answer any more`);
  else if (after === 'overlay-blocked') log.warn({ key }, `${peer} answers, but not through the tunnel`);
  else if (after === 'reachable' && before !== 'unknown') log.info({ key }, `${peer} is reachable again`);
}

/** Packets that come in by the overlay device say that somebody's data plane works, also where ICMP is filtered. */
async function countReceived(
  facts: Facts,
  probing: Probing,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let before: number | undefined;
  while (!signal.aborted) {
    const device = facts.backend?.device;
    const now = device === undefined ? undefined : await readReceived(device);
    probing.isReceiving = now !== undefined && before !== undefined && now > before;
    before = now;
    await clock.sleep(COUNT_MS, signal);
  }
}

/** Packets received by a device, by `/proc/net/dev` (of our own network namespace, unlike /sys). */
async function readReceived(device: string): Promise<number | undefined> {
  const text = await readFile('/proc/net/dev', 'utf8').catch(() => '');
  const line = text.split('\n').find(each => each.trimStart().startsWith(`${device}:`));
  const packets = line?.split(':')[1]?.trim().split(/\s+/)[1];
  return packets === undefined ? undefined : Number(packets);
}

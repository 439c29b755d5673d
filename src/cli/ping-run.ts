/** Probes peers once, from a raw socket of its own. Effects. */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { PeerStatus, StatusDocument } from '../daemon/status.js';
import { sleep } from '../daemon/tasks.js';
import { lookUpRoute } from '../dataplane/host-network.js';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { PeerMonitor } from '../probe/peer-monitor.js';
import { COOKIE_LENGTH } from '../probe/icmp.js';
import { openIcmpSocket, ProbesUnavailableError } from '../probe/icmp-socket.js';
import type { ProbedPeer, ProbeTarget } from '../probe/peer.js';
import { targetOf, type Pinged } from './ping-document.js';

/** More than the agent's: somebody waits. */
const RATE = 100;
/** Between two packets on one path. */
const ROUND_MS = 200;
const TIMEOUT_MS = 500;
/** Packets on each path. */
const PACKETS = 3;
/** A silent narrow link takes a dozen sizes, each three packets long; many peers take as long as the rate makes them. */
const PATIENCE_MS = 30_000;
const PATIENCE_EACH_MS = 200;

/**
 * Sends `PACKETS` on each path, and what it takes to know the path MTU.
 * @throws ProbesUnavailableError without a raw socket
 */
export async function pingPeers(status: StatusDocument, peers: readonly PeerStatus[]): Promise<Pinged[]> {
  const targets = new Map<string, ProbeTarget>();
  for (const peer of peers) {
    const target = targetOf(status, peer);
    if (target !== undefined) targets.set(peer.subnet, target);
  }
  const programmed = new Set(peers.filter(({ state }) => state === 'programmed').map(({ subnet }) => subnet));
  const probed = await probeOnce(targets, subnet => programmed.has(subnet));
  const netlink = new NetlinkSocket();
  try {
    const pinged: Pinged[] = [];
    for (const peer of peers) {
      const found = probed.get(peer.subnet);
      if (found === undefined) continue;
      const { underlay, overlay } = found.target;
      const routes = {
        underlay: await lookUpRoute(netlink, underlay),
        overlay: await lookUpRoute(netlink, overlay),
      };
      pinged.push({ peer, probed: found, routes });
    }
    return pinged;
  } finally {
    netlink.close();
  }
}

/**
 * Probes until everything is known, or patience ends.
 * @param open makes the socket
 * @throws ProbesUnavailableError without a raw socket, and when it ends amid the probes: what is known then is too little
 */
export async function probeOnce(
  targets: ReadonlyMap<string, ProbeTarget>,
  isProgrammed: (key: string) => boolean,
  open = openIcmpSocket,
): Promise<ReadonlyMap<string, ProbedPeer>> {
  const now = () => performance.now();
  const monitor = new PeerMonitor({
    rate: RATE,
    roundMs: ROUND_MS,
    timeoutMs: TIMEOUT_MS,
    identifier: randomBytes(2).readUInt16BE(),
    cookie: randomBytes(COOKIE_LENGTH),
    isProgrammed,
  });
  const never = new AbortController().signal;
  let failure: string | undefined;
  const socket = open({
    onPacket: (packet, source) => monitor.receive(packet, source, now()),
    onSendError: (sequence, isTooLarge) => monitor.failed(sequence, isTooLarge, now()),
    onEnd: reason => (failure = reason),
  });
  const isDone = () => [...monitor.peers].every(([key, peer]) => isKnown(peer, isProgrammed(key)));
  try {
    monitor.setTargets(targets, now());
    const deadline = now() + PATIENCE_MS + targets.size * PATIENCE_EACH_MS;
    while (failure === undefined && now() < deadline && !isDone()) {
      const outgoing = monitor.next(now());
      if (outgoing !== undefined) socket.send(outgoing);
      await sleep(Math.min(monitor.waitMs(now()), TIMEOUT_MS), never);
    }
  } finally {
    socket.close();
  }
  if (failure !== undefined)
    throw new ProbesUnavailableError(`the raw socket ended amid the probes: ${failure}`, 'selvedge doctor');
  return monitor.peers;
}

/** Whether further packets would tell nothing. */
function isKnown({ underlay, overlay, mtu }: ProbedPeer, isProgrammed: boolean): boolean {
  const records = isProgrammed ? [underlay, overlay] : [underlay];
  if (records.some(({ counted, word }) => counted < PACKETS || word === 'untested')) return false;
  return mtu !== undefined || !isProgrammed || records.every(({ word }) => word !== 'answers');
}

/** Which way the kernel sends packets to peers, by all of its rules and tables. Effects; nothing is changed. */
import { addressAt, containsIp, parsePrefix, type Prefix } from '../../address/prefix.js';
import {
  lookUpRoutes,
  readHostNetwork,
  type Forwarded,
  type HostNetwork,
} from '../../dataplane/host-network.js';
import { NetlinkSocket } from '../../dataplane/netlink/socket.js';
import type { AgentFact, PeerWay } from '../facts.js';

/** Where a container may be: the first address is the bridge's. */
const CONTAINER = 2n;

/**
 * Asks the kernel about each peer that the agent has programmed.
 * @throws NetlinkError
 */
export async function readWays(agent: AgentFact): Promise<readonly PeerWay[]> {
  if (agent.kind !== 'answers') return [];
  const { peers, lease, dataPlane } = agent.status;
  const asked = peers.flatMap(({ subnet, state }) => {
    const prefix = state === 'programmed' ? parsePrefix(subnet) : undefined;
    return prefix === undefined ? [] : [{ subnet, target: addressAt(prefix, CONTAINER) }];
  });
  if (asked.length === 0) return [];
  const socket = new NetlinkSocket();
  try {
    const targets = asked.map(({ target }) => target);
    const own = lease === null ? undefined : parsePrefix(lease.subnet);
    const from = own && containersOf(own, await readHostNetwork(socket), dataPlane?.device?.name);
    const ofHost = await lookUpRoutes(socket, targets);
    const ofContainers = from === undefined ? [] : await lookUpRoutes(socket, targets, from);
    return asked.map((peer, i) => ({ ...peer, ofHost: ofHost[i], ofContainers: ofContainers[i] }));
  } finally {
    socket.close();
  }
}

/** The bridge with an address of our subnet, and an address of those behind it. */
function containersOf(
  own: Prefix,
  { interfaces }: HostNetwork,
  overlay: string | undefined,
): Forwarded | undefined {
  const bridge = interfaces.find(
    ({ name, addresses }) => name !== overlay && addresses.some(address => containsIp(own, address)),
  );
  return bridge && { device: bridge.name, source: addressAt(own, CONTAINER) };
}

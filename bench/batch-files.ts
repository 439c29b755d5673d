/** The same kernel state in the words of iproute2's batch mode. Pure. */
import { formatPrefix } from '../src/address/prefix.js';
import { peer, type Peer } from './peers.js';

/** Input of `ip -batch` and of `bridge -batch`. */
export interface BatchFiles {
  readonly ip: string;
  readonly bridge: string;
}

/** Far from what routing daemons number from 1 on. */
const FIRST_NEXTHOP_ID = 0x5e00_0000;

/** What flannel writes for each peer: a neighbour and an on-link route, and the FDB entry. */
export function classicBatch(peers: number, device: string): BatchFiles {
  return batchOf(peers, device, ({ subnet }) => [
    `route replace ${formatPrefix(subnet)} via ${subnet.address} dev ${device} onlink`,
  ]);
}

/** The same with a nexthop object for each peer, which its route names. */
export function nexthopBatch(peers: number, device: string): BatchFiles {
  return batchOf(peers, device, ({ subnet }, number) => {
    const id = FIRST_NEXTHOP_ID + number;
    return [
      `nexthop replace id ${id} via ${subnet.address} dev ${device} onlink proto 83`,
      `route replace ${formatPrefix(subnet)} nhid ${id} proto 83`,
    ];
  });
}

function batchOf(
  peers: number,
  device: string,
  routeLines: (peer: Peer, number: number) => readonly string[],
): BatchFiles {
  const ip: string[] = [];
  const bridge: string[] = [];
  for (let number = 1; number <= peers; number++) {
    const each = peer(number);
    ip.push(`neigh replace ${each.subnet.address} lladdr ${each.mac} dev ${device} nud permanent`);
    ip.push(...routeLines(each, number));
    bridge.push(`fdb replace ${each.mac} dev ${device} self permanent dst ${each.publicIp}`);
  }
  return { ip: ip.join('\n'), bridge: bridge.join('\n') };
}

/** Peers that no agent stands behind: their keys are written by a test, and looked for in the kernel of a host. */
import type { Host } from '../../src/demo/host.js';
import { formatLeaseValue } from '../../src/subnet/lease.js';
import { overlayRoutes } from './cluster.js';

export interface PeerByHand {
  /** `10.5.NUMBER.0/24`. */
  readonly number: number;
  readonly publicIp: string;
  readonly mac: string;
}

/** A peer like no other; `change` makes its MAC another. */
export function peerByHand(number: number, change = 0): PeerByHand {
  const hex = (byte: number) => byte.toString(16).padStart(2, '0');
  return { number, publicIp: `192.168.77.${number}`, mac: `02:00:00:00:${hex(change)}:${hex(number)}` };
}

export function keyOf({ number }: PeerByHand): string {
  return `/net/subnets/10.5.${number}.0-24`;
}

export function valueOf({ publicIp, mac }: PeerByHand): string {
  return formatLeaseValue({ publicIp, backendType: 'vxlan', backendData: { VNI: 1, VtepMAC: mac } });
}

/** As `programmed` tells of a peer. */
export function asProgrammed({ number, publicIp, mac }: PeerByHand): string {
  return `10.5.${number}.0/24 ${mac} ${publicIp}`;
}

/**
 * Where the kernel of a host sends each subnet: prefix, MAC and public IP, in the order of the prefixes; and MACs that no
 * route leads to.
 */
export async function programmed(host: Host): Promise<string[]> {
  const [routes, neighbours, fdb] = await Promise.all([
    overlayRoutes(host),
    host.namespace.ipJson('neigh', 'show', 'dev', 'flannel.1'),
    host.namespace.bridgeJson('fdb', 'show', 'dev', 'flannel.1'),
  ]);
  const macs = new Map(neighbours.map(({ dst, lladdr }) => [dst, lladdr]));
  const left = new Map(fdb.map(({ mac, dst }) => [mac, dst]));
  const led = routes.flatMap(({ dst, gateway }) => {
    if (gateway === undefined) return [];
    const mac = macs.get(gateway);
    const publicIp = left.get(mac);
    left.delete(mac);
    return [`${String(dst)} ${String(mac)} ${String(publicIp)}`];
  });
  return [...led.sort(), ...[...left.keys()].map(mac => `no route to ${String(mac)}`)];
}

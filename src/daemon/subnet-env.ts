/**
 * flannel's subnet.env: what Docker's units, CNI plugins and scripts read to learn this host's subnet. Pure.
 *
 * Names, order and form are flannel's (pkg/subnet/subnet.go, WriteSubnetFile), since those readers were written for it.
 */
import { addressAt, formatPrefix, maskPrefix, parsePrefix, type Prefix } from '../address/prefix.js';
import type { Family } from '../address/ip.js';

/** A network and the subnet of it that this host holds, both masked. */
export interface HostSubnet {
  readonly network: Prefix;
  readonly subnet: Prefix;
}

export interface SubnetEnv {
  readonly ipv4: HostSubnet;
  readonly ipv6?: HostSubnet;
  /** Bytes of IP that containers may send, the overhead of the backend taken off. */
  readonly mtu: number;
  /** Whether the agent masquerades; Docker must when it does not. */
  readonly ipMasq: boolean;
}

/** The gateway of the containers, `BASE+1/LENGTH`: how flannel and Docker's --bip write a subnet. */
export function formatGateway(subnet: Prefix): string {
  return `${addressAt(subnet, 1n)}/${subnet.length}`;
}

/** The file's contents. */
export function formatSubnetEnv(env: SubnetEnv): string {
  const lines = [
    `FLANNEL_NETWORK=${formatPrefix(env.ipv4.network)}`,
    `FLANNEL_SUBNET=${formatGateway(env.ipv4.subnet)}`,
  ];
  if (env.ipv6 !== undefined) {
    lines.push(
      `FLANNEL_IPV6_NETWORK=${formatPrefix(env.ipv6.network)}`,
      `FLANNEL_IPV6_SUBNET=${formatGateway(env.ipv6.subnet)}`,
    );
  }
  lines.push(`FLANNEL_MTU=${env.mtu}`, `FLANNEL_IPMASQ=${env.ipMasq}`);
  return `${lines.join('\n')}\n`;
}

/** What an earlier run, ours or flanneld's, left in the file; each undefined when it is missing or not one prefix. */
export interface PreviousSubnets {
  readonly network: Prefix | undefined;
  readonly subnet: Prefix | undefined;
  readonly ipv6Network: Prefix | undefined;
  readonly ipv6Subnet: Prefix | undefined;
}

/**
 * Reads the file as tolerantly as flannel does: quotes, `export`, comments and unknown names are no fault, and of a
 * comma list the items that are no prefix are skipped. Two sound items count as none: nobody can tell which is ours.
 */
export function parseSubnetEnv(text: string): PreviousSubnets {
  const values = parseAssignments(text);
  const prefix = (name: string, family: Family): Prefix | undefined => {
    const items = (values.get(name) ?? '').split(',').map(item => parsePrefix(item.trim()));
    const sound = items.filter(item => item?.family === family);
    return sound.length === 1 ? maskPrefix(sound[0]!) : undefined;
  };
  return {
    network: prefix('FLANNEL_NETWORK', 4),
    subnet: prefix('FLANNEL_SUBNET', 4),
    ipv6Network: prefix('FLANNEL_IPV6_NETWORK', 6),
    ipv6Subnet: prefix('FLANNEL_IPV6_SUBNET', 6),
  };
}

/** The variables that lines such as `NAME="value"` set; of a name that comes twice, the last. */
export function parseAssignments(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^#]*))/.exec(line);
    if (match !== null) values.set(match[1]!, (match[2] ?? match[3] ?? match[4] ?? '').trim());
  }
  return values;
}

/** The env file that an agent writes for Docker, read as Docker's start scripts read it. */
import { parsePrefix, type Prefix } from '../address/prefix.js';

/** What a container host takes from `subnet.env`. */
export interface SubnetEnv {
  /** FLANNEL_SUBNET: the address of the host's container bridge with the subnet's length, such as 10.5.34.1/24. */
  readonly gateway: Prefix;
  /** FLANNEL_MTU in bytes. */
  readonly mtu: number;
}

/**
 * Reads the text of a `subnet.env`.
 * @throws Error that names the line which is missing or wrong
 */
export function parseSubnetEnv(text: string): SubnetEnv {
  const gateway = parsePrefix(valueOf(text, 'FLANNEL_SUBNET'));
  if (gateway === undefined) throw new Error('subnet.env: FLANNEL_SUBNET is not ADDRESS/LENGTH');
  const mtu = Number(valueOf(text, 'FLANNEL_MTU'));
  if (!Number.isInteger(mtu)) throw new Error('subnet.env: FLANNEL_MTU is not a number');
  return { gateway, mtu };
}

function valueOf(text: string, name: string): string {
  const line = text.split('\n').find(candidate => candidate.startsWith(`${name}=`));
  if (line === undefined) throw new Error(`subnet.env: no line ${name}=`);
  return line.slice(name.length + 1);
}

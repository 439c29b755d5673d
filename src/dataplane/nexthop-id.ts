/** The ids of our nexthop objects: which subnet has which. Pure. */
import { ipv4FromNumber, ipv4ToNumber, type IpAddress } from '../address/ip.js';
import type { Prefix } from '../address/prefix.js';

/**
 * Set in every id of ours. The kernel, when it is left to choose, and other daemons count up from low numbers, so that
 * the upper half of what a signed number holds is the least likely to be taken.
 */
const HIGH = 0x4000_0000;

/** A subnet is a /30 or larger, so that the last two bits of its address tell nothing. */
const LONGEST = 30;

/**
 * The id of a subnet's nexthop object. A function of the subnet alone, so that it needs no state and a restart finds
 * its own again; and one-to-one, so that no two subnets of a network meet.
 * @returns undefined where there is none: IPv6, or a subnet smaller than a /30
 */
export function nexthopIdOf({ family, address, length }: Prefix): number | undefined {
  if (family !== 4 || length > LONGEST) return undefined;
  return HIGH | (ipv4ToNumber(address) >>> 2);
}

/** The base address of the subnet that has this id, or undefined for an id that is not of our form. */
export function subnetAddressOf(nexthopId: number): IpAddress | undefined {
  if (nexthopId >>> 30 !== 1) return undefined;
  return ipv4FromNumber(nexthopId << 2);
}

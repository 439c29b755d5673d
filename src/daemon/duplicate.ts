/** What is said of another host with our public IP. Pure. */
import { formatPrefix } from '../address/prefix.js';
import { describeHolder } from '../subnet/holder.js';
import type { HeldLease } from '../subnet/manager.js';

/** Who holds the lease, since when if it says so, and what to do; one line. */
export function duplicateMessage(lease: HeldLease): string {
  return `${duplicateSeen(lease)}. Give one of the two hosts another address (--iface, --public-ip); if they are one host, stop the other agent`;
}

/** Who holds the lease, and since when if it says so. */
export function duplicateSeen({ publicIp, holder, subnets, key }: HeldLease): string {
  const since = holder.since === undefined ? '' : ` since ${holder.since}`;
  return `duplicate public IP ${publicIp}, held by ${describeHolder(holder)}${since} with ${formatPrefix(subnets.ipv4)} (${key}), and that host lives`;
}

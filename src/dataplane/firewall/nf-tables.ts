/** Whether this kernel has nf_tables, which nft and iptables-nft write to. Asked of the kernel itself, not of a program. */
import { NETLINK_NETFILTER } from '../netlink/constants.js';
import { NetlinkError } from '../netlink/errors.js';
import type { Operation } from '../netlink/exchange.js';
import { ASK_GENERATION } from '../netlink/nftables.js';
import { openTransport } from '../netlink/open-transport.js';
import { NetlinkSocket } from '../netlink/socket.js';

/** How a kernel answers that has no such subsystem (net/netfilter/nfnetlink.c), after it has looked for a module. */
const NO_SUBSYSTEM = 'EINVAL';

/**
 * Whether the kernel answers to nf_tables. What is no clear no counts as a yes: the programs will say what is wrong.
 * @param question another one in a test
 */
export async function kernelHasNfTables(question: Operation = ASK_GENERATION): Promise<boolean> {
  let socket: NetlinkSocket;
  try {
    socket = new NetlinkSocket(openTransport(NETLINK_NETFILTER));
  } catch {
    // Not even the protocol, as in a kernel without netfilter.
    return false;
  }
  try {
    await socket.request(question);
    return true;
  } catch (error) {
    if (error instanceof NetlinkError) return error.code !== NO_SUBSYSTEM;
    throw error;
  } finally {
    socket.close();
  }
}

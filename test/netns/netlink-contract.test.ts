/** The contract on the real kernel. */
import t from 'tap';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { netlinkContract } from '../support/netlink-contract.js';

void inNamespace(t, import.meta.url, () => {
  ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1');
  ip('link', 'set', 'up1', 'up');
  ip('link', 'set', 'up0', 'up');
  ip('address', 'add', '192.168.77.1/24', 'dev', 'up0');
  const [{ ifindex }] = JSON.parse(ip('-j', 'link', 'show', 'dev', 'up0')) as [{ ifindex: number }];
  netlinkContract(t, { openSocket: () => new NetlinkSocket(), underlay: ifindex });
});

/** The contract on the real kernel, over each of the two ways to it. */
import t from 'tap';
import { loadLibc } from '../../src/libc/libc.js';
import { NETLINK_ROUTE } from '../../src/dataplane/netlink/constants.js';
import { openLibcTransport } from '../../src/dataplane/netlink/libc-transport.js';
import { openPackageTransport } from '../../src/dataplane/netlink/package-transport.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { inNamespace, ip } from '../support/in-namespace.js';
import { netlinkContract } from '../support/netlink-contract.js';

const ways = {
  libc: () => openLibcTransport(loadLibc(), NETLINK_ROUTE),
  'the package netlink': () => openPackageTransport(NETLINK_ROUTE),
};

void inNamespace(t, import.meta.url, () => {
  ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1');
  ip('link', 'set', 'up1', 'up');
  ip('link', 'set', 'up0', 'up');
  ip('address', 'add', '192.168.77.1/24', 'dev', 'up0');
  const [{ ifindex }] = JSON.parse(ip('-j', 'link', 'show', 'dev', 'up0')) as [{ ifindex: number }];
  for (const [name, open] of Object.entries(ways)) {
    t.test(`over ${name}`, t => {
      netlinkContract(t, { openSocket: () => new NetlinkSocket(open()), underlay: ifindex });
      t.end();
    });
  }
});

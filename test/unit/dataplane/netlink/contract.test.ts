/** The contract on the fake kernel. */
import t from 'tap';
import * as nl from '../../../../src/dataplane/netlink/constants.js';
import { NetlinkSocket } from '../../../../src/dataplane/netlink/socket.js';
import { FakeKernel } from '../../../support/fake-kernel.js';
import { netlinkContract } from '../../../support/netlink-contract.js';

const kernel = new FakeKernel();
const underlay = kernel.addLink({ name: 'up0' });
kernel.state.addresses.push({
  family: nl.AF_INET,
  interfaceIndex: underlay,
  prefixLength: 24,
  scope: nl.RT_SCOPE_UNIVERSE,
  flags: nl.IFA_F_PERMANENT,
  local: Uint8Array.of(192, 168, 77, 1),
});
netlinkContract(t, {
  openSocket: () => new NetlinkSocket(kernel.openTransport()),
  openSubscription: kernel.openSubscription,
  underlay,
});

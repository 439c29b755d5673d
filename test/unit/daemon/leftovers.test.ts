/** What an instance left behind goes, and nothing that somebody else rests on it. */
import t from 'tap';
import { removeLeftovers } from '../../../src/daemon/leftovers.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeAddress } from '../../../src/dataplane/netlink/address.js';
import { encodeNexthop } from '../../../src/dataplane/netlink/nexthop.js';
import { encodeRoute } from '../../../src/dataplane/netlink/route.js';
import { NetlinkSocket } from '../../../src/dataplane/netlink/socket.js';
import { NetlinkKernel } from '../../../src/dataplane/netlink-kernel.js';
import { nexthopIdOf } from '../../../src/dataplane/nexthop-id.js';
import { DEVICE, NETWORK, subnetOf, UNDERLAY, vxlanLink } from '../../support/dataplane.js';
import { FakeKernel } from '../../support/fake-kernel.js';
import { addressOn, nexthopOn, routeBy } from '../../support/netlink-contract-entries.js';
import { CREATE } from '../../support/programmed-peers.js';

t.test('a nexthop object stays while a route that is not ours goes by it', async t => {
  const fake = new FakeKernel();
  const underlay = fake.addLink({ name: UNDERLAY });
  fake.act(nl.RTM_NEWADDR, CREATE, w => encodeAddress(w, addressOn(underlay, '192.168.77.1', 24)));
  const socket = new NetlinkSocket(fake.openTransport());
  t.teardown(() => socket.close());
  const kernel = new NetlinkKernel(socket);
  await kernel.readLinks();
  await kernel.createLink(vxlanLink());
  const [two, three] = [2, 3].map(n => nexthopIdOf(subnetOf(n))!) as [number, number];
  for (const id of [two, three])
    fake.act(nl.RTM_NEWNEXTHOP, CREATE, w => encodeNexthop(w, nexthopOn(underlay, id, '192.168.77.9')));
  const foreign = { ...routeBy(two, '10.99.0.0'), protocol: 4 };
  for (const route of [foreign, routeBy(two, '10.5.2.0'), routeBy(three, '10.5.3.0')])
    t.equal(
      fake.act(nl.RTM_NEWROUTE, CREATE, w => encodeRoute(w, route)),
      0,
    );

  const lines: string[] = [];
  await removeLeftovers(
    kernel,
    { network: NETWORK, devices: [DEVICE], underlay: UNDERLAY },
    { desired: new Map(), dryRun: false, say: line => lines.push(line) },
  );
  t.same(
    fake.state.nexthops.map(({ id }) => id),
    [two],
  );
  t.same(
    fake.state.routes.filter(({ nexthopId }) => nexthopId !== undefined).map(({ protocol }) => protocol),
    [4],
  );
  t.match(lines, [
    /^remove route 10\.5\.2\.0/,
    /^remove route 10\.5\.3\.0/,
    /^remove nexthop/,
    /^remove device/,
  ]);
});

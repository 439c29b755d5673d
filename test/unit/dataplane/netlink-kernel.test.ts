/** The kernel over netlink: what is asked of a single entry. */
import t from 'tap';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { readMessages } from '../../../src/dataplane/netlink/message.js';
import { encodeNeighbour } from '../../../src/dataplane/netlink/neighbour.js';
import { NetlinkSocket } from '../../../src/dataplane/netlink/socket.js';
import { NetlinkKernel } from '../../../src/dataplane/netlink-kernel.js';
import { DEVICE, neighbourEntry } from '../../support/dataplane.js';
import { FakeKernel } from '../../support/fake-kernel.js';
import { arpOn, MAC_A } from '../../support/netlink-contract-entries.js';

/** RTM_NEWTCLASS: of rtnetlink, and nothing that the fake kernel knows. */
const UNKNOWN_TYPE = 40;
const HERE = neighbourEntry('10.5.2.0', '02:53:00:00:00:01');
const GONE = neighbourEntry('10.5.3.0', '02:53:00:00:00:02');

t.test('a neighbour is found, or not, or the kernel cannot say', async t => {
  const fake = new FakeKernel();
  const index = fake.addLink({ name: DEVICE });
  const entry = arpOn(index, '10.5.2.0', MAC_A);
  fake.act(nl.RTM_NEWNEIGH, nl.NLM_F_CREATE, writer => encodeNeighbour(writer, entry));
  const transport = fake.openTransport();
  const isOld = { yes: false };
  const socket = new NetlinkSocket({
    ...transport,
    send: (bytes, callback) => transport.send(isOld.yes ? unknown(bytes) : bytes, callback),
  });
  t.teardown(() => socket.close());
  const kernel = new NetlinkKernel(socket);
  const find = () => Promise.all([HERE, GONE].map(each => kernel.findNeighbour(each)));
  t.same(await find(), ['unknown', 'unknown'], 'of a device that it was not seen to have');
  await kernel.readLinks();
  t.same(await find(), [HERE, undefined]);
  isOld.yes = true;
  t.same(await find(), ['unknown', 'unknown'], 'before Linux 5.0');
  isOld.yes = false;
  fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index));
  t.same(await find(), ['unknown', 'unknown'], 'of a device that is gone');
});

/** The same message, of a type that the kernel does not know. */
function unknown(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (readMessages(bytes)[0]?.type === nl.RTM_GETNEIGH) new Uint16Array(copy.buffer, 4, 1)[0] = UNKNOWN_TYPE;
  return copy;
}

/**
 * The host behind the other end of a test's underlay: a namespace with a device and routes of flannel's making, number 2
 * of the small overlay network; and packets between the two hosts' containers' addresses.
 */
import { execFileSync } from 'node:child_process';
import type { Test } from 'tap';
import { Commands } from '../../src/demo/command.js';
import { Namespace } from '../../src/demo/namespace.js';
import { DEVICE, macOf, OWN_MAC, vtepOf } from './dataplane.js';
import { ip, namespaceName } from './in-namespace.js';
import { startPackets, type PacketStream } from './packets.js';

/** Makes it of the underlay's other end, `up1`. It goes with the test. */
export function makeRemote(t: Test): Namespace {
  const name = `${namespaceName()}-b`;
  const remote = (text: string): unknown => ip('-n', name, ...text.split(' '));
  ip('netns', 'add', name);
  t.teardown(() => ip('netns', 'del', name));
  ip('link', 'set', 'up1', 'netns', name);
  remote('link set lo up');
  remote('link set up1 up');
  remote(`address add ${vtepOf(2)}/24 dev up1`);
  remote('address add 10.5.2.1/32 dev lo');
  remote(
    `link add ${DEVICE} address ${macOf(2)} type vxlan id 1 dev up1 local ${vtepOf(2)} dstport 8472 nolearning`,
  );
  remote(`address add 10.5.2.0/32 dev ${DEVICE}`);
  remote(`link set ${DEVICE} up`);
  remote(`neigh add 10.5.1.0 lladdr ${OWN_MAC} dev ${DEVICE} nud permanent`);
  remote(`route add 10.5.1.0/24 via 10.5.1.0 dev ${DEVICE} onlink`);
  const fdb = `fdb add ${OWN_MAC} dev ${DEVICE} self permanent dst ${vtepOf(1)}`;
  execFileSync('bridge', ['-n', name, ...fdb.split(' ')]);
  return new Namespace(name, new Commands(() => undefined));
}

/** Starts packets between the two hosts' containers' addresses, which are on the loopbacks. */
export async function startStream(t: Test, remote: Namespace): Promise<PacketStream> {
  ip('link', 'set', 'lo', 'up');
  ip('address', 'replace', '10.5.1.1/32', 'dev', 'lo');
  const here = new Namespace(namespaceName(), new Commands(() => undefined));
  const stream = await startPackets(
    { namespace: here, address: '10.5.1.1' },
    { namespace: remote, address: '10.5.2.1' },
  );
  t.teardown(() => stream.abandon());
  return stream;
}

/** The probes of `selvedge ping`, on a socket of the test's. */
import t from 'tap';
import { probeOnce } from '../../../src/cli/ping-run.js';
import type { IcmpHandlers } from '../../../src/probe/icmp-socket.js';
import type { Outgoing } from '../../../src/probe/peer-monitor.js';
import { replyTo } from '../../support/probe-network.js';

const TARGET = {
  ...{ underlay: '192.0.2.2', overlay: '10.5.2.0', isTunnel: true },
  ...{ overlaySize: 1450, underlaySize: 1500 },
};

/** A socket on which all packets are answered, and which ends with that packet. */
function answering(counts: { sent: number; closed: number }, last = Infinity) {
  return (handlers: IcmpHandlers) => ({
    send: (outgoing: Outgoing) => {
      counts.sent++;
      if (counts.sent === last) handlers.onEnd('Bad file descriptor');
      else handlers.onPacket(replyTo(outgoing), outgoing.address);
    },
    close: () => {
      counts.closed++;
    },
  });
}

t.test('three packets on each path, and those of the path MTU', async t => {
  const counts = { sent: 0, closed: 0 };
  const peers = await probeOnce(new Map([['peer', TARGET]]), () => true, answering(counts));
  t.match(peers.get('peer'), { state: 'reachable', mtu: { finding: { kind: 'fits' } } });
  t.match(counts, { sent: 8, closed: 1 });
});

t.test('a socket that ends amid the probes ends the command, with its word', async t => {
  const counts = { sent: 0, closed: 0 };
  const probes = probeOnce(new Map([['peer', TARGET]]), () => true, answering(counts, 3));
  await t.rejects(probes, {
    name: 'ProbesUnavailableError',
    message: 'the raw socket ended amid the probes: Bad file descriptor',
    remedy: /./,
  });
  t.match(counts, { sent: 3, closed: 1 });
});

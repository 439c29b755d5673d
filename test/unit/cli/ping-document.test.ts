/** Which peers are meant, and what is told of them. */
import t from 'tap';
import {
  choosePeers,
  pingDocument,
  renderPing,
  targetOf,
  type Pinged,
} from '../../../src/cli/ping-document.js';
import { UNTESTED, withAnswer, withLoss } from '../../../src/probe/path-record.js';
import type { ProbedPeer } from '../../../src/probe/peer.js';
import { healthyStatus, peer } from '../daemon/example-status.js';

const status = {
  ...healthyStatus,
  peers: [peer(2), peer(3, { path: 'direct', overlayAddress: null }), peer(4, { node: null })],
};

t.test('whom the operator means', async t => {
  const chosen = (wanted?: string) => choosePeers(status, wanted).map(({ subnet }) => subnet);
  t.same(chosen(), ['10.5.2.0/24', '10.5.3.0/24', '10.5.4.0/24']);
  for (const wanted of ['node3', '10.5.3.0/24', '10.5.3.77', '192.0.2.3'])
    t.same(chosen(wanted), ['10.5.3.0/24'], wanted);
  for (const wanted of ['node9', '10.5.9.1', '10.5.3.0/16', 'null', '-']) t.same(chosen(wanted), [], wanted);
});

t.test('where, and how large', async t => {
  const [vxlan, direct] = status.peers;
  t.match(targetOf(status, vxlan!), {
    overlay: '10.5.2.0',
    isTunnel: true,
    overlaySize: 1450,
    underlaySize: 1500,
  });
  t.match(targetOf(status, direct!), {
    overlay: '10.5.3.1',
    isTunnel: false,
    overlaySize: 1450,
    underlaySize: 1450,
  });
  t.equal(targetOf({ ...status, dataPlane: null, underlay: null }, vxlan!), undefined);
});

t.test('what is told', async t => {
  const answered = withAnswer(withAnswer(UNTESTED, 0.5, 1), 0.5, 2);
  const silent = withLoss(withLoss(withLoss(UNTESTED)));
  const pinged = (n: number, probed: Partial<ProbedPeer>, device: string | undefined): Pinged => ({
    peer: status.peers[n]!,
    probed: {
      ...{ target: targetOf(status, status.peers[n]!)!, state: 'reachable', since: 0, mtu: undefined },
      ...{ underlay: answered, overlay: answered },
      ...probed,
    },
    routes: {
      underlay: { device: 'eth0', source: '192.0.2.1' },
      overlay: device === undefined ? undefined : { device, source: '10.5.1.0' },
    },
  });
  const document = pingDocument([
    pinged(0, { mtu: { finding: { kind: 'fits' }, at: 3 } }, 'flannel.1'),
    pinged(
      1,
      { overlay: withLoss(answered), mtu: { finding: { kind: 'fragmented', size: 1400 }, at: 3 } },
      'eth0',
    ),
    pinged(2, { overlay: silent, state: 'overlay-blocked' }, undefined),
  ]);
  t.equal(
    renderPing(document),
    `\
NODE   SUBNET       PATH    BY                   STATE            UNDERLAY           OVERLAY                      MTU
-      10.5.4.0/24  vxlan   no route             overlay-blocked  192.0.2.4 0.50 ms  10.5.4.0 no answer           -
node2  10.5.2.0/24  vxlan   flannel.1 over eth0  reachable        192.0.2.2 0.50 ms  10.5.2.0 0.50 ms             1500
node3  10.5.3.0/24  direct  eth0                 reachable        192.0.2.3 0.50 ms  10.5.3.1 0.50 ms, 33 % lost  1400 of 1450, fragmented
2 of 3 reached
`,
  );
  t.match(document.peers[0], {
    underlay: { address: '192.0.2.2', device: 'eth0', source: '192.0.2.1', rttMs: 0.5, lossPercent: 0 },
    pathMtu: { finding: 'fits', wanted: 1500, size: 1500 },
  });
  t.match(document.peers[2]?.overlay, { device: null, rttMs: null, lossPercent: 100 });
});

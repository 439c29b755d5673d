/** What the probes have shown → status and problems. */
import t from 'tap';
import type { Facts } from '../../../src/daemon/facts.js';
import type { ProbeTarget } from '../../../src/probe/peer.js';
import { ProbesUnavailableError } from '../../../src/probe/icmp-socket.js';
import { probed, silent, whole } from '../../support/probed-host.js';
import type { Answers } from '../../support/probe-network.js';
import { build, KEY_PREFIX } from '../../support/status-facts.js';

const keyOf = (n: number) => `${KEY_PREFIX}10.5.${n}.0-24`;
const onlyUnderlay =
  ({ underlay }: ProbeTarget): Answers =>
  address =>
    address === underlay ? 'answered' : 'silent';

const problemsIn = (facts: Facts) =>
  build(facts)
    .problems.filter(({ code }) => code !== 'file-not-written')
    .map(({ code, severity, seen }) => ({ code, severity, seen }));

t.test('all is well', async t => {
  const { facts } = await probed(t, 2, [() => whole]);
  t.match(build(facts), {
    problems: [],
    probes: {
      rate: 20,
      off: null,
      roundSeconds: 10,
      peers: { reachable: 2, unknown: 0 },
      lost: { overlay: 0 },
    },
  });
  t.match(build(facts).peers[0], {
    overlayAddress: '10.5.2.0',
    probe: {
      state: 'reachable',
      underlay: { word: 'answers', rttMs: 5, lossPercent: 0 },
      pathMtu: { finding: 'fits', wanted: 1500, size: 1500 },
    },
  });
});

t.test('one peer is off: a warning, and what is known of it', async t => {
  const off = ({ underlay }: ProbeTarget) => (underlay.endsWith('.3') ? silent : whole);
  const { facts, probing } = await probed(t, 2, [() => whole, off]);
  const seen = /^10\.5\.3\.0\/24 at \S+\.3 do not answer any more$/;
  t.match(problemsIn(facts), [{ code: 'peer-unreachable', severity: 'warning', seen }]);
  t.match(build(facts).probes?.peers, { reachable: 1, unreachable: 1 });
  t.match(build(facts).peers[1]?.probe, { state: 'unreachable', overlay: { word: 'silent' } });
  probing.isReceiving = true;
  t.equal(build(facts).probes?.peers.unreachable, 1, 'that others still talk to us says nothing of it');
});

t.test('all peers are silent', async t => {
  const { facts, probing } = await probed(t, 5, [() => whole, () => silent]);
  t.match(problemsIn(facts), [
    { code: 'peer-unreachable', severity: 'error', seen: / and 2 more do not answer/ },
  ]);
  probing.isReceiving = true;
  t.same(problemsIn(facts), [], 'packets come in by the tunnel: ICMP is filtered');
  t.match(build(facts).probes?.peers, { unknown: 5, unreachable: 0 });
  t.equal(build(facts).peers[0]?.probe?.state, 'unknown');
});

t.test('a peer that was never heard of is no problem', async t => {
  const { facts } = await probed(t, 2, [() => silent]);
  t.same(problemsIn(facts), []);
});

t.test('the tunnel is blocked to one peer, and to all', async t => {
  const one = (target: ProbeTarget) => (target.underlay.endsWith('.3') ? onlyUnderlay(target) : whole);
  const { facts } = await probed(t, 2, [one]);
  t.match(problemsIn(facts), [{ code: 'overlay-blocked', severity: 'warning', seen: /^10\.5\.3\.0/ }]);
  const all = await probed(t, 2, [onlyUnderlay]);
  t.match(problemsIn(all.facts), [{ code: 'overlay-blocked', severity: 'error' }]);
  t.match(all.facts.probing?.monitor.peers.get(keyOf(2)), { state: 'overlay-blocked' });
});

t.test('a narrow path', async t => {
  const narrow =
    ({ underlay }: ProbeTarget): Answers =>
    (address, size) =>
      address === underlay && size > 1400 ? { mtu: 1400 } : 'answered';
  const { facts } = await probed(t, 1, [narrow]);
  t.match(problemsIn(facts), [
    { code: 'path-mtu', severity: 'warning', seen: /fragmented .*: 1400 of 1500 bytes/ },
  ]);
  const hole: Answers = (_, size) => (size > 1350 ? 'silent' : 'answered');
  const lost = await probed(t, 1, [() => hole, () => hole]);
  t.match(problemsIn(lost.facts), [
    { code: 'path-mtu', severity: 'error', seen: /vanish .*: 1350 of 1500 bytes/ },
  ]);
});

t.test('without a raw socket', async t => {
  const { facts, probing } = await probed(t, 1, []);
  probing.trouble = new ProbesUnavailableError('no raw socket: Operation not permitted', 'setcap');
  t.match(build(facts), {
    problems: [{ code: 'probes-off', severity: 'warning', next: 'setcap' }],
    probes: { off: 'no raw socket: Operation not permitted' },
    peers: [{ probe: null }],
  });
  facts.probing = undefined;
  t.match(build(facts), { problems: [], probes: null }, 'none are wanted');
});

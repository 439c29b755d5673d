/** The monitor against peers that answer as a test says, and against those who answer wrongly. */
import t, { type Test } from 'tap';
import { PeerMonitor, type MonitorOptions } from '../../../src/probe/peer-monitor.js';
import type { ProbeTarget } from '../../../src/probe/peer.js';
import { answerAs, hostUnreachable, replyTo, type Answers } from '../../support/probe-network.js';

const COOKIE = Buffer.from('selvedge');
const TARGET: ProbeTarget = {
  ...{ underlay: '192.0.2.2', overlay: '10.5.2.0', isTunnel: true },
  ...{ overlaySize: 1450, underlaySize: 1500 },
};
const KEY = '/net/subnets/10.5.2.0-24';

function createMonitor(options: Partial<MonitorOptions> = {}): PeerMonitor {
  const monitor = new PeerMonitor({
    ...{ rate: 20, timeoutMs: 1_000, identifier: 7, cookie: COOKIE, isProgrammed: () => true },
    ...options,
  });
  monitor.setTargets(new Map([[KEY, TARGET]]), 0);
  return monitor;
}

/** Lets time pass on a network where those addresses answer. @returns when that is, and all that was sent */
function pass(monitor: PeerMonitor, from: number, ms: number, answering: readonly string[]) {
  const answers: Answers = address => (answering.includes(address) ? 'answered' : 'silent');
  return { now: from + ms, sent: answerAs(monitor, from, ms, answers) };
}

const { underlay, overlay } = TARGET;

t.test('a peer goes through its states', async t => {
  const states: string[] = [];
  const monitor = createMonitor({ onState: (_, before, after) => states.push(`${before} > ${after}`) });
  let { now } = pass(monitor, 0, 1_000, [underlay, overlay]);
  t.equal(monitor.peers.get(KEY)?.state, 'reachable', 'the first answer will do');
  ({ now } = pass(monitor, now, 20_000, [underlay]));
  t.equal(monitor.peers.get(KEY)?.state, 'overlay-blocked');
  ({ now } = pass(monitor, now, 20_000, []));
  t.same([...monitor.byState.unreachable], [KEY]);
  ({ now } = pass(monitor, now, 30_000, [underlay, overlay]));
  t.same([...monitor.byState.reachable], [KEY]);
  t.same(states.slice(0, 3), [
    'unknown > reachable',
    'reachable > overlay-blocked',
    'overlay-blocked > unreachable',
  ]);
  t.match(monitor.peers.get(KEY), { mtu: { finding: { kind: 'fits' } }, underlay: { rttMs: 5 } });
  monitor.setTargets(new Map([[KEY, { ...TARGET, underlay: '192.0.2.9' }]]), now);
  t.match(monitor.peers.get(KEY), { state: 'unknown', mtu: undefined }, 'a peer that moved begins anew');
  monitor.setTargets(new Map(), now);
  t.equal(monitor.byState.unknown.size + monitor.byMtu.fits.size, 0);
});

t.test(
  'a host that goes is not first taken for one whose tunnel is blocked, nor its path for a hole',
  async t => {
    for (let end = 500; end < 12_000; end += 173) {
      const states: string[] = [];
      const monitor = createMonitor({ onState: (_, before, after) => states.push(`${before} > ${after}`) });
      pass(monitor, 0, end, [underlay, overlay]);
      pass(monitor, end, 60_000, []);
      t.same(states, ['unknown > reachable', 'reachable > unreachable'], `gone after ${end} ms`);
      t.equal(monitor.byMtu['black-hole'].size + monitor.byMtu.unknown.size, 0);
    }
  },
);

/** So many peers that a round takes long; all have answered, and nothing else is to be found out. */
function createCrowd(t: Test, isTunnel: boolean) {
  const states: string[] = [];
  const monitor = createMonitor({ onState: (key, _, after) => states.push(`${key} ${after}`) });
  const targets = Array.from({ length: 1_000 }, (_, i): [string, ProbeTarget] => {
    const host = `${i >> 8}.${i & 0xff}`;
    return [`peer${i}`, { ...TARGET, isTunnel, underlay: `10.1.${host}`, overlay: `10.5.${host}` }];
  });
  monitor.setTargets(new Map(targets), 0);
  const network = { isPeer7Dead: false };
  const answers: Answers = address => {
    const isThere = isTunnel || address.startsWith('10.1.');
    return isThere && !(network.isPeer7Dead && address.endsWith('.0.7')) ? 'answered' : 'silent';
  };
  answerAs(monitor, 0, 51_000, answers);
  if (isTunnel) t.equal(monitor.byState.reachable.size, 1_000, 'the first round shows all');
  answerAs(monitor, 51_000, SETTLED_AT - 51_000, answers);
  t.equal(monitor.byState.reachable.size, 1_000);
  states.length = 0;
  return { monitor, states, network, answers };
}

const SETTLED_AT = 300_000;

t.test('among many peers', async t => {
  const { monitor, states, network, answers } = createCrowd(t, true);
  t.ok(Math.abs(monitor.roundMs - 55_000) < 1, 'one path is enough of those that answer');
  network.isPeer7Dead = true;
  answerAs(monitor, SETTLED_AT, monitor.roundMs + 5_000, answers);
  t.same(states, ['peer7 unreachable'], 'one that goes is noticed within a round');
  let now = SETTLED_AT + 60_000;
  network.isPeer7Dead = false;
  answerAs(monitor, now, 15_000, answers);
  t.equal(states.at(-1), 'peer7 reachable', 'that it is back, within seconds');

  network.isPeer7Dead = true;
  now += 15_000;
  monitor.receive(wordOnPeer7(), '192.0.2.254', now);
  answerAs(monitor, now, 4_000, answers);
  t.equal(states.at(-1), 'peer7 unreachable', 'and once a packet to it comes back, as soon');
});

t.test('a word that a host is not there is no proof', async t => {
  const { monitor, states, answers } = createCrowd(t, true);
  let asked = 0;
  for (let at = SETTLED_AT; at < SETTLED_AT + 30_000; at += 100) {
    monitor.receive(wordOnPeer7(), '192.0.2.254', at);
    asked += answerAs(monitor, at, 100, answers).filter(({ address }) => address.endsWith('.0.7')).length;
  }
  t.same(states, []);
  t.ok(asked >= 6 && asked <= 8, `asked ${asked} times: on both paths every ten seconds at most`);
});

t.test('host-gw: addresses that nobody has are asked now and then', async t => {
  const { monitor, states, network, answers } = createCrowd(t, false);
  t.ok(Math.abs(monitor.roundMs - 55_000) < 1);
  network.isPeer7Dead = true;
  answerAs(monitor, SETTLED_AT, monitor.roundMs + 5_000, answers);
  t.same(states, ['peer7 unreachable']);
});

/** A router's word on a packet of this host, which need not be a probe. */
function wordOnPeer7(): Buffer {
  const packet = Buffer.alloc(28, 0x45);
  packet[9] = 17;
  packet.set([10, 1, 0, 7], 16);
  return hostUnreachable({ sequence: 0, address: '10.1.0.7', packet });
}

t.test('who never answered is not called unreachable', async t => {
  const monitor = createMonitor();
  pass(monitor, 0, 60_000, []);
  t.match(monitor.peers.get(KEY), {
    state: 'unknown',
    underlay: { word: 'never' },
    overlay: { word: 'never' },
  });
});

t.test('nothing goes to a peer that the kernel does not lead to, but on the underlay', async t => {
  const monitor = createMonitor({ isProgrammed: () => false });
  const { sent } = pass(monitor, 0, 60_000, [underlay, overlay]);
  t.ok(sent.length > 3);
  t.same(new Set(sent.map(({ address }) => address)), new Set([underlay]));
});

t.test('answers that are none', async t => {
  const monitor = createMonitor();
  const outgoing = monitor.next(0)!;
  const wrong: readonly (readonly [what: string, packet: Buffer, source: string])[] = [
    ['of another program', replyTo(outgoing, reply => reply.writeUInt16BE(8, 4)), outgoing.address],
    ['with another mark', replyTo(outgoing, reply => reply.fill(0, 8)), outgoing.address],
    ['from another address', replyTo(outgoing), '192.0.2.66'],
    ['to nothing that was asked', replyTo(outgoing, reply => reply.writeUInt16BE(99, 6)), outgoing.address],
    ['cut short', replyTo(outgoing).subarray(0, 30), outgoing.address],
    ['no packet', Buffer.from('garbage'), outgoing.address],
  ];
  for (const [what, packet, source] of wrong) {
    monitor.receive(packet, source, 1);
    t.equal(monitor.peers.get(KEY)?.overlay.counted, 0, what);
  }
  monitor.receive(replyTo(outgoing), outgoing.address, 5);
  t.match(monitor.peers.get(KEY)?.overlay, { counted: 1, rttMs: 5 });
  monitor.receive(replyTo(outgoing), outgoing.address, 6);
  const second = monitor.next(50)!;
  monitor.next(1_050);
  monitor.receive(replyTo(second), second.address, 1_051);
  t.same(monitor.counts.strays, { late: 2, duplicate: 1, 'wrong-address': 1, malformed: 2 });
  t.equal(monitor.peers.get(KEY)?.underlay.word, 'untested', 'a late answer is a lost one');
});

t.test('a packet that cannot be sent is a lost one', async t => {
  const monitor = createMonitor();
  for (let now = 0; now < 20_000; now += 5) {
    const outgoing = monitor.next(now);
    if (outgoing !== undefined) monitor.failed(outgoing.sequence, false, now);
  }
  t.equal(monitor.peers.get(KEY)?.underlay.word, 'never');
  t.equal(monitor.counts.sendErrors, monitor.counts.sent.underlay + monitor.counts.sent.overlay);
});

t.test('path MTU: a device that refuses the size at once', async t => {
  const monitor = createMonitor();
  for (let now = 0; now < 10_000; now += 5) {
    const outgoing = monitor.next(now);
    if (outgoing === undefined) continue;
    const isTooLarge = outgoing.packet.length > (outgoing.address === underlay ? 1400 : 1450);
    if (isTooLarge) monitor.failed(outgoing.sequence, true, now);
    else monitor.receive(replyTo(outgoing), outgoing.address, now + 1);
  }
  t.match(monitor.peers.get(KEY)?.mtu, { finding: { kind: 'fragmented', size: 1400 } });
});

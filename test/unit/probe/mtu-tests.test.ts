/** Tests of path MTU on networks that change while they are under way. */
import t from 'tap';
import { MtuTests, type MtuView } from '../../../src/probe/mtu-tests.js';
import type { MtuOutcome, MtuStep } from '../../../src/probe/path-mtu.js';
import { UNTESTED, withAnswer } from '../../../src/probe/path-record.js';
import type { ProbedPeer } from '../../../src/probe/peer.js';
import { Schedule } from '../../../src/probe/schedule.js';

const KEY = '/net/subnets/10.5.2.0-24';
const ANSWERED: MtuOutcome = { kind: 'answered' };
const SILENT: MtuOutcome = { kind: 'silent' };

const peerAt = (now: number): ProbedPeer => {
  const answers = [1, 2, 3].reduce(record => withAnswer(record, 1, now), UNTESTED);
  return {
    target: {
      ...{ underlay: '192.168.77.2', overlay: '10.5.2.0', isTunnel: true },
      ...{ overlaySize: 1450, underlaySize: 1500 },
    },
    ...{ underlay: answers, overlay: answers, mtu: undefined, state: 'reachable', since: 0 },
  };
};

/** Tests the peer until the test ends. @param network what becomes of the so-manieth packet */
function test(network: (step: MtuStep, count: number) => MtuOutcome): {
  readonly found: MtuView | undefined;
  readonly sent: readonly MtuStep[];
  readonly isDueAgain: boolean;
} {
  const tests = new MtuTests(new Schedule(20));
  const sent: MtuStep[] = [];
  tests.consider(KEY, peerAt(1), false, 1);
  let found: MtuView | undefined;
  for (let step = tests.stepOf(KEY); step !== undefined; step = tests.stepOf(KEY)) {
    if (sent.length > 100) throw new Error('no end');
    sent.push(step);
    found = tests.take(KEY, network(step, sent.length), 2);
  }
  // Small packets are answered afterwards.
  found ??= tests.consider(KEY, peerAt(3), false, 3);
  tests.consider(KEY, peerAt(4), false, 4);
  return { found, sent, isDueAgain: tests.stepOf(KEY) !== undefined };
}

t.test('a link that is narrow stays so', async t => {
  const { found, sent, isDueAgain } = test(({ path, size }) =>
    size + (path === 'overlay' ? 50 : 0) <= 1400 ? ANSWERED : SILENT,
  );
  t.same(found?.finding, { kind: 'black-hole', size: 1400 });
  const whole = { path: 'underlay', size: 1500, mayFragment: false };
  const full = { path: 'overlay', size: 1450, mayFragment: false };
  t.same(sent.slice(-6), [whole, whole, whole, full, full, full], 'asked once more at the end');
  t.notOk(isDueAgain);
});

// Whatever was silent before it ended passes now.
t.test('an outage that ends in the midst is no narrow link', async t => {
  for (let until = 3; until <= 12; until += 3) {
    const { found, isDueAgain } = test((_, count) => (count <= until ? SILENT : ANSWERED));
    t.equal(found, undefined, `after ${until} packets`);
    t.ok(isDueAgain, 'tested anew');
  }
});

t.test('one that begins and ends in the midst is none either', async t => {
  const { found, isDueAgain } = test((_, count) => (count >= 2 && count <= 4 ? SILENT : ANSWERED));
  t.equal(found, undefined);
  t.ok(isDueAgain);
});

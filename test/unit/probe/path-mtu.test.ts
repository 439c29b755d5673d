/** What is found of networks that let packets of certain sizes through. */
import t from 'tap';
import { SMALLEST_PACKET } from '../../../src/probe/icmp.js';
import {
  nextOfMtu,
  type MtuFinding,
  type MtuOutcome,
  type MtuQuestion,
  type MtuResult,
  type MtuStep,
} from '../../../src/probe/path-mtu.js';

const QUESTION: MtuQuestion = {
  ...{ overlaySize: 1450, underlaySize: 1500, isTunnel: true },
  answers: { underlay: true, overlay: true },
};

/** @param count of the packets so far, this one too */
type Network = (step: MtuStep, count: number) => MtuOutcome;
const ANSWERED: MtuOutcome = { kind: 'answered' };
const SILENT: MtuOutcome = { kind: 'silent' };

/** A link of this MTU: what is larger and may not be fragmented is refused, by word or in silence. */
const narrow =
  (mtu: number, said: number | 'nothing'): Network =>
  ({ path, size, mayFragment }) => {
    if (path === 'overlay' || mayFragment || size <= mtu) return ANSWERED;
    return said === 'nothing' ? SILENT : { kind: 'too-large', mtu: said };
  };
/** A link that lets no packet through that is larger, fragmented or not. */
const hole =
  (mtu: number): Network =>
  ({ path, size }) =>
    size + (path === 'overlay' ? 50 : 0) <= mtu ? ANSWERED : SILENT;

const isFull = ({ path, size }: MtuStep) => size === (path === 'overlay' ? 1450 : 1500);

function find(network: Network, question: Partial<MtuQuestion> = {}): { finding: MtuFinding; steps: number } {
  const results: MtuResult[] = [];
  for (;;) {
    const next = nextOfMtu({ ...QUESTION, ...question }, results);
    if ('finding' in next) return { finding: next.finding, steps: results.length };
    if (results.length > 40) throw new Error('no end');
    const { step } = next;
    const before = results.filter(
      ({ path, size, mayFragment }) =>
        path === step.path && size === step.size && mayFragment === step.mayFragment,
    );
    // What was silent at full size is asked once more at the end.
    if (before.length > (before[0]?.outcome === SILENT && isFull(step) ? 1 : 0))
      throw new Error(`asked again: ${JSON.stringify(step)}`);
    results.push({ ...step, outcome: network(step, results.length + 1) });
  }
}

const noUnderlay = { answers: { underlay: false, overlay: true } };
const noOverlay = { answers: { underlay: true, overlay: false } };
const direct = { isTunnel: false, overlaySize: 1500 };

const CASES: readonly (readonly [
  what: string,
  Network,
  Partial<MtuQuestion>,
  MtuFinding,
  mostSteps: number,
])[] = [
  ['a wide path', () => ANSWERED, {}, { kind: 'fits' }, 2],
  ['a router that tells', narrow(1400, 1400), {}, { kind: 'fragmented', size: 1400 }, 4],
  ['a router that lies low', narrow(1400, 600), {}, { kind: 'fragmented', size: 1400 }, 14],
  ['a router that lies high', narrow(1400, 1480), {}, { kind: 'fragmented', size: 1400 }, 14],
  ['a router that tells no MTU', narrow(1400, 0), {}, { kind: 'fragmented', size: 1400 }, 14],
  ['fragmented, and nothing said', narrow(1400, 'nothing'), {}, { kind: 'fragmented', size: 1400 }, 16],
  ['dropped, and nothing said', hole(1400), {}, { kind: 'black-hole', size: 1400 }, 16],
  [
    'dropped on a path whose underlay answers nothing',
    hole(1400),
    noUnderlay,
    { kind: 'black-hole', size: 1400 },
    15,
  ],
  [
    'this host tells containers of a narrow link',
    (step, count) =>
      step.path === 'overlay' && step.size > 1350
        ? { kind: 'too-large', mtu: 1350 }
        : narrow(1400, 1400)(step, count),
    {},
    { kind: 'fragmented', size: 1400 },
    5,
  ],
  [
    'large packets of the tunnel alone are dropped',
    step => (step.path === 'overlay' && step.size > 1350 ? SILENT : ANSWERED),
    {},
    { kind: 'black-hole', size: 1400 },
    15,
  ],
  ['a tunnel that answers nothing', narrow(1400, 1400), noOverlay, { kind: 'fragmented', size: 1400 }, 3],
  ['no tunnel', () => ANSWERED, direct, { kind: 'fits' }, 1],
  ['no tunnel, and a router that tells', narrow(1400, 1400), direct, { kind: 'fragmented', size: 1400 }, 3],
  ['no tunnel, and no word', narrow(1400, 'nothing'), direct, { kind: 'black-hole', size: 1400 }, 15],
];

for (const [what, network, question, expected, mostSteps] of CASES) {
  t.test(what, async t => {
    const { finding, steps } = find(network, question);
    t.same(finding, expected);
    t.ok(steps <= mostSteps, `${steps} steps`);
  });
}

t.test('what cannot be told', async t => {
  const filtered: Network = ({ path, size }) => (path === 'underlay' && size > 200 ? SILENT : ANSWERED);
  t.match(find(filtered), { finding: { kind: 'unknown' }, steps: 3 }, 'large ICMP is filtered');
  t.match(find(() => ANSWERED, noUnderlay).finding, { kind: 'unknown' });
  const onlySmall: Network = ({ size }) => (size <= SMALLEST_PACKET ? ANSWERED : SILENT);
  t.same(find(onlySmall).finding, { kind: 'black-hole', size: SMALLEST_PACKET });
});

// Of whatever was asked before it ended nothing came back, and all passes afterwards.
t.test('an outage that ends in the midst is no narrow link', async t => {
  const lost = { kind: 'unknown', reason: 'large packets were lost for a while' };
  for (let until = 1; until <= 8; until++) {
    const outage: Network = (_, count) => (count <= until ? SILENT : ANSWERED);
    t.same(find(outage).finding, lost, `after ${until} packets`);
  }
  const inside: Network = (_, count) => (count === 2 ? SILENT : ANSWERED);
  t.same(find(inside).finding, lost, 'and one that begins there too');
});

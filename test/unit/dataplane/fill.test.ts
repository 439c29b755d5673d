/** Filling a kernel: many owners' entries, compared and written while the kernel works at those before. */
import t from 'tap';
import { entryOf, type Op } from '../../../src/dataplane/diff.js';
import type { OpTrouble } from '../../../src/dataplane/kernel.js';
import { keyOf, kindOf } from '../../../src/dataplane/kinds/index.js';
import type { Entry } from '../../../src/dataplane/model.js';
import { macOf, peerEntries } from '../../support/dataplane.js';
import { keeperOn } from '../../support/entry-keeper.js';

/** More than are made ready at once. */
const PEERS = 4_000;

/** As many datagrams as are made ready before the first is answered. */
const AHEAD = 20;

/** A peer that is among the last to be planned. */
const LATE = 3_985;

/** What the kernel was handed and has not answered yet. */
interface Handed {
  readonly ops: readonly Op[];
  readonly answer: (troubles?: ReadonlyMap<number, OpTrouble> | Promise<never>) => void;
}

/** A keeper of all peers' entries, before a kernel that answers when the test says so. */
function keepPeers(held: readonly Entry[] = [], plan: (n: number) => readonly Entry[] = peerEntries) {
  const handed: Handed[] = [];
  const { keeper, lines } = keeperOn(
    ops => new Promise(resolve => handed.push({ ops, answer: (troubles = new Map()) => resolve(troubles) })),
  );
  const peers = Array.from({ length: PEERS }, (_, i) => ({ key: `peer ${i + 1}`, n: i + 1 }));
  keeper.desired.setAll(peers, ({ n }) => plan(n));
  keeper.take(held);
  return { keeper, handed, lines };
}

const turn = () => new Promise(resolve => setImmediate(resolve));

/** Until nothing more is handed over while nothing is answered. */
async function settle(handed: readonly Handed[]): Promise<void> {
  let quiet = 0;
  while (quiet < 5) {
    const before = handed.length;
    await turn();
    quiet = handed.length === before ? quiet + 1 : 0;
  }
}

/** Answers all that comes, until nothing comes any more. @returns what came */
async function answerAll(
  handed: Handed[],
  troublesOf: (ops: readonly Op[]) => ReadonlyMap<number, OpTrouble> = () => new Map(),
): Promise<Op[]> {
  const all: Op[] = [];
  await settle(handed);
  while (handed.length > 0) {
    const { ops, answer } = handed.shift()!;
    all.push(...ops);
    answer(troublesOf(ops));
    await settle(handed);
  }
  return all;
}

t.test('the next are compared before the last are answered, and a peer’s entries come in order', async t => {
  const { keeper, handed } = keepPeers();
  const filled = keeper.fill(true);
  await settle(handed);
  t.equal(handed.length, AHEAD, 'one at work, the others ready');
  t.same(
    handed.map(({ ops }) => ops.length),
    Array(AHEAD).fill(400),
    'a hundred peers each',
  );
  const ops = await answerAll(handed);
  await filled;
  const wanted = Array.from({ length: PEERS }, (_, n) => keeper.desired.entriesOf(`peer ${n + 1}`)).flat();
  t.equal(wanted.length, 4 * PEERS);
  t.same(ops.map(op => keyOf(entryOf(op))).sort(), wanted.map(keyOf).sort());
  const places = new Map(ops.map((op, place) => [keyOf(entryOf(op)), place]));
  for (let n = 1; n <= PEERS; n++) {
    const inOrder = keeper.desired
      .entriesOf(`peer ${n}`)
      .toSorted((a, b) => kindOf(a).order - kindOf(b).order);
    const order = inOrder.map(entry => places.get(keyOf(entry))!);
    if (order.some((place, i) => place < (order[i - 1] ?? 0))) t.fail(`peer ${n}: ${order.join(', ')}`);
  }
  t.same(keeper.compareAll(true), [], 'then all is as it should be');
});

t.test('the last are planned when the kernel has done the first', async t => {
  const planned: number[] = [];
  const { keeper, handed } = keepPeers([], n => {
    planned.push(n);
    return peerEntries(n);
  });
  t.same(planned, []);
  const filled = keeper.fill(true);
  await settle(handed);
  t.ok(
    planned.length > 0 && planned.length < PEERS,
    `${planned.length} while the kernel has answered nothing`,
  );
  const ops = await answerAll(handed);
  await filled;
  t.equal(planned.length, PEERS);
  t.equal(ops.length, 4 * PEERS);
});

t.test('a peer that changes meanwhile keeps none of the others back', async t => {
  const { keeper, handed } = keepPeers();
  const filled = keeper.fill(true);
  await settle(handed);
  keeper.desired.set('peer 3', []);
  keeper.desired.set(`peer ${LATE}`, peerEntries(LATE, macOf(LATE + 11)));
  await answerAll(handed);
  await filled;
  const owners = [...new Set(keeper.compareAll(true).map(op => keyOf(entryOf(op))))];
  const changed = [
    ...peerEntries(3),
    ...peerEntries(LATE).slice(0, 2),
    ...peerEntries(LATE, macOf(LATE + 11)).slice(0, 1),
  ];
  for (const key of owners)
    t.ok(changed.some(entry => keyOf(entry) === key) || key.startsWith('nexthop '), key);
});

t.test('what the kernel refuses is listed, told in few words, and holds up nothing', async t => {
  const { keeper, handed, lines } = keepPeers();
  const filled = keeper.fill(true);
  const refusal: OpTrouble = { kind: 'refused', code: 'ENOBUFS', message: 'no' };
  await answerAll(
    handed,
    ops => new Map(ops.flatMap((op, i) => (entryOf(op).kind === 'fdb' ? [[i, refusal]] : []))),
  );
  await filled;
  t.equal(keeper.failures.all.size, PEERS);
  t.equal(keeper.held.size, 3 * PEERS);
  const warnings = lines.filter(({ level }) => level === 'warn');
  t.equal(warnings.length, 11);
  t.match(warnings.at(-1), { msg: `refused by the kernel: ${PEERS - 10} entries more` });
});

t.test('what is stale goes when all else has been answered', async t => {
  const stale = peerEntries(4_255);
  const { keeper, handed } = keepPeers([...stale]);
  const filled = keeper.fill(true);
  const kinds: string[] = [];
  await settle(handed);
  while (handed.length > 0) {
    const removes = handed.map(({ ops }) => ops.at(-1)?.kind === 'remove');
    if (removes.includes(true)) t.equal(handed.length, 1, 'alone');
    kinds.push(removes[0] === true ? 'remove' : 'put');
    handed.shift()!.answer();
    await settle(handed);
  }
  await filled;
  t.ok(kinds.length > AHEAD + 1);
  t.equal(kinds.indexOf('remove'), kinds.length - 1);
  t.same(
    [...keeper.held.keys()].filter(key => stale.some(entry => keyOf(entry) === key)),
    [],
  );
});

t.test('a kernel that breaks off ends it with that error', async t => {
  const { keeper, handed } = keepPeers();
  const filled = keeper.fill(true);
  await settle(handed);
  const failing = new Error('the socket is gone');
  for (const { answer } of handed) answer(Promise.reject(failing));
  await t.rejects(filled, failing);
  t.equal(handed.length, AHEAD, 'nothing more is sent');
});

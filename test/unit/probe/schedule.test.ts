/** Whose turn it is: the rate is kept, and nobody is forgotten. */
import fc from 'fast-check';
import t from 'tap';
import { ROUND_MS, Schedule, type Turn } from '../../../src/probe/schedule.js';

const keysOf = (count: number) => new Set(Array.from({ length: count }, (_, i) => `peer${i}`));

/** Who takes part from now on. */
function keep(schedule: Schedule, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
  schedule.remove(new Set([...before].filter(key => !after.has(key))));
  schedule.add([...after].filter(key => !before.has(key)));
}

interface Taken extends Turn {
  readonly at: number;
}

/** Lets time pass, a slot as soon as there is one. @param onTurn may ask for more */
function run(schedule: Schedule, ms: number, onTurn: (turn: Taken) => void = () => undefined): Taken[] {
  const taken: Taken[] = [];
  for (let now = 0; now < ms;) {
    const turn = schedule.next(now);
    if (turn !== undefined) {
      taken.push({ ...turn, at: now });
      onTurn(taken.at(-1)!);
    }
    now += Math.max(1, Math.ceil(schedule.waitMs(now)));
  }
  return taken;
}

t.test('few peers: each path once a round, spread over it', async t => {
  const schedule = new Schedule(20);
  schedule.add([...keysOf(5)]);
  const taken = run(schedule, ROUND_MS * 4);
  const first = taken.slice(0, 10);
  t.equal(new Set(first.map(({ key, what }) => key + what)).size, 10, 'newcomers first, all of them');
  t.ok(first.at(-1)!.at <= 500, 'at the full rate');
  const later = taken.slice(10);
  const gaps = later.slice(1).map(({ at }, i) => at - later[i]!.at);
  t.ok(Math.min(...gaps) >= 999 && Math.max(...gaps) <= 1001, 'then one a second');
});

t.test('many peers: a round takes as long as the rate allows, and each gets its turn', async t => {
  const schedule = new Schedule(20);
  schedule.add([...keysOf(1000)]);
  t.equal(schedule.roundMs, 100_000);
  const taken = run(schedule, 200_000);
  const times = new Map<string, number>();
  for (const { key, what } of taken) times.set(key + what, (times.get(key + what) ?? 0) + 1);
  t.equal(times.size, 2000);
  t.same(new Set(times.values()), new Set([2]), 'all of them twice');
});

t.test('a newcomer is next, whatever the number of the others', async t => {
  const schedule = new Schedule(20);
  schedule.add([...keysOf(10_000)]);
  run(schedule, 60_000);
  schedule.add(['new']);
  const turns = Array.from({ length: 20_000 }, (_, i) => schedule.next(60_000 + i * 50)?.key);
  t.equal(turns.indexOf('new'), 18_800, 'behind newcomers of before, which have not had theirs');
  schedule.add(['newer']);
  t.equal(schedule.next(2_000_000)?.key, 'newer');
});

t.test('those who ask for it soon get every other slot', async t => {
  const schedule = new Schedule(20);
  schedule.add([...keysOf(1000)]);
  const taken = run(schedule, 100_000, turn => {
    if (turn.key === 'peer0' || turn.what === 'mtu') schedule.askSoon({ key: 'peer0', what: 'mtu' });
  });
  const extra = taken.filter(({ what }) => what === 'mtu').length;
  t.ok(extra > 900 && extra <= taken.length / 2, `${extra} of ${taken.length}`);
});

t.test('many peers of which one path tells all: it alone is asked, the other one now and then', async t => {
  const schedule = new Schedule(20);
  schedule.add([...keysOf(1000)]);
  for (const key of keysOf(1000)) schedule.spare(key, 'underlay');
  t.equal(schedule.roundMs, 55_000);
  const counts = new Map<string, number>();
  for (const { key, what } of run(schedule, 550_000)) {
    const name = `${what} ${key}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const timesOf = (what: string) =>
    new Set([...counts].flatMap(([name, times]) => (name.startsWith(what) ? [times] : [])));
  t.same([counts.size, timesOf('overlay'), timesOf('underlay')], [2000, new Set([10]), new Set([1])]);

  schedule.spare('peer7', undefined);
  let both = 0;
  for (let now = 600_000; now < 710_000; now += 50) {
    const turn = schedule.next(now);
    if (turn?.key === 'peer7' && turn.what === 'underlay') both++;
  }
  t.equal(both, 2, 'both again');
});

t.test('few peers are spared nothing', async t => {
  const schedule = new Schedule(20);
  schedule.add([...keysOf(100)]);
  for (const key of keysOf(100)) schedule.spare(key, 'underlay');
  const taken = run(schedule, ROUND_MS * 2);
  t.equal(taken.filter(({ what }) => what === 'underlay').length, 200);
});

t.test(
  'among many, those in trouble are asked every few seconds, a quarter of the slots at most',
  async t => {
    const schedule = new Schedule(20);
    schedule.add([...keysOf(10_000)]);
    t.equal(run(schedule, 20_000).length, 400);
    schedule.watch({ key: 'peer9000', what: 'overlay' }, 20_000);
    const times: number[] = [];
    for (let now = 20_000; now < 100_000; now += 50)
      if (schedule.next(now)?.key === 'peer9000') times.push(now);
    t.same(times, [30_000, 40_000, 50_000, 60_000, 70_000, 80_000, 90_000]);
    for (let i = 0; i < 1000; i++) schedule.watch({ key: `peer${8000 + i}`, what: 'overlay' }, 100_000);
    let extra = 0;
    for (let now = 110_000; now < 210_000; now += 50)
      if (Number(schedule.next(now)?.key.slice(4)) >= 8000) extra++;
    t.equal(extra, 500);
    keep(schedule, keysOf(10_000), keysOf(8000));
    t.ok(
      Array.from({ length: 400 }, (_, i) => schedule.next(300_000 + i * 50)).every(
        turn => turn !== undefined && Number(turn.key.slice(4)) < 8000,
      ),
      'who is gone is not asked',
    );
  },
);

t.test('with nobody to probe it sleeps', async t => {
  const schedule = new Schedule(20);
  t.equal(schedule.waitMs(0), Infinity);
  schedule.add([...keysOf(1)]);
  t.equal(schedule.waitMs(0), 0);
  schedule.remove(keysOf(1));
  t.equal(schedule.next(0), undefined);
});

t.test('never more in any second than the rate', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('keys' as const), count: fc.nat(30) }),
    fc.record({
      kind: fc.constant('soon' as const),
      peer: fc.nat(30),
      what: fc.constantFrom<Turn['what']>('underlay', 'mtu'),
    }),
    fc.record({ kind: fc.constant('spare' as const), peer: fc.nat(30) }),
    fc.record({ kind: fc.constant('watch' as const), peer: fc.nat(30) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(300) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(action, { maxLength: 200 }), (rate, actions) => {
      const schedule = new Schedule(rate, 500);
      const sent: number[] = [];
      let now = 0;
      let count = 0;
      for (const each of actions) {
        if (each.kind === 'keys') keep(schedule, keysOf(count), keysOf((count = each.count)));
        if (each.kind === 'soon') schedule.askSoon({ key: `peer${each.peer}`, what: each.what });
        if (each.kind === 'spare') schedule.spare(`peer${each.peer}`, 'underlay');
        if (each.kind === 'watch') schedule.watch({ key: `peer${each.peer}`, what: 'overlay' }, now);
        if (each.kind === 'wait') now += each.ms;
        if (schedule.next(now) !== undefined) sent.push(now);
      }
      return sent.every((at, i) => (sent[i + rate] ?? Infinity) - at >= 1000 - 1e-6);
    }),
  );
});

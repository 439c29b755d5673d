/** When something that another program keeps undoing is put right again. */
import t from 'tap';
import { Contests } from '../../../src/dataplane/contests.js';

const KEY = 'route 10.5.2.0/24 metric 0';

/** Puts it right whenever that is allowed, against somebody who undoes it at once. @returns the moments */
function fight(contests: Contests, from: number, until: number, key = KEY): number[] {
  const moments: number[] = [];
  let now = from;
  while (now < until) {
    contests.startPass(now);
    if (contests.mayRepair(key, now)) {
      contests.note(key, () => 'the route', now);
      moments.push(now);
      now += 20;
    } else now = contests.nextRepair;
  }
  return moments;
}

t.test('six at once, then pauses that double from a second to a minute', async t => {
  const moments = fight(new Contests(), 0, 400_000);
  const gaps = moments.slice(1).map((moment, index) => moment - moments[index]!);
  const pauses = [1000, 2000, 4000, 8000, 16_000, 32_000];
  t.same(gaps, [20, 20, 20, 20, 20, ...pauses, 60_000, 60_000, 60_000, 60_000, 60_000]);
});

t.test('one contest holds up no other', async t => {
  const contests = new Contests();
  fight(contests, 0, 60_000);
  t.equal(contests.mayRepair(KEY, 60_000), false);
  t.equal(contests.mayRepair('another', 60_000), true);
  t.same(
    contests.open.map(({ what }) => what),
    ['the route'],
  );
});

t.test('slow damage is put right at once, however often, and is a contest all the same', async t => {
  const contests = new Contests();
  for (let now = 0; now <= 20 * 60_000; now += 60_000) {
    contests.startPass(now);
    t.equal(contests.mayRepair(KEY, now), true);
    contests.note(KEY, () => 'the route', now);
  }
  t.match(contests.open, [{ what: 'the route', repairs: 21, since: 0, lastAt: 1_200_000 }]);
});

t.test('after five quiet minutes it begins anew', async t => {
  const contests = new Contests();
  const last = fight(contests, 0, 100_000).at(-1)!;
  t.same(contests.startPass(last + 299_999), []);
  t.equal(contests.isOpen(KEY), true);
  t.match(contests.startPass(last + 300_000), [{ what: 'the route' }], 'which is told');
  t.equal(contests.isOpen(KEY), false);
  t.equal(fight(contests, last + 300_000, last + 300_120).length, 6, 'at once again');
  t.same(new Contests().open, []);
});

t.test('a few repairs are no contest, and over without a word', async t => {
  const contests = new Contests();
  for (let now = 0; now < 5; now++)
    t.equal(
      contests.note(KEY, () => 'the route', now),
      undefined,
    );
  t.same(contests.open, []);
  t.same(contests.startPass(400_000), []);
});

t.test('worth a line: the sixth, then powers of two', async t => {
  const contests = new Contests();
  const told: number[] = [];
  for (let n = 1; n <= 100; n++) {
    if (contests.note(KEY, () => 'the route', n * 60_000) !== undefined) told.push(n);
  }
  t.same(told, [6, 8, 16, 32, 64]);
});

t.test('what was put off is forgotten when all is looked at anew', async t => {
  const contests = new Contests();
  fight(contests, 0, 120);
  contests.startPass(200);
  t.equal(contests.nextRepair, Infinity);
  contests.mayRepair(KEY, 200);
  t.equal(contests.nextRepair, 1100);
  contests.startPass(300);
  t.equal(contests.nextRepair, Infinity, 'the other program has put it right itself');
});

/** How long a reading waits for more announcements. */
import t from 'tap';
import { Calm } from '../../../src/dataplane/calm.js';

t.test('from flock to flock, but not for ever', async t => {
  const calm = new Calm();
  const endsAfter = (now: number) => {
    calm.prolong(now);
    return calm.endsAt;
  };
  t.equal(calm.endsAt, -Infinity, 'not at all');
  t.same([0, 80, 950].map(endsAfter), [100, 180, 1_000], 'a second at most');
  calm.end();
  t.equal(calm.endsAt, -Infinity);
  t.equal(endsAfter(5_000), 5_100, 'and anew');
});

t.test('what cuts it short is not put off by what is right', async t => {
  const calm = new Calm();
  calm.prolong(0);
  calm.cutShort(10);
  calm.prolong(20);
  t.equal(calm.endsAt, -Infinity);
  calm.end();
  calm.prolong(30);
  t.equal(calm.endsAt, 130, 'until everything has been read');
});

t.test('it is overdue when it has waited for the longest time, for whatever reason', async t => {
  const calm = new Calm();
  const isOverdueAt = (...moments: number[]) => moments.map(now => calm.isOverdue(now));
  t.same(isOverdueAt(5_000), [false], 'nothing waits');
  calm.cutShort(10);
  calm.prolong(900);
  t.same(isOverdueAt(1_009, 1_010), [false, true]);
  calm.end();
  t.same(isOverdueAt(5_000), [false]);
});

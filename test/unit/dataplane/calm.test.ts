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

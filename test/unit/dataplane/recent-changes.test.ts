/** What was changed a moment ago is remembered for a moment. */
import t from 'tap';
import type { Op } from '../../../src/dataplane/diff.js';
import { keyOf } from '../../../src/dataplane/kinds/index.js';
import { RecentChanges } from '../../../src/dataplane/recent-changes.js';
import { nexthopEntry } from '../../support/dataplane.js';

const put = (n: number): Op => ({ kind: 'create', entry: nexthopEntry(n) });
const key = (n: number): string => keyOf(nexthopEntry(n));

t.test('single entries, each for a second', async t => {
  const changes = new RecentChanges();
  t.notOk(changes.has(key(2), 0));
  changes.note([put(2), put(3)], 1_000);
  changes.note([put(3)], 1_900);
  t.same(
    [2, 3, 4].map(n => changes.has(key(n), 2_000)),
    [true, true, false],
  );
  t.same(
    [2, 3].map(n => changes.has(key(n), 2_001)),
    [false, true],
  );
  changes.note([], 9_000);
  t.notOk(changes.has(key(3), 1_900), 'and then forgotten');
});

t.test('of very many at once, any key may be one', async t => {
  const changes = new RecentChanges();
  changes.note(
    Array.from({ length: 20_000 }, () => put(2)),
    1_000,
  );
  t.ok(changes.has(key(9), 2_000));
  t.notOk(changes.has(key(9), 2_001));
});

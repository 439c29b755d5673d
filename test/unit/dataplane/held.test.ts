/** What the kernel holds, as read and as changed since. */
import fc from 'fast-check';
import t from 'tap';
import { byKey, type Op } from '../../../src/dataplane/diff.js';
import { HeldEntries } from '../../../src/dataplane/held.js';
import { keyOf } from '../../../src/dataplane/kinds/index.js';
import {
  macOf,
  nexthopEntry,
  nexthopRoute,
  overlayRoute,
  OWNERSHIP,
  peerEntries,
  prefix,
  subnetOf,
} from '../../support/dataplane.js';

t.test('what is carried out is held, in the order in which it was', async t => {
  const held = new HeldEntries();
  held.take(peerEntries(2), OWNERSHIP);
  t.same(held.byKey, byKey(peerEntries(2)));
  const [fdb, neighbour, route] = peerEntries(3);
  const [, changed] = peerEntries(3, macOf(9));
  held.record([
    { kind: 'create', entry: fdb },
    { kind: 'create', entry: neighbour },
    { kind: 'create', entry: route },
  ]);
  held.record([
    { kind: 'replace', entry: changed, held: neighbour },
    { kind: 'remove', held: fdb },
  ]);
  t.same(held.byKey, byKey([...peerEntries(2), changed, route]));
});

t.test('a reading counts, whatever was carried out before it', async t => {
  const held = new HeldEntries();
  held.record(peerEntries(2).map(entry => ({ kind: 'create', entry })));
  held.take(peerEntries(3), OWNERSHIP);
  t.same(held.byKey, byKey(peerEntries(3)));
});

t.test('a single entry is found as the index would have it', async t => {
  const [fdb, neighbour, route] = peerEntries(3);
  const [, changed] = peerEntries(3, macOf(9));
  /** Carried out one after the other. */
  const lives: readonly (readonly Op[])[] = [
    [],
    [{ kind: 'create', entry: neighbour }],
    [{ kind: 'replace', entry: changed, held: neighbour }],
    [{ kind: 'remove', held: neighbour }],
    [
      { kind: 'remove', held: neighbour },
      { kind: 'create', entry: changed },
    ],
    [
      { kind: 'create', entry: neighbour },
      { kind: 'replace', entry: changed, held: neighbour },
      { kind: 'remove', held: changed },
    ],
  ];
  for (const read of [[], [neighbour]]) {
    for (const [number, life] of lives.entries()) {
      const held = new HeldEntries();
      held.take(read, OWNERSHIP);
      held.record([fdb, route].map(entry => ({ kind: 'create', entry })));
      for (const op of life) held.record([op]);
      const found = held.find(keyOf(neighbour), 'neighbour');
      t.same(found, held.byKey.get(keyOf(neighbour)), `${read.length} read, life ${number}`);
      t.same(held.find(keyOf(neighbour), 'neighbour'), found, 'with the index made');
    }
  }
});

t.test('which routes go by which nexthop object is kept as the index is', async t => {
  const routes = [2, 3].flatMap(n => [
    nexthopRoute(n),
    nexthopRoute(n, { destination: prefix('10.9.0.0/24'), metric: n }),
    overlayRoute(subnetOf(n)),
  ]);
  const op = fc
    .constantFrom(...routes)
    .chain(entry =>
      fc.constantFrom<Op>(
        { kind: 'create', entry },
        { kind: 'replace', entry, held: entry },
        { kind: 'remove', held: entry },
      ),
    );
  fc.assert(
    fc.property(fc.array(op), fc.array(op), (before, after) => {
      const held = new HeldEntries();
      held.take([nexthopRoute(2)], OWNERSHIP);
      held.record(before);
      const { nexthopUsers } = held;
      held.record(after);
      for (const { id } of [nexthopEntry(2), nexthopEntry(3)]) {
        const using = [...held.byKey].filter(([, entry]) => entry.kind === 'route' && entry.nexthopId === id);
        t.strictSame(held.nexthopUsers, nexthopUsers);
        t.same([...nexthopUsers.of(id)].sort(), using.map(([key]) => key).sort());
      }
    }),
  );
  const held = new HeldEntries();
  held.take([nexthopRoute(2)], OWNERSHIP);
  t.equal(held.nexthopUsers.of(nexthopEntry(2).id).size, 1);
  held.take([], OWNERSHIP);
  t.equal(held.nexthopUsers.of(nexthopEntry(2).id).size, 0, 'a reading counts');
});

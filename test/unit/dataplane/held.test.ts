/** What the kernel holds, as read and as changed since. */
import t from 'tap';
import { byKey, type Op } from '../../../src/dataplane/diff.js';
import { HeldEntries } from '../../../src/dataplane/held.js';
import { keyOf } from '../../../src/dataplane/kinds/index.js';
import { macOf, OWNERSHIP, peerEntries } from '../../support/dataplane.js';

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

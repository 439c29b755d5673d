/** What the kernel holds, as read and as changed since. */
import t from 'tap';
import { byKey } from '../../../src/dataplane/diff.js';
import { HeldEntries } from '../../../src/dataplane/held.js';
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

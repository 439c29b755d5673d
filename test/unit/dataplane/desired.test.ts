/** What the kernel should hold, by owner. */
import fc from 'fast-check';
import t from 'tap';
import { DesiredEntries } from '../../../src/dataplane/desired.js';
import { keyOf } from '../../../src/dataplane/kinds/index.js';
import { macOf, peerEntries, vtepOf } from '../../support/dataplane.js';

const all = (desired: DesiredEntries, owners = 2) => [...desired.slices(owners)].flat();
const keys = (n: number, mac = macOf(n)): string[] => peerEntries(n, mac).map(keyOf).sort();

t.test('an owner’s entries are replaced as a whole', async t => {
  const desired = new DesiredEntries();
  desired.set('two', peerEntries(2));
  t.same(desired.entriesOf('two'), peerEntries(2));
  desired.set('two', peerEntries(2, macOf(9)));
  t.same(desired.entriesOf('two'), peerEntries(2, macOf(9)));
  t.same([...desired.byKey.keys()].sort(), keys(2, macOf(9)));
  t.same(all(desired).map(keyOf).sort(), keys(2, macOf(9)));
  desired.set('two', []);
  t.equal(desired.byKey.size, 0);
  t.same(desired.entriesOf('two'), []);
});

// A host that moves from subnet 2 to subnet 3 keeps its device, and with it its MAC.
t.test('a MAC that moves to another owner', async t => {
  const [fdb] = peerEntries(3, macOf(2), vtepOf(8));
  const after = keys(3, macOf(2));
  const orders = {
    'the new one comes first': (come: () => unknown, go: () => unknown) => [come, go],
    'the old one goes first': (come: () => unknown, go: () => unknown) => [go, come],
  };
  for (const [order, steps] of Object.entries(orders)) {
    const desired = new DesiredEntries();
    desired.set('old', peerEntries(2));
    const come = (): unknown => desired.set('new', peerEntries(3, macOf(2), vtepOf(8)));
    const go = (): unknown => desired.set('old', []);
    for (const step of steps(come, go)) step();
    t.same([...desired.byKey.keys()].sort(), after, order);
    t.same(desired.byKey.get(keyOf(fdb)), fdb, `${order}: the FDB entry is the new one’s`);
  }
});

t.test('slices are of so many owners, whatever becomes of the index meanwhile', async t => {
  const desired = new DesiredEntries();
  for (const n of [2, 3, 4]) desired.set(`peer ${n}`, peerEntries(n));
  const slices = desired.slices(2);
  t.same(slices.next().value, [...peerEntries(2), ...peerEntries(3)]);
  desired.makeIndex();
  desired.set('peer 5', peerEntries(5));
  t.same(slices.next().value, peerEntries(4), 'who came later is told of in another way');
  t.same(slices.next().done, true);
  t.same(
    all(desired),
    [2, 3, 4, 5].flatMap(n => [...peerEntries(n)]),
  );
});

t.test('a plan is lowered when its entries are asked for, and again when it would be another', async t => {
  let isLow = false;
  const asked: number[] = [];
  const desired = new DesiredEntries(planned => {
    asked.push(planned.length);
    return isLow ? planned.slice(0, 1) : planned;
  });
  desired.set('two', peerEntries(2));
  desired.set('three', peerEntries(3));
  t.same(asked, []);
  t.equal(desired.entriesOf('two').length, 3);
  t.same(asked, [3]);
  isLow = true;
  t.same([...desired.lowerAgain()].sort(), keys(2), 'what nobody has asked for has not changed');
  t.same(all(desired), [...peerEntries(3).slice(0, 1), ...peerEntries(2).slice(0, 1)]);
});

t.test('what is lowered as before stays where it is, and the index is left for later', async t => {
  let isLow = false;
  const desired = new DesiredEntries(planned => (isLow ? planned.slice(0, 1) : planned));
  const [host] = peerEntries(1);
  desired.set('host', [host]);
  for (const n of [2, 3]) desired.set(`peer ${n}`, peerEntries(n));
  t.same(desired.entriesOf('host'), [host]);
  isLow = true;
  t.same([...desired.lowerAgain()], []);
  t.equal([...desired.slices(1)].length, 3, 'a slice for each: an index would come as one');
});

t.test('an owner that says how to plan is planned when its entries are asked for, and once', async t => {
  const planned: number[] = [];
  const desired = new DesiredEntries();
  for (const n of [2, 3, 4]) {
    desired.set(`peer ${n}`, () => {
      planned.push(n);
      return peerEntries(n);
    });
  }
  t.equal(desired.owners, 3);
  t.same(planned, []);
  const slices = desired.slices(2);
  t.same(slices.next().value, [...peerEntries(2), ...peerEntries(3)]);
  t.same(planned, [2, 3], 'the next are left for later');
  t.same(slices.next().value, peerEntries(4));
  t.same([...desired.byKey.keys()].sort(), [...keys(2), ...keys(3), ...keys(4)].sort());
  t.same(desired.entriesOf('peer 3'), peerEntries(3));
  t.same(planned, [2, 3, 4]);
  desired.lowerAgain();
  t.same(planned, [2, 3, 4, 2, 3, 4], 'what the lowering depends on has changed');
});

t.test('an owner whose plan comes to nothing holds nothing', async t => {
  const desired = new DesiredEntries();
  desired.set('two', () => peerEntries(2));
  desired.set('two', () => []);
  t.same(desired.entriesOf('two'), []);
  t.same([...desired.byKey.keys()], []);
  t.same([...desired.formerOwners.keys()].sort(), keys(2));
});

t.test('when the index is asked for makes no difference', async t => {
  const step = fc.record({
    owner: fc.constantFrom('one', 'two', 'three'),
    peers: fc.array(fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 4 })), {
      maxLength: 2,
    }),
    asked: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), steps => {
      const [asked, sometimes] = [new DesiredEntries(), new DesiredEntries()];
      for (const { owner, peers, asked: now } of steps) {
        const entries = peers.flatMap(([n, mac]) => peerEntries(n, macOf(mac)));
        for (const desired of [asked, sometimes]) desired.set(owner, entries);
        if (now) sometimes.makeIndex();
        asked.makeIndex();
        t.same(new Map(Array.from(all(sometimes), entry => [keyOf(entry), entry])), asked.byKey);
      }
      t.same(sometimes.byKey, asked.byKey);
      t.same(sometimes.formerOwners, asked.formerOwners);
    }),
  );
});

t.test('an old owner that changes leaves a key alone that was taken over', async t => {
  const desired = new DesiredEntries();
  desired.set('old', peerEntries(2));
  desired.set('new', peerEntries(3, macOf(2)));
  desired.set('old', peerEntries(2, macOf(4)));
  t.same([...desired.byKey.keys()].sort(), [...keys(2, macOf(4)), ...keys(3, macOf(2))].sort());
});

t.test('what two owners want alike stays until neither wants it', async t => {
  const [fdb] = peerEntries(2);
  for (const [first, second] of [
    ['old', 'new'],
    ['new', 'old'],
  ] as const) {
    const desired = new DesiredEntries();
    desired.set('old', peerEntries(2));
    desired.set('new', peerEntries(3, macOf(2), vtepOf(2)));
    t.equal(desired.byKey.size, 5);
    desired.set(first, []);
    t.same(desired.byKey.get(keyOf(fdb)), fdb, `${second} has the MAC yet`);
    t.equal(desired.formerOwners.has(keyOf(fdb)), false);
    desired.set(second, []);
    t.equal(desired.byKey.size, 0);
    t.equal(desired.formerOwners.get(keyOf(fdb)), second);
  }
});

t.test('whatever owners do, all that any of them wants is there, and nothing else', async t => {
  const step = fc.record({
    owner: fc.constantFrom('a', 'b', 'c'),
    subnet: fc.integer({ min: 2, max: 3 }),
    mac: fc.integer({ min: 2, max: 4 }),
    isGone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const desired = new DesiredEntries();
      const wanted = new Map<string, readonly string[]>();
      for (const { owner, subnet, mac, isGone } of steps) {
        const entries = isGone ? [] : peerEntries(subnet, macOf(mac), vtepOf(mac));
        desired.set(owner, entries);
        wanted.set(owner, entries.map(keyOf));
        t.same([...desired.byKey.keys()].sort(), [...new Set([...wanted.values()].flat())].sort());
        for (const [key, entry] of desired.byKey) t.equal(keyOf(entry), key);
      }
    }),
    { numRuns: 300 },
  );
});

t.test('who dropped a key is known until somebody wants it or it is gone', async t => {
  const desired = new DesiredEntries();
  const former = (): unknown => Object.fromEntries(desired.formerOwners);
  const [fdb, neighbour, route] = peerEntries(2);
  desired.set('two', [fdb, neighbour, route]);
  t.same(former(), {});
  desired.set('two', [route]);
  t.same(former(), { [keyOf(fdb)]: 'two', [keyOf(neighbour)]: 'two' });
  desired.set('three', [fdb]);
  t.same(former(), { [keyOf(neighbour)]: 'two' });
  desired.forgetFormerOwner(keyOf(neighbour));
  t.same(former(), {});
});

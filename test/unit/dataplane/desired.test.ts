/** What the kernel should hold, by owner. */
import fc from 'fast-check';
import t from 'tap';
import { DesiredEntries, HOST } from '../../../src/dataplane/desired.js';
import { keyOf } from '../../../src/dataplane/kinds/index.js';
import type { Entry } from '../../../src/dataplane/model.js';
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

/** The host, and peers that come together. `planned` gets the number of each that is planned. */
function together(numbers: readonly number[], planned: number[] = []): DesiredEntries {
  const desired = new DesiredEntries();
  desired.set(HOST, [HOST_ENTRY]);
  const peers = numbers.map(n => ({ key: `peer ${n}`, n }));
  desired.setAll(peers, ({ n }) => {
    planned.push(n);
    return peerEntries(n);
  });
  return desired;
}

const [HOST_ENTRY] = peerEntries(1);

t.test('who comes together is planned when his turn comes, and then once', async t => {
  const planned: number[] = [];
  const desired = together([2, 3, 4, 5], planned);
  t.equal(desired.owners, 5);
  t.same(desired.entriesOf(HOST), [HOST_ENTRY]);
  const slices = desired.slices(2);
  t.same(slices.next().value, [HOST_ENTRY, ...peerEntries(2)]);
  t.same(planned, [2]);
  t.equal(desired.owners, 5);
  t.same(desired.entriesOf('peer 4'), peerEntries(4), 'asked for out of turn');
  t.same(slices.next().value, [...peerEntries(3), ...peerEntries(4)]);
  t.same(slices.next().value, peerEntries(5));
  t.same(slices.next().done, true);
  t.same([...desired.byKey.values()], [HOST_ENTRY, ...[2, 3, 4, 5].flatMap(n => [...peerEntries(n)])]);
  t.same(planned.sort(), [2, 3, 4, 5]);
});

t.test('of many, those who are known are replaced at once, in their order', async t => {
  const desired = together([2, 3]);
  const set = (numbers: readonly number[], add: number): void =>
    desired.setAll(
      numbers.map(n => ({ key: `peer ${n}`, n })),
      ({ n }) => peerEntries(n, macOf(n + add)),
    );
  set([2, 4], 5);
  t.equal(desired.owners, 4);
  t.same([...desired.formerOwners.keys()], [keyOf(peerEntries(2)[0])], 'the MAC of before');
  const entries = (n: number, add = 0) => [...peerEntries(n, macOf(n + add))];
  t.same(
    all(desired).map(keyOf).sort(),
    [HOST_ENTRY, ...entries(2, 5), ...entries(3), ...entries(4, 5)].map(keyOf).sort(),
  );
  const planned: string[] = [];
  desired.setAll([{ key: 'peer 4' }, { key: 'peer 2' }, { key: 'peer 3' }], ({ key }) => {
    planned.push(key);
    return [];
  });
  t.same(all(desired), [HOST_ENTRY]);
  t.same(planned, ['peer 4', 'peer 2', 'peer 3']);
});

t.test('however many are set again', async t => {
  const desired = new DesiredEntries();
  const peers = Array.from({ length: 20_000 }, (_, n) => ({ key: `peer ${n}` }));
  for (let i = 0; i < 3; i++) desired.setAll(peers, () => []);
  t.equal(desired.owners, peers.length);
  t.equal(desired.byKey.size, 0);
});

t.test('whatever happens meanwhile, who comes together wants what he would alone', async t => {
  interface Act {
    readonly act: (desired: DesiredEntries) => unknown;
    readonly replaces?: number;
  }
  const name = fc.integer({ min: 2, max: 6 });
  const plan = fc.constantFrom<readonly Entry[]>([], peerEntries(2), peerEntries(3, macOf(4)));
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.tuple(name, plan).map(([n, entries]) => ({
      act: (desired: DesiredEntries) => desired.set(`peer ${n}`, entries),
      replaces: n,
    })),
    fc.tuple(name, plan).map(([n, entries]) => ({
      act: (desired: DesiredEntries) =>
        desired.setAll([{ key: `peer ${n}` }, { key: 'peer 9' }], () => entries),
      replaces: n,
    })),
    name.map(n => ({ act: (desired: DesiredEntries) => desired.entriesOf(`peer ${n}`) })),
    fc.constant({ act: (desired: DesiredEntries) => desired.set(HOST, [HOST_ENTRY]) }),
    fc.constant({ act: (desired: DesiredEntries) => desired.makeIndex() }),
    fc.constant({ act: (desired: DesiredEntries) => desired.lowerAgain() }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 6 }), fc.nat(4), (acts, slicesBefore) => {
      const numbers = [2, 3, 4, 5];
      const [lazy, eager] = [together(numbers), together([])];
      for (const n of numbers) eager.set(`peer ${n}`, () => peerEntries(n));
      const [slices, eagerSlices] = [lazy.slices(1), eager.slices(1)];
      const told: Entry[] = [];
      for (let i = 0; i < slicesBefore; i++) {
        const next = slices.next();
        if (next.done !== true) told.push(...next.value);
        eagerSlices.next();
      }
      for (const each of acts) for (const desired of [lazy, eager]) each.act(desired);
      t.equal(lazy.owners, eager.owners);
      for (const slice of slices) told.push(...slice);
      t.same(lazy.byKey, eager.byKey);
      t.same(lazy.formerOwners, eager.formerOwners);
      const replaced = new Set(acts.map(({ replaces }) => replaces));
      const keysTold = new Set(told.map(keyOf));
      const untold = numbers.filter(n => !replaced.has(n) && !keys(n).every(key => keysTold.has(key)));
      t.same(untold, [], 'all were told of who were there from the beginning to the end');
    }),
    { numRuns: 300 },
  );
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

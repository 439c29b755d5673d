/** Properties of the comparison, over a universe so small that keys collide all the time. */
import * as fc from 'fast-check';
import t from 'tap';
import {
  allKeys,
  byKey,
  diff,
  diffAll,
  diffSlices,
  heldByKey,
  keyOfOp,
  NexthopUsers,
  sparingUsedNexthops,
  type Op,
} from '../../../src/dataplane/diff.js';
import { isOurs, keyOf, kindOf, sameEntry } from '../../../src/dataplane/kinds/index.js';
import { lower, NO_OBSTACLES } from '../../../src/dataplane/lowering.js';
import type { Entry, RouteEntry } from '../../../src/dataplane/model.js';
import {
  addressEntry,
  DEVICE,
  fdbEntry,
  flannelRoute,
  macOf,
  neighbourEntry,
  nexthopEntry,
  nexthopRoute,
  overlayRoute,
  OWNERSHIP,
  peerEntries,
  prefix,
  subnetOf,
  UNDERLAY,
  underlayRoute,
  vtepOf,
} from '../../support/dataplane.js';

type Entries = ReadonlyMap<string, Entry>;

const number = fc.constantFrom(2, 3, 4);
const device = fc.constantFrom(DEVICE, UNDERLAY);
const destination = fc.constantFrom(subnetOf(2), subnetOf(3), prefix('10.9.0.0/24'));

const ourRoute = fc.oneof(
  number.map(n => nexthopRoute(n)),
  destination.map(to => overlayRoute(to)),
  fc.tuple(destination, number).map(([to, n]) => underlayRoute(to, vtepOf(n))),
);
const tunnelEntry: fc.Arbitrary<Entry> = fc.oneof(
  number.map(n => nexthopEntry(n)),
  fc.tuple(number, number).map(([mac, vtep]) => fdbEntry(macOf(mac), vtepOf(vtep))),
  fc.tuple(number, number).map(([n, mac]) => neighbourEntry(subnetOf(n).address, macOf(mac))),
);

/** Whatever a plan may want: ours to change once it is in the kernel. */
const wantedEntry: fc.Arbitrary<Entry> = fc
  .oneof(
    number.map(n => addressEntry(`10.5.${n}.0/32`)),
    tunnelEntry,
    ourRoute,
  )
  .filter(entry => isOurs(entry, OWNERSHIP));

/** Whatever a kernel may hold: ours, flanneld's, anybody's. */
const heldEntry: fc.Arbitrary<Entry> = fc.oneof(
  wantedEntry,
  fc
    .tuple(device, fc.constantFrom('10.5.2.0/32', '192.168.9.1/24'))
    .map(([on, text]) => addressEntry(text, on)),
  fc.tuple(number, number, device).map(([mac, vtep, on]) => fdbEntry(macOf(mac), vtepOf(vtep), on)),
  fc.tuple(number, number, device).map(([n, mac, on]) => neighbourEntry(subnetOf(n).address, macOf(mac), on)),
  destination.map(to => flannelRoute(to)),
  fc
    .tuple(number, device, fc.constantFrom(3, 83))
    .map(([n, on, protocol]) => nexthopEntry(n, { device: on, protocol })),
  fc.tuple(number, fc.constantFrom(3, 83)).map(([n, protocol]) => nexthopRoute(n, { protocol })),
  fc
    .tuple(destination, number, fc.constantFrom(3, 4, 83), fc.constantFrom(0, 100))
    .map(([to, n, protocol, metric]) => underlayRoute(to, vtepOf(n), { protocol, metric })),
  destination.map(to => underlayRoute(to, vtepOf(2), { protocol: 4, special: 'multipath' })),
);

const desiredMap = fc.array(wantedEntry, { maxLength: 12 }).map(byKey);
const heldMap = fc.array(heldEntry, { maxLength: 16 }).map(byKey);

/** Carries ops out as a kernel would that refuses nothing. @throws when an op does not fit what is there */
function apply(ops: readonly Op[], held: Entries): Map<string, Entry> {
  const after = new Map(held);
  for (const op of ops) {
    const key = keyOfOp(op);
    if (after.has(key) === (op.kind === 'create')) throw new Error(`${op.kind} ${key} does not fit`);
    if (op.kind === 'remove') after.delete(key);
    else after.set(keyOf(op.entry), op.entry);
  }
  return after;
}

const compare = (desired: Entries, held: Entries, prune = true): ReturnType<typeof diff> =>
  diff(allKeys(desired, held), desired, held, OWNERSHIP, prune);

t.test('what is ours becomes what is desired, all else stays', async () => {
  fc.assert(
    fc.property(desiredMap, heldMap, (desired, held) => {
      const { ops, conflicts } = compare(desired, held);
      const after = apply(ops, held);
      const inTheWay = new Set(conflicts.map(({ key }) => key));
      for (const [key, wanted] of desired) {
        const found = after.get(key);
        if (inTheWay.has(key)) continue;
        if (found === undefined || !sameEntry(found, wanted)) throw new Error(`${key} is not as desired`);
      }
      for (const [key, entry] of after) {
        if (isOurs(entry, OWNERSHIP) && !desired.has(key)) throw new Error(`${key} is stale`);
      }
      for (const [key, entry] of held) {
        if (!isOurs(entry, OWNERSHIP) && after.get(key) !== entry) throw new Error(`foreign ${key} touched`);
      }
    }),
  );
});

t.test('a conflict is a foreign entry that differs from what is wanted there', async () => {
  fc.assert(
    fc.property(desiredMap, heldMap, (desired, held) => {
      const expected = [...desired].filter(([key, wanted]) => {
        const found = held.get(key);
        return found !== undefined && !sameEntry(found, wanted) && !isOurs(found, OWNERSHIP);
      });
      const { conflicts } = compare(desired, held);
      return (
        conflicts.length === expected.length && expected.every(([key]) => conflicts.some(c => c.key === key))
      );
    }),
  );
});

t.test('a second comparison finds nothing to do', async () => {
  fc.assert(
    fc.property(desiredMap, heldMap, fc.boolean(), (desired, held, prune) => {
      const first = compare(desired, held, prune);
      const second = compare(desired, apply(first.ops, held), prune);
      return second.ops.length === 0 && second.conflicts.length === first.conflicts.length;
    }),
  );
});

t.test('without pruning nothing is removed', async () => {
  fc.assert(
    fc.property(desiredMap, heldMap, (desired, held) =>
      compare(desired, held, false).ops.every(op => op.kind !== 'remove'),
    ),
  );
});

t.test('comparing all is comparing under all keys', async t => {
  const sorted = <T>(items: readonly T[], key: (item: T) => string): T[] =>
    items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  fc.assert(
    fc.property(desiredMap, heldMap, fc.boolean(), (desired, held, prune) => {
      const expected = compare(desired, held, prune);
      const parts = [...diffSlices([desired.values()], held, OWNERSHIP, prune)];
      const inSlices = { ops: parts.flatMap(p => p.ops), conflicts: parts.flatMap(p => p.conflicts) };
      for (const { ops, conflicts } of [diffAll(desired, held, OWNERSHIP, prune), inSlices]) {
        t.same(sorted(ops, keyOfOp), sorted(expected.ops, keyOfOp));
        t.same(
          ops.map(({ kind, ...op }) => [kind, Object.values(op)[0]?.kind]),
          expected.ops.map(({ kind, ...op }) => [kind, Object.values(op)[0]?.kind]),
          'in the same order of kinds',
        );
        t.same(
          sorted(conflicts, c => c.key),
          sorted(expected.conflicts, c => c.key),
        );
      }
    }),
  );
});

t.test('entries of one key have one part of it', async t => {
  let alike = 0;
  fc.assert(
    fc.property(heldEntry, heldEntry, (a, b) => {
      if (keyOf(a) !== keyOf(b)) return true;
      alike++;
      return kindOf(a).keyPart(a) === kindOf(b).keyPart(b);
    }),
    { numRuns: 1_000 },
  );
  t.ok(alike > 0, 'some were alike');
});

t.test('only the given keys are looked at', async () => {
  fc.assert(
    fc.property(desiredMap, heldMap, (desired, held) => {
      const keys = [...allKeys(desired, held)].filter((_, index) => index % 2 === 0);
      return diff(keys, desired, held, OWNERSHIP, true).ops.every(op => keys.includes(keyOfOp(op)));
    }),
  );
});

/** Peers that come, go, and change MAC, VTEP and path: each one whole. */
const peers = fc
  .uniqueArray(fc.tuple(number, number, number, fc.constantFrom('direct', 'classic', 'nexthop')), {
    selector: ([n]) => n,
  })
  .map(list =>
    byKey(
      list.flatMap(([n, mac, vtep, path]): readonly Entry[] => {
        if (path === 'direct') return [underlayRoute(subnetOf(n), vtepOf(vtep))];
        const planned = peerEntries(n, macOf(mac), vtepOf(vtep));
        return path === 'classic' ? planned : lower(planned, OWNERSHIP, NO_OBSTACLES);
      }),
    ),
  );

/** The states that a kernel passes through, the first and the last included. */
function stages(ops: readonly Op[], held: Entries): Map<string, Entry>[] {
  return ops.reduce((all, op) => [...all, apply([op], all.at(-1)!)], [new Map(held)]);
}

const isTunnelled = (entry: Entry): entry is RouteEntry => entry.kind === 'route' && entry.device === DEVICE;

/** What a packet on this route meets next: the nexthop, the neighbour and, by its MAC, the FDB entry. */
function pathOf(route: RouteEntry, entries: Entries): (Entry | undefined)[] {
  const nexthop = route.nexthopId === undefined ? [] : [entries.get(`nexthop ${route.nexthopId}`)];
  const hop = entries.get(`neighbour ${DEVICE} ${route.gateway}`);
  return [...nexthop, hop, hop?.kind === 'neighbour' ? entries.get(`fdb ${DEVICE} ${hop.mac}`) : undefined];
}

t.test('no route is there before, or longer than, what its packets need', async () => {
  fc.assert(
    fc.property(peers, peers, (desired, held) => {
      for (const stage of stages(compare(desired, held).ops, held)) {
        for (const route of [...stage.values()].filter(isTunnelled)) {
          if (pathOf(route, stage).includes(undefined)) throw new Error(`${keyOf(route)} leads nowhere`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

t.test('a route that stays is there all the time, and removals come last', async () => {
  fc.assert(
    fc.property(peers, peers, (desired, held) => {
      const { ops } = compare(desired, held);
      const staying = [...desired.keys()].filter(key => held.has(key));
      const isComplete = stages(ops, held).every(stage => staying.every(key => stage.has(key)));
      const firstRemoval = ops.findIndex(op => op.kind === 'remove');
      const tail = firstRemoval < 0 ? [] : ops.slice(firstRemoval);
      return isComplete && tail.every(op => op.kind === 'remove');
    }),
  );
});

t.test('an address comes first and goes last', async t => {
  const held = byKey([addressEntry('10.5.9.0/32'), ...peerEntries(3)]);
  const desired = byKey([...peerEntries(2), addressEntry('10.5.1.0/32')]);
  const { ops } = compare(desired, held);
  t.same(
    ops.map(op => `${op.kind} ${keyOfOp(op)}`),
    [
      'create address flannel.1 10.5.1.0/32',
      'create fdb flannel.1 02:53:00:00:00:02',
      'create neighbour flannel.1 10.5.2.0',
      'create route 10.5.2.0/24 metric 0',
      'remove route 10.5.3.0/24 metric 0',
      'remove neighbour flannel.1 10.5.3.0',
      'remove fdb flannel.1 02:53:00:00:00:03',
      'remove address flannel.1 10.5.9.0/32',
    ],
  );
});

t.test('a foreign route stands for all of its key', async t => {
  const ours = overlayRoute(subnetOf(2));
  const stale = underlayRoute(subnetOf(2), vtepOf(9));
  const foreign = underlayRoute(subnetOf(2), vtepOf(9), { protocol: 4 });
  const heldOf = (...entries: Entry[]): Entry[] => [...heldByKey(entries, OWNERSHIP).values()];
  t.same(heldOf(foreign, ours), [foreign]);
  t.same(heldOf(ours, foreign), [foreign]);
  t.same(heldOf(ours, foreign, stale), [foreign]);
  t.same(heldOf(stale, ours), [stale], 'of ours the first, which packets take');
  t.same(heldOf(ours, overlayRoute(subnetOf(3))), [ours, overlayRoute(subnetOf(3))]);
});

t.test('a nexthop object that a route still uses is not removed', async t => {
  const remove = (entry: Entry): Op => ({ kind: 'remove', held: entry });
  const spared = (removals: Entry[], held: Entry[]): Entry[] =>
    sparingUsedNexthops(removals.map(remove), id => new NexthopUsers(byKey(held)).of(id)).map(op =>
      op.kind === 'remove' ? op.held : op.entry,
    );
  const [two, three] = [nexthopEntry(2), nexthopEntry(3)];
  const all = [two, three, nexthopRoute(2), nexthopRoute(3)];
  t.same(spared([nexthopRoute(2), two], all), [nexthopRoute(2), two], 'its route goes with it');
  t.same(spared([two, three], [two, three, nexthopRoute(3)]), [two]);
  const foreign = nexthopRoute(2, { destination: prefix('10.9.0.0/24'), protocol: 4 });
  t.same(spared([nexthopRoute(2), two], [...all, foreign]), [nexthopRoute(2)], 'somebody else’s does not');
});

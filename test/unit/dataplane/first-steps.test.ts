/** What goes before a replacing that the kernel would else answer without doing it. */
import t from 'tap';
import type { Op } from '../../../src/dataplane/diff.js';
import { atTheirOps, firstStepsOf } from '../../../src/dataplane/first-steps.js';
import type { Entry } from '../../../src/dataplane/model.js';
import { fdbEntry, macOf, nexthopRoute, overlayRoute, subnetOf, vtepOf } from '../../support/dataplane.js';

const replacing = (entry: Entry, held: Entry): Op => ({ kind: 'replace', entry, held });
const fdb = fdbEntry(macOf(2), vtepOf(2));
const byNexthops: Entry = { kind: 'fdb', device: fdb.device, mac: fdb.mac, special: 'nhid 501' };
const route = nexthopRoute(2);
const altered = nexthopRoute(2, { attributes: 'mtu 600' });
const classic = overlayRoute(subnetOf(2));

t.test('first steps', async t => {
  const cases: readonly (readonly [what: string, op: Op, step: unknown])[] = [
    [
      'an FDB entry by nexthop objects goes',
      replacing(fdb, byNexthops),
      { kind: 'remove', held: byNexthops },
    ],
    ['one that says more is simply replaced', replacing(fdb, { ...fdb, special: 'vni 77' }), undefined],
    [
      'a route of the same nexthop object is classic in between',
      replacing(route, altered),
      { kind: 'replace', entry: classic, held: altered },
    ],
    ['not when it has another object', replacing(route, { ...altered, nexthopId: 7 }), undefined],
    ['nor without attributes', replacing(route, { ...route, protocol: 3 }), undefined],
    ['nor a classic one', replacing(classic, { ...classic, attributes: 'mtu 600' }), undefined],
    ['nor what is made or removed', { kind: 'create', entry: route }, undefined],
    ['nor removed', { kind: 'remove', held: byNexthops }, undefined],
  ];
  for (const [what, op, step] of cases) {
    const expected = step === undefined ? [] : [{ op: step, place: 0 }];
    t.same(firstStepsOf([op]), expected, what);
  }
});

t.test('trouble with a first step is told of its op', async t => {
  const ops = [replacing(fdb, fdb), replacing(fdb, byNexthops), replacing(route, altered)];
  const steps = firstStepsOf(ops);
  t.same(
    steps.map(({ place }) => place),
    [1, 2],
  );
  const troubles = new Map([
    [1, 'of the second step'],
    [2, 'of the first op'],
  ]);
  t.same(
    [...atTheirOps(troubles, steps)],
    [
      [2, 'of the second step'],
      [0, 'of the first op'],
    ],
  );
});

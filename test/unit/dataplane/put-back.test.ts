/** Putting back what is lost without a look at what is there. */
import t from 'tap';
import { entryOf, type Op } from '../../../src/dataplane/diff.js';
import type { Losses } from '../../../src/dataplane/known-losses.js';
import type { OpTrouble } from '../../../src/dataplane/kernel.js';
import type { Entry } from '../../../src/dataplane/model.js';
import { peerEntries, programmed } from '../../support/dataplane.js';
import { keeperOn } from '../../support/entry-keeper.js';

const create = (entry: Entry): Op => ({ kind: 'create', entry });
const ENTRIES = programmed([1, 2, 3].flatMap(n => peerEntries(n)));
const isRoute = ({ kind }: Entry) => kind === 'route';
const LOSSES = {
  ways: ENTRIES.filter(entry => !isRoute(entry)).map(create),
  routes: ENTRIES.filter(isRoute).map(create),
};

/** Puts all of it back. @param refusalOf why the kernel refuses an entry, if it does */
async function putBack(refusalOf: (entry: Entry) => OpTrouble | undefined, losses: Losses = LOSSES) {
  const applied: Entry[][] = [];
  const { keeper, lines, doubts } = keeperOn(ops => {
    const entries = ops.map(entryOf);
    applied.push(entries);
    const troubles = new Map<number, OpTrouble>();
    for (const [place, entry] of entries.entries()) {
      const trouble = refusalOf(entry);
      if (trouble !== undefined) troubles.set(place, trouble);
    }
    return Promise.resolve(troubles);
  });
  const done = (await keeper.putBack(losses)).map(entryOf);
  return { keeper, applied, done, doubts: doubts(), lines };
}

const refused = (code: string): OpTrouble => ({ kind: 'refused', code, message: code });
const isNexthopOf = (entry: Entry, n: number) => entry.kind === 'nexthop' && entry.gateway === `10.5.${n}.0`;

t.test('routes follow when their nexthop objects are there, and all is known to be held', async t => {
  const { keeper, applied, done } = await putBack(() => undefined);
  t.same(
    applied,
    [LOSSES.ways, LOSSES.routes].map(ops => ops.map(entryOf)),
  );
  t.same(done, applied.flat());
  t.equal(keeper.held.size, ENTRIES.length);
});

for (const [what, trouble] of Object.entries({
  'what is there after all': refused('EEXIST'),
  'what the kernel refuses': refused('ENETDOWN'),
  'what has no answer': { kind: 'unknown' } as const,
})) {
  t.test(`${what} is neither listed nor told, and no route leads by it`, async t => {
    const { keeper, applied, done, doubts, lines } = await putBack(entry =>
      isNexthopOf(entry, 2) ? trouble : undefined,
    );
    t.same(
      applied[1]?.map(entry => entry.kind === 'route' && entry.gateway),
      ['10.5.1.0', '10.5.3.0'],
    );
    t.equal(done.length, ENTRIES.length - 2);
    t.equal(keeper.held.size, ENTRIES.length - 2);
    t.same(
      { failures: keeper.failures.all.size, total: keeper.failures.total, doubts },
      { failures: 0, total: 0, doubts: 0 },
    );
    t.same(
      lines.filter(({ level }) => level !== 'debug'),
      [],
    );
  });
}

t.test(
  'of many some are with the kernel while the next are looked for, and no route before its way',
  async t => {
    const entries = programmed(Array.from({ length: 250 }, (_, n) => peerEntries(2 + n)).flat());
    let found = 0;
    function* looked(of: (entry: Entry) => boolean) {
      for (const entry of entries.filter(of)) {
        found++;
        yield create(entry);
      }
    }
    const foundBy: number[] = [];
    const { applied, done } = await putBack(
      entry => {
        if (foundBy.at(-1) !== found) foundBy.push(found);
        return isNexthopOf(entry, 5) ? refused('EEXIST') : undefined;
      },
      { ways: looked(entry => !isRoute(entry)), routes: looked(isRoute) },
    );
    t.equal(found, entries.length);
    t.ok(foundBy[0]! <= 400, `${foundBy[0]!} found when the first were applied`);
    const lastWay = applied.findLastIndex(ops => ops.some(entry => !isRoute(entry)));
    t.ok(applied.findIndex(ops => ops.some(isRoute)) > lastWay);
    t.equal(done.length, entries.length - 2, 'neither the refused object nor its route');
    t.notOk(applied.flat().some(entry => entry.kind === 'route' && entry.gateway === '10.5.5.0'));
  },
);

/** What the reconciler says of its readings to whoever hears announcements. */
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { entryOf, type Op } from '../../../src/dataplane/diff.js';
import type { Kernel, OpTrouble } from '../../../src/dataplane/kernel.js';
import type { Entry } from '../../../src/dataplane/model.js';
import type { Readings } from '../../../src/dataplane/put-off.js';
import { UnknownDeviceError } from '../../../src/dataplane/kinds/kind.js';
import { Reconciler, type ReconcilerOptions } from '../../../src/dataplane/reconciler.js';
import { waitFor } from '../../../src/demo/wait.js';
import { ALWAYS, OWN_ADDRESS, OWNERSHIP, peerEntries } from '../../support/dataplane.js';
import { setPeers } from '../../support/programmed-peers.js';

type Apply = (ops: readonly Op[]) => Promise<ReadonlyMap<number, OpTrouble>>;

const accept: Apply = () => Promise.resolve(new Map());

/** What a test's kernel does by itself; else it holds nothing and takes everything. */
interface Differences extends Pick<ReconcilerOptions, 'nexthopRange' | 'onFilled' | 'onReading'> {
  readonly apply?: Apply;
  /** Something happens while it is read. */
  readonly onRead?: (reconciler: Reconciler, only: Entry['kind'] | undefined) => void;
}

/** A reconciler of the host alone, which is at work from `begin` on and ends with the test. */
function start(t: Test, { apply = accept, onRead, nexthopRange = ALWAYS, onFilled, onReading }: Differences) {
  const kernel: Pick<Kernel, 'apply' | 'hasNexthops' | 'readEntries' | 'readLinks'> = {
    hasNexthops: true,
    readLinks: () => Promise.resolve([]),
    readEntries: (_, only) => {
      onRead?.(reconciler, only);
      return Promise.resolve([]);
    },
    apply,
  };
  let passes = 0;
  const reconciler: Reconciler = new Reconciler({
    kernel: kernel as Kernel,
    ownership: OWNERSHIP,
    log: pino({ level: 'silent' }),
    now: () => 0,
    random: () => 0.5,
    nexthopRange,
    onPass: () => passes++,
    ...(onFilled && { onFilled }),
    ...(onReading && { onReading }),
  });
  reconciler.setHost([], [OWN_ADDRESS]);
  const begin = () => {
    const stop = new AbortController();
    const ended = reconciler.run(stop.signal);
    t.teardown(async () => {
      stop.abort();
      await ended;
    });
  };
  const passed = (count: number) =>
    waitFor({
      what: 'a pass',
      deadlineSeconds: 30,
      intervalMs: 5,
      read: () => passes,
      until: n => n >= count,
    });
  return { reconciler, begin, passed, passes: () => passes };
}

/** One of some peers, after its first pass, and what it said while the kernel was changed. */
async function run(t: Test, apply: Apply, peers = 2, onFilled?: ReconcilerOptions['onFilled']) {
  const during: Readings[] = [];
  const programmed: boolean[] = [];
  const started = start(t, {
    apply: ops => {
      during.push(reconciler.readings);
      programmed.push(reconciler.peerState('2').programmed);
      // What Docker's files wait for.
      programmed.push(reconciler.view.settled && reconciler.hostState().programmed);
      return apply(ops);
    },
    ...(onFilled && { onFilled }),
  });
  const { reconciler, begin, passed } = started;
  setPeers(reconciler, ...Array.from({ length: peers }, (_, i) => 2 + i));
  reconciler.setPeersComplete();
  t.same(reconciler.readings, { begun: 0, isFilling: false, isAhead: false });
  begin();
  await passed(1);
  return { ...started, during, programmed };
}

t.test('the first changes fill the kernel, later ones do not', async t => {
  const { reconciler, during, passed } = await run(t, accept);
  t.same(during, [{ begun: 1, isFilling: true, isAhead: false }]);
  t.same(reconciler.readings, { begun: 1, isFilling: false, isAhead: false });
  reconciler.setPeer('4', peerEntries(4));
  await passed(2);
  t.same(during[1], { begun: 1, isFilling: false, isAhead: false }, 'a join');
  reconciler.doubt();
  await passed(3);
  // Every reading of this kernel finds it empty.
  t.same(during[2], { begun: 2, isFilling: false, isAhead: false }, 'a repair');
});

t.test('a filling that fails is over', async t => {
  const { reconciler } = await run(t, () => Promise.reject(new UnknownDeviceError('no device')));
  t.same(reconciler.readings, { begun: 1, isFilling: false, isAhead: false });
});

t.test('nobody counts as programmed before all are', async t => {
  const { reconciler, during, programmed } = await run(t, accept, 250);
  t.ok(during.length > 1, 'the first peers are in the kernel when the last are sent');
  t.notOk(programmed.includes(true));
  t.ok(reconciler.peerState('2').programmed);
});

/** Takes the peers' entries alone. */
const refuseHost: Apply = ops => {
  const trouble = { kind: 'refused', code: 'EPERM', message: 'no' } as const;
  const places = [...ops.keys()].filter(place => entryOf(ops[place]!).kind === 'address');
  return Promise.resolve(new Map(places.map(place => [place, trouble])));
};

t.test('what has to follow the first filling is waited for before anything else is done', async t => {
  let come: () => void = () => undefined;
  const end = new Promise<void>(resolve => (come = resolve));
  let calls = 0;
  const { reconciler, passed, passes } = await run(t, accept, 2, () => {
    calls++;
    return end;
  });
  t.ok(reconciler.hostState().programmed, 'the host’s part is known');
  t.notOk(reconciler.peerState('2').programmed);
  t.ok(reconciler.view.settled);
  t.same(reconciler.readings, { begun: 1, isFilling: true, isAhead: false }, 'announcements wait as well');
  reconciler.doubt();
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve));
  t.same([passes(), reconciler.readings.begun], [1, 1], 'the kernel is not read');
  come();
  await passed(2);
  t.same(reconciler.readings, { begun: 2, isFilling: false, isAhead: false });
  reconciler.doubt();
  await passed(3);
  t.equal(calls, 1, 'what follows is no filling');
});

t.test('who is waited for is told when the reconciler is to end', async t => {
  const untilAborted = (signal: AbortSignal) =>
    new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
  // Its teardown waits for the reconciler.
  const { reconciler } = await run(t, accept, 2, untilAborted);
  t.equal(reconciler.readings.isFilling, true);
});

t.test('a host whose own entries are refused is not programmed, whatever becomes of its peers', async t => {
  const { reconciler } = await run(t, refuseHost);
  t.same(reconciler.hostState(), { programmed: false, error: 'no' });
  t.ok(reconciler.peerState('2').programmed);
});

t.test('no peers, handed over while all is read, are no reason to read again', async t => {
  let readings = 0;
  const { reconciler, begin, passed, passes } = start(t, {
    nexthopRange: { from: 3, downTo: 2 },
    // By the first reading there are few peers, so that those who have come since want another one: this.
    onRead: it => {
      if (++readings === 2) setPeers(it);
    },
  });
  begin();
  await passed(1);
  setPeers(reconciler, 2, 3, 4);
  reconciler.setPeersComplete();
  await passed(2);
  reconciler.setPeer('5', peerEntries(5));
  await passed(3);
  t.same([passes(), readings], [3, 2]);
});

t.test('after a change of devices no entry is listened for before all are read', async t => {
  const steps: string[] = [];
  const note = (it: Reconciler, what: string) => steps.push(it.readings.isAhead ? `${what} unheard` : what);
  const { reconciler, begin, passed } = start(t, {
    onReading: () => note(reconciler, 'catch up'),
    onRead: (it, only) => note(it, `read ${only ?? 'all'}`),
  });
  reconciler.setPeersComplete();
  begin();
  await passed(1);
  reconciler.doubt();
  await passed(2);
  t.same(steps.splice(0), ['read all', 'read all'], 'without one everything is heard');
  reconciler.doubtAfterChange('overlay');
  t.equal(reconciler.readings.isAhead, true);
  await passed(3);
  t.same(steps.splice(0), ['read address unheard', 'catch up unheard', 'read all']);
  reconciler.doubt();
  await passed(4);
  t.same(steps, ['read all']);
});

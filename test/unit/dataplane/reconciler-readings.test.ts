/** What the reconciler says of its readings to whoever hears announcements. */
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { Kernel, OpTrouble } from '../../../src/dataplane/kernel.js';
import type { Readings } from '../../../src/dataplane/put-off.js';
import { UnknownDeviceError } from '../../../src/dataplane/kinds/kind.js';
import { Reconciler } from '../../../src/dataplane/reconciler.js';
import { waitFor } from '../../../src/demo/wait.js';
import { ALWAYS, OWNERSHIP, peerEntries } from '../../support/dataplane.js';

/** A reconciler of some peers on a kernel that holds nothing, and what it said while the kernel was changed. */
async function run(t: Test, apply: () => Promise<ReadonlyMap<number, OpTrouble>>, peers = 2) {
  const during: Readings[] = [];
  const programmed: boolean[] = [];
  const kernel: Pick<Kernel, 'apply' | 'hasNexthops' | 'readEntries' | 'readLinks'> = {
    hasNexthops: true,
    readLinks: () => Promise.resolve([]),
    readEntries: () => Promise.resolve([]),
    apply: () => {
      during.push(reconciler.readings);
      programmed.push(reconciler.peerState('2').programmed);
      return apply();
    },
  };
  let passes = 0;
  const reconciler: Reconciler = new Reconciler({
    kernel: kernel as Kernel,
    ownership: OWNERSHIP,
    log: pino({ level: 'silent' }),
    now: () => 0,
    random: () => 0.5,
    nexthopRange: ALWAYS,
    onPass: () => passes++,
  });
  for (let n = 2; n < 2 + peers; n++) reconciler.setPeer(`${n}`, peerEntries(n));
  reconciler.setPeersComplete();
  t.same(reconciler.readings, { begun: 0, isFilling: false });
  const stop = new AbortController();
  const ended = reconciler.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await ended;
  });
  const passed = (count: number) =>
    waitFor({
      what: 'a pass',
      deadlineSeconds: 30,
      intervalMs: 5,
      read: () => passes,
      until: n => n >= count,
    });
  await passed(1);
  return { reconciler, during, programmed, passed };
}

t.test('the first changes fill the kernel, later ones do not', async t => {
  const { reconciler, during, passed } = await run(t, () => Promise.resolve(new Map()));
  t.same(during, [{ begun: 1, isFilling: true }]);
  t.same(reconciler.readings, { begun: 1, isFilling: false });
  reconciler.setPeer('4', peerEntries(4));
  await passed(2);
  t.same(during[1], { begun: 1, isFilling: false }, 'a join');
  reconciler.doubt();
  await passed(3);
  // Every reading of this kernel finds it empty.
  t.same(during[2], { begun: 2, isFilling: false }, 'a repair');
});

t.test('a filling that fails is over', async t => {
  const { reconciler } = await run(t, () => Promise.reject(new UnknownDeviceError('no device')));
  t.same(reconciler.readings, { begun: 1, isFilling: false });
});

t.test('nobody counts as programmed before all are', async t => {
  const { reconciler, programmed } = await run(t, () => Promise.resolve(new Map()), 50);
  t.ok(programmed.length > 1, 'the first peers are in the kernel when the last are sent');
  t.notOk(programmed.includes(true));
  t.ok(reconciler.peerState('2').programmed);
});

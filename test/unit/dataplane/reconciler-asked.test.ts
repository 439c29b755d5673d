/** The reconciler asked for something while all is in doubt: a lease waits for no reading of ten thousand peers' entries. */
import { pino } from 'pino';
import t from 'tap';
import type { Kernel } from '../../../src/dataplane/kernel.js';
import { UnknownDeviceError } from '../../../src/dataplane/kinds/kind.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { encodeLinkSelector } from '../../../src/dataplane/netlink/link.js';
import { Reconciler } from '../../../src/dataplane/reconciler.js';
import { ALWAYS, OWN_ADDRESS, OWNERSHIP, peerEntries } from '../../support/dataplane.js';
import { allOf, deviceOf, sentBy, startWithPeers, warnings } from '../../support/programmed-peers.js';

t.test('who joins and who leaves before a reading is served before it', async t => {
  const lab = await startWithPeers(t);
  lab.disturbance.refused = nl.RTM_GETROUTE;
  lab.reconciler.setPeer('5', peerEntries(5));
  lab.reconciler.setPeer('3', []);
  lab.reconciler.doubt();
  await lab.settled();
  t.ok(lab.reconciler.view.readTrouble, 'nothing could be read');
  t.same(await lab.held(), allOf(2, 4, 5));
  lab.disturbance.refused = undefined;
  const { changes } = await sentBy(lab, () => void lab.advance(500));
  t.equal(changes, 0);
  t.match(lab.reconciler.view, { readTrouble: undefined, repairs: 0, drift: 0 });
});

t.test(
  'what the kernel does not take then is asked for again after the reading, and is no refusal',
  async t => {
    const lab = await startWithPeers(t);
    const { index } = deviceOf(lab);
    lab.fake.act(nl.RTM_DELLINK, 0, writer => encodeLinkSelector(writer, index));
    lab.reconciler.setPeer('5', peerEntries(5));
    lab.reconciler.doubtAfterChange('overlay');
    await lab.settled();
    t.same(await lab.held(), allOf(2, 3, 4, 5));
    t.match(lab.reconciler.view, { refusals: 0, failures: new Map() });
    t.same(warnings(lab), []);
  },
);

t.test('each pass tells up to when wishes have been carried out', async t => {
  let clock = 0;
  let isBroken = false;
  const passes: (number | undefined)[] = [];
  const kernel: Pick<Kernel, 'apply' | 'hasNexthops' | 'readEntries' | 'readLinks'> = {
    hasNexthops: true,
    readLinks: () => Promise.resolve([]),
    readEntries: () => {
      clock += 250;
      return isBroken ? Promise.reject(new UnknownDeviceError('gone')) : Promise.resolve([]);
    },
    apply: () => {
      clock += 10;
      return Promise.resolve(new Map());
    },
  };
  const abort = new AbortController();
  let wanted = Infinity;
  let reached: () => void = () => undefined;
  const reconciler = new Reconciler({
    kernel: kernel as Kernel,
    ownership: OWNERSHIP,
    log: pino({ level: 'silent' }),
    now: () => clock,
    random: () => 0.5,
    nexthopRange: ALWAYS,
    onPass: wishedUntil => {
      passes.push(wishedUntil);
      if (passes.length >= wanted) reached();
    },
  });
  const passed = (count: number) =>
    new Promise<void>(resolve => {
      wanted = count;
      reached = resolve;
    });
  reconciler.setHost([], [OWN_ADDRESS]);
  reconciler.setPeersComplete();
  const ended = reconciler.run(abort.signal);
  await passed(1);
  t.same(passes, [250], 'a full pass: what came while it read is part of it');
  reconciler.setPeer('2', peerEntries(2));
  await passed(2);
  t.equal(passes[1], 260, 'a join');
  isBroken = true;
  reconciler.doubt();
  await passed(3);
  t.equal(passes[2], undefined, 'a reading that failed');
  abort.abort();
  await ended;
});

/** What systemd is told from the start to the end of an agent, on a clock of the test's own. */
import t, { type Test } from 'tap';
import type { Facts } from '../../../src/daemon/facts.js';
import { reportToService } from '../../../src/daemon/service-report.js';
import { describeService, oneLine } from '../../../src/daemon/service-status.js';
import { problem } from '../../../src/daemon/problems.js';
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { FakeClock } from '../../support/fake-clock.js';
import { CONFIG, entryOf, joined, options, own, started, withFiles } from '../../support/status-facts.js';

/** A report that runs until the test ends, and all that it has told. */
function startReport(t: Test, facts: Facts, watchdogMs?: number) {
  const clock = new FakeClock();
  const told: string[] = [];
  const manager = { isDeaf: false };
  const stopping = new AbortController();
  const notifier = {
    watchdogMs,
    tell: (...assignments: readonly string[]) => {
      if (!manager.isDeaf) told.push(...assignments);
      return !manager.isDeaf;
    },
    close: () => undefined,
  };
  const ended = reportToService({ notifier, facts, options, clock }, stopping.signal);
  t.teardown(async () => {
    stopping.abort();
    await ended;
  });
  return { clock, told, manager };
}

const WAITING = 'STATUS=waiting for etcd to answer';

t.test('ready with the last condition, and each status once', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2), entryOf(3)]);
  facts.mirrored = false;
  const { clock, told } = startReport(t, facts);
  await clock.pass(10_000);
  t.same(told, [WAITING]);
  facts.mirrored = true;
  await reconciling.settled();
  await clock.pass(1_000);
  t.match(told.splice(0), [
    WAITING,
    /^STATUS=waiting for the kernel to hold all peers, and the files for Docker/,
  ]);
  await withFiles(t, facts);
  await clock.pass(1_000);
  t.same(told.splice(0), ['READY=1', 'STATUS=healthy: 10.5.1.0/24, 2 peers programmed']);
  await clock.pass(3_600_000);
  t.same(told, [], 'nothing has changed');
  facts.overlay?.applyChanges([{ kind: 'put', entry: entryOf(4) }], 'believe');
  await reconciling.settled();
  facts.lastPassAt = clock.now();
  await clock.pass(1_000);
  t.same(told.splice(0), ['STATUS=healthy: 10.5.1.0/24, 3 peers programmed']);
  facts.config?.see('nonsense');
  await clock.pass(1_000);
  t.match(told.splice(0), [/^STATUS=degraded: 10.5.1.0\/24, 3 peers programmed; config-invalid: /]);
  facts.config?.see(CONFIG);
  await clock.pass(1_000);
  t.same(told, ['STATUS=healthy: 10.5.1.0/24, 3 peers programmed'], 'and READY was said once');
});

t.test('what was not heard is told again', async t => {
  const { clock, told, manager } = startReport(t, started());
  manager.isDeaf = true;
  await clock.pass(1_000);
  manager.isDeaf = false;
  await clock.pass(1_000);
  t.ok(told.includes(WAITING));
});

t.test('a peer that the kernel refuses holds Docker back for half a minute', async t => {
  const { facts, reconciling } = joined(t, []);
  reconciling.disturbance.refused = nl.RTM_NEWNEIGH;
  await reconciling.settled();
  await withFiles(t, facts);
  facts.overlay?.applyChanges([{ kind: 'put', entry: entryOf(4) }], 'believe');
  await reconciling.settled();
  const { clock, told } = startReport(t, facts);
  await clock.pass(29_000);
  t.match(told.splice(0), [/^STATUS=1 of 1 peers are not programmed; kernel-refused: /]);
  await clock.pass(2_000);
  t.match(told, ['READY=1', /^STATUS=degraded: 10.5.1.0\/24, 0 of 1 peer programmed; kernel-refused: /]);
});

t.test('the watchdog is fed at half its time, and starved while the flow hangs', async t => {
  const facts = started();
  const { clock, told } = startReport(t, facts, 30_000);
  const fed = () => told.splice(0).filter(each => each === 'WATCHDOG=1').length;
  await clock.pass(60_000);
  t.equal(fed(), 5, 'at once, and every 15 s');
  facts.lastPassAt = clock.now();
  await clock.pass(180_000);
  t.equal(fed(), 12, 'the kernel has been looked at lately');
  await clock.pass(600_000);
  t.equal(fed(), 0);
  facts.lastPassAt = clock.now();
  await clock.pass(60_000);
  t.ok(fed() >= 4, 'it goes on');
});

t.test('without a watchdog none is fed', async t => {
  const { clock, told } = startReport(t, started());
  await clock.pass(600_000);
  t.same(told, [WAITING]);
});

t.test('the line is one line, and short', async t => {
  const facts = { ...started(), own };
  const evil = problem('lease-trouble', 'key /net/x\nREADY=1\u2028\u0007 is odd', '', '');
  const peers = { all: 1, programmed: 1 };
  t.equal(
    describeService(facts, undefined, peers, [evil]),
    'degraded: 10.5.1.0/24, 1 peer programmed; lease-trouble: key /net/x READY=1 is odd',
  );
  const long = problem('config-invalid', 'x'.repeat(10_000), '', '');
  const line = describeService(facts, undefined, peers, [long, evil]);
  t.equal(line.length, 250);
  t.match(line, /x… \(and 1 more: selvedge status\)$/);
  const away = problem('etcd-away', 'list /net/: 14 UNAVAILABLE', 'nothing listens at 10.0.0.1:2379', '');
  const awaited = 'waiting for etcd to answer; etcd-away: nothing listens at 10.0.0.1:2379';
  t.equal(describeService(facts, 'waiting for etcd to answer', peers, [away]), awaited);
  const warning = problem('subnets-running-out', '95 % used', '', '');
  t.match(
    describeService(facts, undefined, peers, [warning]),
    /^healthy: .*; subnets-running-out: 95 % used$/,
  );
  t.equal(oneLine('  a\r\n\tb '), 'a b');
});

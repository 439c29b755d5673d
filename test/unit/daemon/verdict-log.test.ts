/** The verdict in the log: a line when it changes, and none while it does not. */
import t from 'tap';
import { logVerdicts } from '../../../src/daemon/verdict-log.js';
import { FakeClock } from '../../support/fake-clock.js';
import { recordedLog } from '../../support/recorded-log.js';
import { entryOf, joined, options, started, withFiles } from '../../support/status-facts.js';

t.test('a line for each change, with the codes that status has', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  await reconciling.settled();
  await withFiles(t, facts);
  const { log, lines } = recordedLog();
  const told = () => lines.map(({ level, msg }) => `${level} ${msg}`);
  const clock = new FakeClock();
  const stopping = new AbortController();
  const ended = logVerdicts({ log, facts, options, clock }, stopping.signal);
  await clock.pass(10_000);
  t.strictSame(told(), ['info healthy'], 'once');
  facts.healthPortError = 'cannot listen';
  await clock.pass(10_000);
  facts.stateError = 'cannot write';
  await clock.pass(10_000);
  facts.stateError = undefined;
  facts.healthPortError = undefined;
  await clock.pass(10_000);
  const hint = 'selvedge status tells cause and next command';
  t.strictSame(told().slice(1), [
    `info healthy; warnings: health-port; ${hint}`,
    `warn degraded: file-not-written; warnings: health-port; ${hint}`,
    'info healthy',
  ]);
  stopping.abort();
  clock.stop();
  await ended;
});

t.test('nothing is said of a network that does not work yet', async t => {
  const { log, lines } = recordedLog();
  const told = () => lines.map(({ level, msg }) => `${level} ${msg}`);
  const clock = new FakeClock();
  const stopping = new AbortController();
  const ended = logVerdicts({ log, facts: started(), options, clock }, stopping.signal);
  await clock.pass(60_000);
  t.strictSame(told(), []);
  stopping.abort();
  await ended;
});

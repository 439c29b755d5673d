/** The metrics of an agent, as a scrape gets them. */
import t from 'tap';
import type { Facts } from '../../../src/daemon/facts.js';
import { createMetrics, type Metrics } from '../../../src/daemon/metrics/metrics.js';
import { METRIC_ROWS } from '../../../src/daemon/metrics/rows.js';
import { lackOf } from '../../../src/daemon/readiness.js';
import { WatchToKernel } from '../../../src/daemon/watch-to-kernel.js';
import { build, CLOCK, entryOf, joined, started, withFiles } from '../../support/status-facts.js';

/** Series with their values, by name and labels as they are written. */
async function scrape(metrics: Metrics, facts: Facts): Promise<Map<string, number>> {
  const lack = lackOf(facts, '/net/config', CLOCK);
  const { body, type, code } = await metrics.answer({
    ...{ status: build(facts), facts, now: CLOCK.steady, lack, kernelChanges: 17 },
  });
  t.match({ type, code }, { type: /^text\/plain; version=0\.0\.4/, code: 200 });
  const lines = body.split('\n').filter(line => line.startsWith('selvedge_'));
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

t.test('an agent at its start', async t => {
  const seen = await scrape(createMetrics(), started());
  t.equal(seen.get('selvedge_healthy'), 0);
  t.equal(seen.get('selvedge_ready'), 0);
  t.equal(seen.get('selvedge_lease_held'), 0);
  t.notOk(seen.has('selvedge_lease_remaining_seconds'), 'what is not known is not told');
  t.equal(seen.get('selvedge_etcd_errors_total{kind="unavailable"}'), 0, 'a first failure will be a rise');
  t.equal(seen.get('selvedge_peers{state="programmed"}'), 0);
});

t.test('an agent that runs, and what changes with it', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2), entryOf(3), entryOf(4, { vni: 7 })]);
  await reconciling.settled();
  await withFiles(t, facts);
  const metrics = createMetrics();
  const first = await scrape(metrics, facts);
  const expected = {
    selvedge_ready: 1,
    selvedge_lease_held: 1,
    selvedge_lease_remaining_seconds: 599,
    'selvedge_peers{state="programmed"}': 2,
    'selvedge_peers_set_aside{code="bad-backend-data"}': 1,
    'selvedge_peers_set_aside{code="other-backend"}': 0,
    'selvedge_kernel_entries_held{kind="fdb"}': 2,
    'selvedge_kernel_entries_desired{kind="fdb"}': 2,
    selvedge_kernel_changes_total: 17,
    'selvedge_kernel_repairs_total{kind="route"}': 0,
  };
  for (const [series, value] of Object.entries(expected)) t.equal(first.get(series), value, series);

  facts.counts.requests.add('watch');
  facts.counts.requests.add('watch');
  facts.counts.requestErrors.add('tls');
  facts.counts.losses.add('taken');
  facts.healthPortError = 'in use';
  reconciling.fake.state.routes.pop();
  reconciling.reconciler.doubt();
  await reconciling.settled();
  metrics.watchToKernel.heard(2, 1_000);
  metrics.watchToKernel.passed(1_000, 1_003);
  for (const time of ['once', 'again']) {
    const later = await scrape(metrics, facts);
    const rises = {
      'selvedge_etcd_requests_total{operation="watch"}': 2,
      selvedge_etcd_watch_restarts_total: 1,
      'selvedge_etcd_errors_total{kind="tls"}': 1,
      'selvedge_lease_losses_total{cause="taken"}': 1,
      'selvedge_problem{code="health-port"}': 1,
      'selvedge_problem{code="etcd-away"}': 0,
      'selvedge_kernel_repairs_total{kind="route"}': 1,
      selvedge_kernel_drift_total: 1,
      'selvedge_watch_to_kernel_seconds_bucket{le="0.0025"}': 0,
      'selvedge_watch_to_kernel_seconds_bucket{le="0.005"}': 2,
      selvedge_watch_to_kernel_seconds_count: 2,
    };
    for (const [series, value] of Object.entries(rises))
      t.equal(later.get(series), value, `${series} ${time}`);
  }
});

t.test('names follow the rules, and series do not grow with the network', async t => {
  for (const { name, type, help } of METRIC_ROWS) {
    t.equal(name.endsWith('_total'), type === 'counter', name);
    t.match(help, /^[A-Z0-9].*\.$/, name);
  }
  t.equal(new Set(METRIC_ROWS.map(({ name }) => name)).size, METRIC_ROWS.length);
  const { facts } = joined(t, [entryOf(2)]);
  const few = await scrape(createMetrics(), facts);
  const many = joined(
    t,
    Array.from({ length: 150 }, (_, i) => entryOf(i + 2)),
  );
  t.same([...(await scrape(createMetrics(), many.facts)).keys()], [...few.keys()]);
});

t.test('changes that come while a pass is under way are done by the next', async t => {
  const done: (readonly [number, number])[] = [];
  const timer = new WatchToKernel((seconds, changes) => done.push([seconds, changes]));
  timer.heard(1, 100);
  timer.heard(0, 101);
  timer.heard(3, 150);
  timer.passed(120, 200);
  t.same(done, [[0.1, 1]]);
  timer.passed(210, 250);
  t.same(done, [
    [0.1, 1],
    [0.1, 3],
  ]);
  timer.passed(260, 300);
  t.equal(done.length, 2);
});

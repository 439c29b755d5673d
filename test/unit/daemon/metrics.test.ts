/** The metrics of an agent, as a scrape gets them. */
import t from 'tap';
import type { Facts } from '../../../src/daemon/facts.js';
import { createMetrics, type Metrics } from '../../../src/daemon/metrics/metrics.js';
import { PEER_METRIC_ROWS } from '../../../src/daemon/metrics/peer-rows.js';
import { METRIC_ROWS } from '../../../src/daemon/metrics/rows.js';
import { lackOf } from '../../../src/daemon/readiness.js';
import { WatchToKernel } from '../../../src/daemon/watch-to-kernel.js';
import type { ProbeTarget } from '../../../src/probe/peer.js';
import { probed, silent, whole } from '../../support/probed-host.js';
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
  const seen = await scrape(createMetrics({ perPeer: false }), started());
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
  const metrics = createMetrics({ perPeer: false });
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
  for (const { name, help } of PEER_METRIC_ROWS) t.match(help, /^[A-Z0-9].*\.$/, name);
  t.equal(new Set(METRIC_ROWS.map(({ name }) => name)).size, METRIC_ROWS.length);
  const { facts } = joined(t, [entryOf(2)]);
  const few = await scrape(createMetrics({ perPeer: false }), facts);
  const many = joined(
    t,
    Array.from({ length: 150 }, (_, i) => entryOf(i + 2)),
  );
  t.same([...(await scrape(createMetrics({ perPeer: false }), many.facts)).keys()], [...few.keys()]);
});

t.test('what probes have shown', async t => {
  const half = ({ underlay }: ProbeTarget) => (underlay.endsWith('.3') ? silent : whole);
  const { facts } = await probed(t, 2, [() => whole, half]);
  const metrics = createMetrics({ perPeer: true });
  metrics.onProbeAnswer('overlay', 0.3);
  const seen = await scrape(metrics, facts);
  const expected = {
    'selvedge_probed_peers{state="reachable"}': 1,
    'selvedge_probed_peers{state="unreachable"}': 1,
    'selvedge_probed_peers{state="overlay-blocked"}': 0,
    'selvedge_path_mtu_peers{finding="fits"}': 2,
    'selvedge_probe_strays_total{kind="malformed"}': 0,
    'selvedge_probe_rtt_seconds_bucket{le="0.00025",path="overlay"}': 0,
    'selvedge_probe_rtt_seconds_bucket{le="0.0005",path="overlay"}': 1,
    'selvedge_peer_reachable{subnet="10.5.2.0/24"}': 1,
    'selvedge_peer_reachable{subnet="10.5.3.0/24"}': 0,
    'selvedge_peer_rtt_seconds{subnet="10.5.2.0/24",path="underlay"}': 0.005,
    'selvedge_peer_loss_ratio{subnet="10.5.2.0/24",path="overlay"}': 0,
    'selvedge_peer_path_mtu_bytes{subnet="10.5.2.0/24"}': 1500,
  };
  for (const [series, value] of Object.entries(expected)) t.equal(seen.get(series), value, series);
  t.ok(seen.get('selvedge_probes_lost_total{path="overlay"}')! > 3);
  facts.overlay!.applyChanges([{ kind: 'delete', key: entryOf(3).key, modRevision: 9n }], 'believe');
  const later = await scrape(metrics, facts);
  t.notOk(
    [...later.keys()].some(series => series.includes('10.5.3.0')),
    'of a peer that is gone nothing is left',
  );
  const few = await scrape(createMetrics({ perPeer: false }), facts);
  t.notOk(
    [...few.keys()].some(series => series.startsWith('selvedge_peer_')),
    'only when asked for',
  );
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

/** The metrics of an agent in Prometheus' text form: the rows, the time from the watch to the kernel, the process. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { TextAnswer } from '../http-server.js';
import { WatchToKernel } from '../watch-to-kernel.js';
import type { PeerStatus } from '../status.js';
import { PEER_METRIC_ROWS, type PeerMetricRow } from './peer-rows.js';
import { METRIC_ROWS, type MetricRow, type Scrape } from './rows.js';

/** From half a millisecond, which is what one peer takes, to what an operator would call long. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** From hosts on one switch to the other end of the world. */
const RTT_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
/** How often the delay of the event loop is sampled: prom-client's 10 ms would wake an idle agent 100 times a second. */
const LOOP_SAMPLE_MS = 500;

/** prom-client's gauges with the ending of a counter, which promtool objects to; `nodejs_active_handles` and the like say more. */
const MISNAMED = ['handles', 'requests', 'resources'].map(what => `nodejs_active_${what}_total`);

export interface Metrics {
  /** To be told of changes and passes. */
  readonly watchToKernel: WatchToKernel;
  /** To be told of answers to probes. */
  readonly onProbeAnswer: (path: string, rttMs: number) => void;
  /** What a scrape gets. */
  answer(scrape: Scrape): Promise<TextAnswer>;
}

/** Creates the registry of this process; one agent makes one. @param perPeer series of each peer, too */
export function createMetrics({ perPeer }: { readonly perPeer: boolean }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const updates = METRIC_ROWS.map(row => registerRow(row, registers));
  const latency = new Histogram({
    name: 'selvedge_watch_to_kernel_seconds',
    help: 'Time from the moment when etcd told of a change of a peer to the moment when the kernel had it.',
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const rtt = new Histogram({
    name: 'selvedge_probe_rtt_seconds',
    help: 'Round-trip time of probes that were answered.',
    labelNames: ['path'],
    buckets: RTT_BUCKETS,
    registers,
  });
  // A path that nothing was heard on is a series of zeros, and not one that is missing.
  for (const path of ['underlay', 'overlay']) rtt.zero({ path });
  const peerUpdates = perPeer ? PEER_METRIC_ROWS.map(row => registerPeerRow(row, registers)) : [];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return {
    watchToKernel: new WatchToKernel((seconds, changes) => {
      for (let i = 0; i < changes; i++) latency.observe(seconds);
    }),
    onProbeAnswer: (path, rttMs) => rtt.observe({ path }, rttMs / 1000),
    async answer(scrape) {
      for (const update of updates) update(scrape);
      for (const update of peerUpdates) update(scrape.status.peers);
      return { code: 200, type: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** @returns brings it up to date */
function registerRow(row: MetricRow, registers: Registry[]): (scrape: Scrape) => void {
  const { name, help, label, read } = row;
  const shape = { name, help, labelNames: label === undefined ? [] : [label], registers };
  const metric = row.type === 'gauge' ? new Gauge(shape) : new Counter(shape);
  return scrape => {
    const reading = read(scrape);
    // What is read is a total since the start already, so that each scrape begins at nothing.
    metric.reset();
    if (reading === undefined) metric.remove();
    else if (typeof reading === 'number') metric.inc(reading);
    else for (const [value, count] of reading) metric.inc({ [label ?? '']: value }, count);
  };
}

/** @returns brings it up to date: peers that are gone leave no series behind */
function registerPeerRow(row: PeerMetricRow, registers: Registry[]): (peers: readonly PeerStatus[]) => void {
  const { name, help, label, read } = row;
  const labelNames = ['subnet', ...(label === undefined ? [] : [label])];
  const gauge = new Gauge({ name, help, labelNames, registers });
  return peers => {
    gauge.reset();
    for (const peer of peers) {
      for (const [path, value] of read(peer))
        gauge.set({ subnet: peer.subnet, ...(path !== undefined && { path }) }, value);
    }
  };
}

/** Resources: processor time and memory of an agent with many peers, at rest and while many more join. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { runInside, withLab } from './lab.js';
import { forgetPeak, processorMs, residentMiB } from './process-usage.js';

const DEFAULT_PEERS = [10_000];
const REST_SECONDS = 20;
const BURST_JOINS = 1_000;
/** After its start an agent is still busy for a moment: memory is given back, the first notifications are read. */
const SETTLE_SECONDS = 3;

export interface ResourcesRow {
  readonly peers: number;
  /** Share of one core over REST_SECONDS, per cent. */
  readonly idleProcessorPercent: number;
  readonly idleResidentMiB: number;
  /** Processor time of the agent for BURST_JOINS joins at once, milliseconds. */
  readonly burstProcessorMs: number;
  readonly burstPeakResidentMiB: number;
}

export const resources: Bench<readonly ResourcesRow[]> = {
  name: 'resources',
  title: `processor and memory of an agent: ${REST_SECONDS} s at rest, then ${BURST_JOINS} joins at once`,
  run,
  table,
};

async function run({
  peers: numbers = DEFAULT_PEERS,
  progress,
}: BenchOptions): Promise<readonly ResourcesRow[]> {
  const rows: ResourcesRow[] = [];
  for (const peers of numbers) {
    progress(`resources: ${peers} peers`);
    rows.push(
      await withLab(async lab => {
        const host = await startHost(lab, peers);
        const { pid } = host.agent!;
        await sleep(SETTLE_SECONDS * 1000);
        const before = await processorMs(pid);
        await sleep(REST_SECONDS * 1000);
        const atRest = await processorMs(pid);
        const idle = await residentMiB(pid);
        await forgetPeak(pid);
        const joining = { first: peers + 1, last: peers + BURST_JOINS };
        await runInside(lab, host.namespace, 'burst', {
          endpoint: lab.endpoint,
          peers: joining,
          malformedEvery: null,
        });
        const afterBurst = await processorMs(pid);
        const burst = await residentMiB(pid);
        await waitForPeers(lab, host, peers + BURST_JOINS);
        return {
          peers,
          idleProcessorPercent: (atRest - before) / (REST_SECONDS * 10),
          idleResidentMiB: idle.now,
          burstProcessorMs: afterBurst - atRest,
          burstPeakResidentMiB: burst.peak,
        };
      }),
    );
  }
  return rows;
}

function table(rows: readonly ResourcesRow[]): Table {
  return {
    header: ['PEERS', 'IDLE, % OF A CORE', 'IDLE, MIB', 'BURST, PROCESSOR MS', 'BURST, MIB AT MOST'],
    rows: rows.map(row => [
      String(row.peers),
      row.idleProcessorPercent.toFixed(2),
      row.idleResidentMiB.toFixed(0),
      row.burstProcessorMs.toFixed(0),
      row.burstPeakResidentMiB.toFixed(0),
    ]),
    remarks: [],
  };
}

/** Join: a peer's lease answered by etcd → its last entry in the kernel, with few and with many peers there already. */
import { startHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatNumber } from './format.js';
import { runInside, withLab } from './lab.js';
import { quantile } from './statistics.js';

const JOINS = 500;
const DEFAULT_PEERS = [10, 10_000];

/** Milliseconds from etcd's answer to the put to the kernel's announcement of the peer's route. */
export interface JoinRow {
  /** Peers that were there before. */
  readonly peers: number;
  readonly joins: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

export const join: Bench<readonly JoinRow[]> = {
  name: 'join',
  title: `${JOINS} peers join singly: from etcd's answer to the last entry in the kernel, milliseconds`,
  run,
  table,
};

async function run({ peers: numbers = DEFAULT_PEERS, progress }: BenchOptions): Promise<readonly JoinRow[]> {
  const rows: JoinRow[] = [];
  for (const peers of numbers) {
    progress(`join: ${JOINS} joins with ${peers} peers`);
    rows.push(
      await withLab(async lab => {
        const host = await startHost(lab, peers);
        const joining = { first: peers + 1, last: peers + JOINS };
        const { latenciesMs } = await runInside(lab, host.namespace, 'joins', {
          endpoint: lab.endpoint,
          peers: joining,
        });
        await waitForPeers(lab, host, peers + JOINS);
        const [p50, p99, worst] = [0.5, 0.99, 1].map(share => quantile(latenciesMs, share)) as [
          number,
          number,
          number,
        ];
        return { peers, joins: JOINS, p50, p99, worst };
      }),
    );
  }
  return rows;
}

function table(rows: readonly JoinRow[]): Table {
  return {
    header: ['PEERS BEFORE', 'P50', 'P99', 'WORST'],
    rows: rows.map(({ peers, p50, p99, worst }) => [String(peers), ...[p50, p99, worst].map(formatNumber)]),
    remarks: [],
  };
}

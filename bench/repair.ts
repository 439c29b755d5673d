/** Repair: somebody takes away what the agent keeps; how long until it is back. */
import { startHost } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatNumber } from './format.js';
import { DAMAGES, type Damage } from './inside/damages.js';
import { runInside, withLab } from './lab.js';
import { quantile } from './statistics.js';

const DEFAULT_PEERS = [100];
const ROUNDS = 10;

/** Milliseconds from the kernel's announcement of the damage to its last one of the repair. */
export interface RepairRow {
  readonly damage: Damage;
  readonly p50: number;
  readonly worst: number;
  readonly rounds: number;
}

export interface RepairData {
  readonly peers: number;
  readonly rows: readonly RepairRow[];
}

export const repair: Bench<readonly RepairData[]> = {
  name: 'repair',
  title: "from the kernel's announcement of the damage to its last one of the repair, milliseconds",
  run,
  table,
};

async function run(options: BenchOptions): Promise<readonly RepairData[]> {
  const { peers: numbers = DEFAULT_PEERS, rounds = ROUNDS, progress } = options;
  const all: RepairData[] = [];
  for (const peers of numbers) {
    progress(`repair: ${peers} peers, ${rounds} rounds of ${DAMAGES.length} damages`);
    const taken = await withLab(async lab => {
      const host = await startHost(lab, peers);
      const status = await host.status();
      const address = status?.lease?.subnet.replace(/\/.*/, '') ?? '';
      return runInside(lab, host.namespace, 'repairs', { device: 'flannel.1', address, rounds });
    });
    const rows = DAMAGES.filter(damage => taken[damage].length > 0).map(damage => ({
      damage,
      p50: quantile(taken[damage], 0.5),
      worst: quantile(taken[damage], 1),
      rounds: taken[damage].length,
    }));
    all.push({ peers, rows });
  }
  return all;
}

function table(all: readonly RepairData[]): Table {
  return {
    header: ['DAMAGE', 'PEERS', 'P50', 'WORST', 'ROUNDS'],
    rows: all.flatMap(({ peers, rows }) =>
      rows.map(({ damage, p50, worst, rounds }) => [
        damage,
        String(peers),
        formatNumber(p50),
        formatNumber(worst),
        String(rounds),
      ]),
    ),
    remarks: [],
  };
}

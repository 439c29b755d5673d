/** Restart: an agent comes back to a kernel that holds everything already. It must change nothing. */
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { prepareHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatSpread } from './format.js';
import { withLab } from './lab.js';
import { spreadOf, type Spread } from './statistics.js';

const DEFAULT_PEERS = [10_000];
const ROUNDS = 3;
const HEALTH_PORT = '10300';
/** With these an agent tells its metrics. */
export const METRICS_OPTIONS = ['--healthz-ip', '127.0.0.1', '--healthz-port', HEALTH_PORT] as const;

export interface RestartRow {
  readonly peers: number;
  /** From the start of the process until its status says running with all peers programmed, milliseconds. */
  readonly firstStart: number;
  readonly restart: Spread;
  /** Messages sent to the kernel to change it: by the first start, and the most of any restart. */
  readonly changesAtFirst: number;
  readonly changesAtRestart: number;
}

export const restart: Bench<readonly RestartRow[]> = {
  name: 'restart',
  title:
    'an agent starts and starts again: milliseconds from the process to running, and changes sent to the kernel',
  run,
  table,
};

async function run(options: BenchOptions): Promise<readonly RestartRow[]> {
  const { peers: numbers = DEFAULT_PEERS, rounds = ROUNDS, progress } = options;
  const rows: RestartRow[] = [];
  for (const peers of numbers) {
    progress(`restart: ${peers} peers, ${rounds} rounds`);
    rows.push(await withLab(lab => measure(lab, peers, rounds)));
  }
  return rows;
}

async function measure(lab: Lab, peers: number, rounds: number): Promise<RestartRow> {
  const host = await prepareHost(lab, peers);
  const first = await startAndStop(lab, host, peers);
  if (first.changes < peers) throw new Error(`${first.changes} changes are too few for ${peers} peers`);
  const restarts = [];
  for (let round = 0; round < rounds; round++) restarts.push(await startAndStop(lab, host, peers));
  return {
    peers,
    firstStart: first.ms,
    restart: spreadOf(restarts.map(({ ms }) => ms)),
    changesAtFirst: first.changes,
    changesAtRestart: Math.max(...restarts.map(({ changes }) => changes)),
  };
}

async function startAndStop(lab: Lab, host: Host, peers: number): Promise<{ ms: number; changes: number }> {
  const began = performance.now();
  await host.startAgent(METRICS_OPTIONS);
  await waitForPeers(lab, host, peers);
  const ms = performance.now() - began;
  const changes = await countChanges(host);
  await host.stopAgent();
  return { ms, changes };
}

/** How many messages that change the kernel the agent, started with METRICS_OPTIONS, has sent since. */
export async function countChanges({ namespace }: Host): Promise<number> {
  const url = `http://127.0.0.1:${HEALTH_PORT}/metrics`;
  const fetch = 'fetch(process.argv[1]).then(answer => answer.text()).then(console.log)';
  const { stdout } = await namespace.exec([process.execPath, '--eval', fetch, url]);
  const [, count] = /^selvedge_kernel_changes_total (\d+)$/m.exec(stdout) ?? [];
  if (count === undefined) throw new Error(`${url} does not tell selvedge_kernel_changes_total`);
  return Number(count);
}

function table(rows: readonly RestartRow[]): Table {
  return {
    header: ['PEERS', 'FIRST START', 'RESTART', 'CHANGES AT FIRST', 'CHANGES AT RESTART'],
    rows: rows.map(row => [
      String(row.peers),
      row.firstStart.toFixed(0),
      formatSpread(row.restart),
      String(row.changesAtFirst),
      String(row.changesAtRestart),
    ]),
    remarks: ['The status is asked for every 100 ms, which is the precision of these times.'],
  };
}

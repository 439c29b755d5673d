/**
 * `selvedge status` as an operator runs it: from the start of the process to its end, with the agent's answer in between,
 * into a pipe. Beside it what no command of ours can beat: Node that does nothing, and iproute2 that prints the same peers'
 * routes.
 */
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { startHost } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatRatio, formatSpread } from './format.js';
import { SELVEDGE_MAIN, withLab } from './lab.js';
import { processorMs } from './process-usage.js';
import { alternate, spreadOf, type Spread } from './statistics.js';

const DEFAULT_PEERS = [100, 10_000];
const DEFAULT_ROUNDS = 15;
/** Rows of peers before the list is cut, with the titles and the line that says so. */
const PEER_LINES_CUT = 22;

/** Wall-clock times of whole processes, milliseconds. */
export interface StatusRow {
  readonly peers: number;
  readonly status: Spread;
  /** With `--all`: every peer is printed. */
  readonly statusOfAll: Spread;
  readonly json: Spread;
  /** `node -e 0` */
  readonly emptyNode: Spread;
  /** `ip route show` */
  readonly ipRoute: Spread;
  /** Processor time of the agent for one answer, milliseconds. */
  readonly agentProcessor: number;
  /** The medians of `status` and of `emptyNode`, divided. */
  readonly ratioToEmptyNode: number;
}

export const status: Bench<readonly StatusRow[]> = {
  name: 'status',
  title: 'selvedge status, the whole command, in milliseconds: median (least–most)',
  run,
  table,
};

async function run(options: BenchOptions): Promise<readonly StatusRow[]> {
  const { peers: numbers = DEFAULT_PEERS, rounds = DEFAULT_ROUNDS, progress } = options;
  const rows: StatusRow[] = [];
  for (const peers of numbers) {
    progress(`status: ${peers} peers, ${rounds} rounds`);
    rows.push(await withLab(lab => measure(lab, peers, rounds)));
  }
  return rows;
}

async function measure(lab: Lab, peers: number, rounds: number): Promise<StatusRow> {
  // Unprobed, so that nothing but the answers costs the agent anything.
  const host = await startHost(lab, peers, ['--probe-rate', '0']);
  const { pid } = host.agent!;
  const before = await processorMs(pid);
  const times = await alternate(rounds, {
    status: () => timed(lab, selvedge(host), Math.min(peers + 1, PEER_LINES_CUT)),
    statusOfAll: () => timed(lab, selvedge(host, '--all'), peers + 1),
    json: () => timed(lab, selvedge(host, '--output', 'json'), peers),
    emptyNode: () => timed(lab, [process.execPath, '-e', '0'], 0),
    ipRoute: () => timed(lab, ['ip', '-n', host.namespace.name, 'route', 'show'], peers),
  });
  const answers = 3 * rounds;
  const spread = {
    status: spreadOf(times.status),
    statusOfAll: spreadOf(times.statusOfAll),
    json: spreadOf(times.json),
    emptyNode: spreadOf(times.emptyNode),
    ipRoute: spreadOf(times.ipRoute),
  };
  return {
    peers,
    ...spread,
    agentProcessor: ((await processorMs(pid)) - before) / answers,
    ratioToEmptyNode: spread.status.median / spread.emptyNode.median,
  };
}

function selvedge(host: Host, ...words: readonly string[]): readonly string[] {
  return [process.execPath, SELVEDGE_MAIN, 'status', '--socket', host.files.socket, ...words];
}

/** @param leastLines so many lines must have been printed, or what was timed is a failure */
async function timed(lab: Lab, argv: readonly string[], leastLines: number): Promise<number> {
  const began = performance.now();
  const output = await lab.commands.must(argv);
  const ms = performance.now() - began;
  const lines = output.split('\n').length;
  if (lines < leastLines) throw new Error(`${argv.join(' ')}: ${lines} lines, not ${leastLines}\n${output}`);
  return ms;
}

function table(rows: readonly StatusRow[]): Table {
  return {
    header: ['PEERS', 'STATUS', '--ALL', '-O JSON', 'NODE -E 0', 'IP ROUTE SHOW', 'AGENT’S PROCESSOR'],
    rows: rows.map(row => [
      String(row.peers),
      `${formatSpread(row.status)} = ${formatRatio(row.ratioToEmptyNode)} node -e 0`,
      formatSpread(row.statusOfAll),
      formatSpread(row.json),
      formatSpread(row.emptyNode),
      formatSpread(row.ipRoute),
      `${row.agentProcessor.toFixed(0)} an answer`,
    ]),
    remarks: [],
  };
}

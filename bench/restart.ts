/**
 * Start and restart: an agent wires a host that holds nothing, and one comes back to a kernel that holds everything. The
 * second must change nothing.
 */
import { agentArgv } from '../src/demo/agent.js';
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { prepareHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatSpread } from './format.js';
import type { FirstStartAnswer } from './inside/first-start.js';
import { runInside, withLab } from './lab.js';
import { spreadOf, type Spread } from './statistics.js';

const DEFAULT_PEERS = [5_000, 10_000];
const ROUNDS = 3;
const HEALTH_PORT = '10300';
/** With these an agent tells its metrics. */
export const METRICS_OPTIONS = ['--healthz-ip', '127.0.0.1', '--healthz-port', HEALTH_PORT] as const;

/** Milliseconds from the start of the process. */
export interface RestartRow {
  readonly peers: number;
  /**
   * Of the first start: until the kernel announced the last peer's route, which is a peer's last entry. Of the rounds in
   * which no announcement was lost; null when there was none.
   */
  readonly lastEntry: Spread | null;
  /** Of the first start: until the files for Docker were there. */
  readonly files: Spread;
  /** Of the first start: until the status says running with all peers programmed. */
  readonly firstStart: Spread;
  /** The same of the restart, of an agent that tells its metrics. */
  readonly restart: Spread;
  /** Messages sent to the kernel to change it, the most of any restart. */
  readonly changesAtRestart: number;
}

export const restart: Bench<readonly RestartRow[]> = {
  name: 'restart',
  title:
    'an agent starts and starts again: milliseconds from the process, and changes sent to the kernel the second time',
  run,
  table,
};

async function run(options: BenchOptions): Promise<readonly RestartRow[]> {
  const { peers: numbers = DEFAULT_PEERS, rounds = ROUNDS, progress } = options;
  const rows: RestartRow[] = [];
  for (const peers of numbers) {
    progress(`restart: ${peers} peers, ${rounds} rounds`);
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round++) measured.push(await withLab(lab => measure(lab, peers)));
    const lastEntries = measured.flatMap(({ first }) => first.lastEntryMs ?? []);
    rows.push({
      peers,
      lastEntry: lastEntries.length === 0 ? null : spreadOf(lastEntries),
      files: spreadOf(measured.map(({ first }) => first.filesMs)),
      firstStart: spreadOf(measured.map(({ first }) => first.runningMs)),
      restart: spreadOf(measured.map(({ again }) => again.runningMs)),
      changesAtRestart: Math.max(...measured.map(({ again }) => again.changes)),
    });
  }
  return rows;
}

interface Round {
  readonly first: FirstStartAnswer;
  readonly again: { readonly runningMs: number; readonly changes: number };
}

/** On a host of its own, for only there a start is the first. */
async function measure(lab: Lab, peers: number): Promise<Round> {
  const host = await prepareHost(lab, peers);
  const { files, namespace } = host;
  const first = await runInside(lab, namespace, 'first-start', {
    argv: agentArgv(lab.selvedge, lab, files),
    log: files.log,
    socket: files.socket,
    envFile: files.subnetEnv,
    peers,
  });
  return { first, again: await startAgain(lab, host, peers) };
}

async function startAgain(lab: Lab, host: Host, peers: number): Promise<Round['again']> {
  const began = performance.now();
  await host.startAgent(METRICS_OPTIONS);
  await waitForPeers(lab, host, peers);
  const runningMs = performance.now() - began;
  const changes = await countChanges(host);
  await host.stopAgent();
  return { runningMs, changes };
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
    header: ['PEERS', 'LAST ENTRY', 'FILES FOR DOCKER', 'RUNNING', 'RESTART: RUNNING', 'CHANGES AT RESTART'],
    rows: rows.map(({ peers, lastEntry, files, firstStart, restart, changesAtRestart }) => [
      String(peers),
      lastEntry === null ? '-' : formatSpread(lastEntry),
      ...[files, firstStart, restart].map(formatSpread),
      String(changesAtRestart),
    ]),
    remarks: [
      "LAST ENTRY: the kernel has announced the last peer's route.",
      "FILES FOR DOCKER: by the files' own time, a few milliseconds early or late.",
      'RUNNING: the status says so. It is asked for every 100 ms, at the first start from the last entry on.',
    ],
  };
}

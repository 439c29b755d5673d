/**
 * Probes: packets per second and processor time of an agent, against the same agent without. The peers exist in etcd, and
 * another host answers for their public IPs; the probes through the tunnel get no answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readStatus } from '../src/cli/agent-client.js';
import type { StatusDocument } from '../src/daemon/status.js';
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { startHost } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { withLab } from './lab.js';
import { PUBLIC_IPS } from './peers.js';
import { processorMs } from './process-usage.js';

const DEFAULT_PEERS = [1_000, 10_000];
const SECONDS = 30;
const SETTLE_SECONDS = 5;
const DEFAULT_ROUNDS = 2;

export interface ProbesRow {
  readonly peers: number;
  readonly packetsPerSecond: number;
  /** Share of the probes that were answered, per cent. */
  readonly answeredPercent: number;
  /** How long it takes to probe each peer once on both paths, seconds. */
  readonly roundSeconds: number;
  /** Shares of one core, per cent: with probes, and with `--probe-rate 0`. The least of the rounds. */
  readonly processorPercent: number;
  readonly processorPercentWithout: number;
}

export const probes: Bench<readonly ProbesRow[]> = {
  name: 'probes',
  title: `probes at the default rate: packets and processor time over ${SECONDS} s`,
  run,
  table,
};

async function run(options: BenchOptions): Promise<readonly ProbesRow[]> {
  const { peers: numbers = DEFAULT_PEERS, rounds = DEFAULT_ROUNDS, progress } = options;
  const rows: ProbesRow[] = [];
  for (const peers of numbers) {
    const probed: Measured[] = [];
    const unprobed: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      progress(`probes: ${peers} peers, round ${round + 1} of ${rounds}`);
      probed.push(await measure(peers, []));
      unprobed.push(await measure(peers, ['--probe-rate', '0']));
    }
    const leastOf = (all: readonly Measured[]) => Math.min(...all.map(each => each.processorPercent));
    const { sent, lost, roundSeconds } = probed[0]!;
    rows.push({
      peers,
      packetsPerSecond: sent / SECONDS,
      answeredPercent: 100 - (lost * 100) / sent,
      roundSeconds,
      processorPercent: leastOf(probed),
      processorPercentWithout: leastOf(unprobed),
    });
  }
  return rows;
}

interface Measured {
  readonly sent: number;
  readonly lost: number;
  readonly roundSeconds: number;
  readonly processorPercent: number;
}

/** Starts an agent of its own and looks on for `SECONDS`. */
function measure(peers: number, agentOptions: readonly string[]): Promise<Measured> {
  return withLab(async lab => {
    const host = await startHost(lab, peers, agentOptions);
    await answerForPeers(lab, host);
    const { pid } = host.agent!;
    await sleep(SETTLE_SECONDS * 1000);
    const before = await readStatus(host.files.socket);
    const usedBefore = await processorMs(pid);
    await sleep(SECONDS * 1000);
    const used = (await processorMs(pid)) - usedBefore;
    const after = await readStatus(host.files.socket);
    return {
      sent: sentOf(after) - sentOf(before),
      lost: lostOf(after) - lostOf(before),
      roundSeconds: after.probes?.roundSeconds ?? 0,
      processorPercent: used / (SECONDS * 10),
    };
  });
}

/** Another host of the lab has all their public IPs. */
async function answerForPeers(lab: Lab, host: Host): Promise<void> {
  const other = await lab.addHost();
  await other.namespace.ip('route', 'add', 'local', PUBLIC_IPS, 'dev', 'lo');
  await host.namespace.ip('route', 'add', PUBLIC_IPS, 'via', other.address);
}

function sentOf({ probes }: StatusDocument): number {
  return Object.values(probes?.sent ?? {}).reduce((sum, count) => sum + count, 0);
}

function lostOf({ probes }: StatusDocument): number {
  return Object.values(probes?.lost ?? {}).reduce((sum, count) => sum + count, 0);
}

function table(rows: readonly ProbesRow[]): Table {
  return {
    header: ['PEERS', 'PACKETS/S', 'ANSWERED', 'A ROUND', 'CORE WITH', 'CORE WITHOUT'],
    rows: rows.map(row => [
      String(row.peers),
      row.packetsPerSecond.toFixed(1),
      `${row.answeredPercent.toFixed(0)} %`,
      `${row.roundSeconds} s`,
      `${row.processorPercent.toFixed(2)} %`,
      `${row.processorPercentWithout.toFixed(2)} %`,
    ]),
    remarks: [],
  };
}

/** What an agent asks of etcd: at its start, and while nothing happens. By etcd's own count. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../src/demo/lab.js';
import type { Host } from '../src/demo/host.js';
import { requestsBetween, type EtcdRequests } from '../test/support/etcd-requests.js';
import { prepareHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { runInside, withLab } from './lab.js';

const DEFAULT_PEERS = [100];
const IDLE_SECONDS = 60;

/** Calls by method. A watch and a lease's keep-alive are one call each, whatever passes over them. */
type Calls = Readonly<Record<string, number>>;

export interface EtcdLoadRow {
  readonly peers: number;
  readonly start: Calls;
  readonly idle: Calls;
  /** Messages from the agent in that time, those on its streams included. */
  readonly idleMessages: Calls;
}

export const etcdLoad: Bench<readonly EtcdLoadRow[]> = {
  name: 'etcd',
  title: `requests to etcd: at an agent's start, and in ${IDLE_SECONDS} s at rest`,
  run,
  table,
};

async function run({
  peers: numbers = DEFAULT_PEERS,
  progress,
}: BenchOptions): Promise<readonly EtcdLoadRow[]> {
  const rows: EtcdLoadRow[] = [];
  for (const peers of numbers) {
    progress(`etcd: ${peers} peers, ${IDLE_SECONDS} s`);
    rows.push(await withLab(lab => measure(lab, peers)));
  }
  return rows;
}

async function measure(lab: Lab, peers: number): Promise<EtcdLoadRow> {
  const host = await prepareHost(lab, peers);
  const before = await readRequests(lab, host);
  await host.startAgent();
  await waitForPeers(lab, host, peers);
  const running = await readRequests(lab, host);
  await sleep(IDLE_SECONDS * 1000);
  const idle = requestsBetween(running, await readRequests(lab, host));
  return {
    peers,
    start: requestsBetween(before, running).started,
    idle: idle.started,
    idleMessages: idle.received,
  };
}

function readRequests(lab: Lab, host: Host): Promise<EtcdRequests> {
  return runInside(lab, host.namespace, 'requests', { endpoint: lab.endpoint });
}

function table(rows: readonly EtcdLoadRow[]): Table {
  const words = (calls: Calls) =>
    Object.entries(calls)
      .map(([method, count]) => `${count} ${method}`)
      .join(', ') || 'none';
  return {
    header: ['PEERS', 'CALLS AT START', 'CALLS AT REST', 'MESSAGES AT REST'],
    rows: rows.map(row => [String(row.peers), words(row.start), words(row.idle), words(row.idleMessages)]),
    remarks: [],
  };
}

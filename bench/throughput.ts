/**
 * Throughput and round trip: host to host over the bare underlay, and container to container over host-gw and vxlan.
 * Two labs of two hosts each; links are pairs of virtual devices, so the figures are good for comparison only.
 */
import type { Container } from '../src/demo/container.js';
import type { Lab } from '../src/demo/lab.js';
import type { Namespace } from '../src/demo/namespace.js';
import { LoggedProcess } from '../src/demo/process.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { formatSpread } from './format.js';
import { withLab } from './lab.js';
import { alternate, spreadOf, type Spread } from './statistics.js';

const ROUNDS = 3;
const SECONDS = 3;
const PINGS = 200;

/** One way of packets. */
export interface ThroughputRow {
  readonly path: 'bare' | 'host-gw' | 'vxlan';
  /** One TCP stream, Gbit/s. */
  readonly gigabits: Spread;
  /** Compared with the bare path. */
  readonly ratioToBare: number;
  /** Mean round trip of a ping, microseconds. */
  readonly roundTrip: Spread;
}

export interface ThroughputData {
  readonly rows: readonly ThroughputRow[];
  /** Why nothing was measured; null when it was. */
  readonly notMeasured: string | null;
}

export const throughput: Bench<ThroughputData> = {
  name: 'throughput',
  title: 'one TCP stream, Gbit/s, and ping, µs, from container to container: median (least–most)',
  run,
  table,
};

/** Two ends and the address of the second. */
interface Path {
  readonly from: Namespace;
  readonly to: Namespace;
  readonly address: string;
}

async function run({ rounds = ROUNDS, progress }: BenchOptions): Promise<ThroughputData> {
  progress(`throughput: ${rounds} rounds`);
  return withLab(vxlanLab =>
    withLab(async routedLab => {
      const probe = await vxlanLab.commands.run(['iperf3', '--version']).catch((error: unknown) => error);
      if (probe instanceof Error) return { rows: [], notMeasured: `no iperf3: ${probe.message}` };
      const vxlan = await containerPath(vxlanLab, 'vxlan');
      const routed = await containerPath(routedLab, 'host-gw');
      const paths = { bare: hostPath(vxlanLab), 'host-gw': routed, vxlan };
      const gigabits = await alternate(rounds, {
        bare: () => measureStream(vxlanLab, paths.bare),
        'host-gw': () => measureStream(routedLab, paths['host-gw']),
        vxlan: () => measureStream(vxlanLab, paths.vxlan),
      });
      const roundTrips = await alternate(rounds, {
        bare: () => measurePing(paths.bare),
        'host-gw': () => measurePing(paths['host-gw']),
        vxlan: () => measurePing(paths.vxlan),
      });
      const bare = spreadOf(gigabits.bare).median;
      const rows = (['bare', 'host-gw', 'vxlan'] as const).map((path): ThroughputRow => {
        const spread = spreadOf(gigabits[path]);
        return {
          path,
          gigabits: spread,
          ratioToBare: spread.median / bare,
          roundTrip: spreadOf(roundTrips[path]),
        };
      });
      return { rows, notMeasured: null };
    }),
  );
}

function table({ rows, notMeasured }: ThroughputData): Table {
  return {
    header: ['PATH', 'GBIT/S', 'OF BARE', 'PING'],
    rows: rows.map(({ path, gigabits, ratioToBare, roundTrip }) => [
      path,
      formatSpread(gigabits),
      `${(ratioToBare * 100).toFixed(0)} %`,
      formatSpread(roundTrip),
    ]),
    remarks: notMeasured === null ? [] : [notMeasured],
  };
}

function hostPath({ hosts }: Lab): Path {
  const [from, to] = [hosts[0]!, hosts[1]!];
  return { from: from.namespace, to: to.namespace, address: to.address };
}

/** Two hosts with an agent and a container each. */
async function containerPath(lab: Lab, backend: 'vxlan' | 'host-gw'): Promise<Path> {
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16', Backend: { Type: backend } });
  for (let i = 0; i < 2; i++) await (await lab.addHost()).startAgent();
  const containers: Container[] = [];
  for (const host of lab.hosts) {
    await host.waitForHealth(1);
    containers.push(await host.addContainer());
  }
  const [from, to] = [containers[0]!, containers[1]!];
  return { from: from.namespace, to: to.namespace, address: to.address };
}

/** @returns Gbit/s that the receiver counted */
async function measureStream(lab: Lab, { from, to, address }: Path): Promise<number> {
  const argv = ['iperf3', '--server', '--one-off', '--interval', '0', '--forceflush'];
  const log = `${lab.directory}/iperf3-${performance.now()}.log`;
  const server = await LoggedProcess.start('iperf3', to.argv(argv), log);
  await lab.waitFor({
    what: 'iperf3 to listen',
    deadlineSeconds: 10,
    read: () => server.log(),
    until: text => text.includes('listening'),
  });
  const client = ['iperf3', '--client', address, '--time', String(SECONDS), '--json'];
  const { code, stdout, stderr } = await from.exec(client, { timeoutSeconds: SECONDS + 20 });
  if (code !== 0) throw new Error(`iperf3 to ${address}: ${stderr || stdout}`);
  await server.exited;
  const { end } = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return end.sum_received.bits_per_second / 1e9;
}

/** @returns mean round trip in microseconds */
async function measurePing({ from, address }: Path): Promise<number> {
  const argv = ['ping', '-n', '-q', '-c', String(PINGS), '-i', '0.005', address];
  const { stdout } = await from.exec(argv);
  const mean = /min\/avg\/max\S* = [\d.]+\/([\d.]+)\//.exec(stdout)?.[1];
  if (mean === undefined) throw new Error(`ping ${address}: ${stdout}`);
  return Number(mean) * 1000;
}

/** Repair: somebody takes away what the agent keeps; how long until it is back. */
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { prepareHost, startHost, waitForPeers } from './agent-lab.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { buildFloor } from './floor.js';
import { formatNumber } from './format.js';
import { OVERLAY_DAMAGES, UNDERLAY_DAMAGES, type Damage } from './inside/damages.js';
import type { RepairsAnswer } from './inside/repairs.js';
import { runInside, withLab } from './lab.js';
import { CONFIG, PUBLIC_IPS } from './peers.js';
import { measureFloors } from './repair-floor.js';
import { quantile } from './statistics.js';

/** The fewest have classic routes, the others routes by nexthop objects. */
const DEFAULT_PEERS = [100, 1_000, 10_000];
const ROUNDS = 10;

/** Milliseconds from the kernel's announcement of the damage to its last one of the repair. */
export interface RepairRow {
  readonly damage: Damage;
  /** Null when too much was announced to be heard in full, in every round. */
  readonly p50: number | null;
  readonly worst: number | null;
  /** Until the damaging command had ended, the median. */
  readonly damaging: number | null;
  /** What the kernel alone needs for what is put back, see `repair-floor.ts`; null for a single entry, or without a compiler. */
  readonly floor: number | null;
  /** Those of which the time is known. */
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
    progress(`repair: ${peers} peers, ${rounds} rounds`);
    const measure = async (lab: Lab, host: Host, device: string, damages: readonly Damage[]) => {
      const status = await host.status();
      const address = status?.lease?.subnet.replace(/\/.*/, '') ?? '';
      const task = { device, address, peers, damages, rounds };
      const taken = await runInside(lab, host.namespace, 'repairs', task);
      const floors = await measureFloors(lab, host, await buildFloor(lab), device, {
        damages,
        address,
        peers,
        rounds,
      });
      return rowsOf(taken, floors);
    };
    const overlay = await withLab(async lab =>
      measure(lab, await startHost(lab, peers), 'flannel.1', OVERLAY_DAMAGES),
    );
    const underlay = await withLab(async lab =>
      measure(lab, await startDirectHost(lab, peers), 'eth0', UNDERLAY_DAMAGES),
    );
    all.push({ peers, rows: [...overlay, ...underlay] });
  }
  return all;
}

/** A host with all its peers on its own link, so that it reaches them over the underlay. */
async function startDirectHost(lab: Lab, peers: number): Promise<Host> {
  const host = await prepareHost(lab, peers, {
    ...CONFIG,
    Backend: { ...CONFIG.Backend, DirectRouting: true },
  });
  await host.namespace.ip('address', 'add', PUBLIC_IPS.replace('0.0/', '255.254/'), 'dev', 'eth0');
  // Nobody answers for the peers, and what becomes of the neighbours that are asked for would be announced meanwhile.
  await host.startAgent(['--probe-rate', '0']);
  await waitForPeers(lab, host, peers);
  return host;
}

/** A row for each damage, in the order in which they came first. */
function rowsOf(taken: RepairsAnswer, floors: ReadonlyMap<Damage, number>): RepairRow[] {
  return [...new Set(taken.map(({ damage }) => damage))].map(damage => {
    const known = taken.filter(each => each.damage === damage && each.tookMs !== null);
    const times = known.flatMap(({ tookMs }) => tookMs ?? []);
    const damaging = known.flatMap(({ damagingMs }) => damagingMs ?? []);
    const of = (values: readonly number[], share: number) =>
      values.length === 0 ? null : quantile(values, share);
    return {
      damage,
      p50: of(times, 0.5),
      worst: of(times, 1),
      damaging: of(damaging, 0.5),
      floor: floors.get(damage) ?? null,
      rounds: times.length,
    };
  });
}

function table(all: readonly RepairData[]): Table {
  return {
    header: ['DAMAGE', 'PEERS', 'P50', 'WORST', 'DAMAGING', 'FLOOR', 'ROUNDS'],
    rows: all.flatMap(({ peers, rows }) =>
      rows.map(({ damage, p50, worst, damaging, floor, rounds }) => [
        damage,
        String(peers),
        ...[p50, worst, damaging, floor].map(value => (value === null ? '-' : formatNumber(value))),
        String(rounds),
      ]),
    ),
    remarks: [
      'DAMAGING: of P50, until the damaging command had ended; before, the kernel is at work on that and takes no repair.',
      'FLOOR: what the kernel needs for the entries that are put back, sent by a C program while no agent runs.',
      'A repair of which some announcements were lost has no time: it is not among the rounds.',
    ],
  };
}

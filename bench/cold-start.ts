/**
 * Cold start: accepted vxlan leases → kernel state, against iproute2's batch mode and against a C program that sends our
 * own bytes. All contestants fill the same device, made anew for each turn, and take turns within each round.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { classicBatch, nexthopBatch, type BatchFiles } from './batch-files.js';
import type { Bench, BenchOptions, Table } from './bench.js';
import { buildFloor, runFloor, type Floor, type Taken } from './floor.js';
import { formatRatio, formatSpread } from './format.js';
import type { ColdStartAnswer, ColdStartTask } from './inside/cold-start.js';
import { runInside, withLab } from './lab.js';
import { alternate, spreadOf, type Spread } from './statistics.js';

const DEVICE = 'flannel.1';
/** The same in every turn, so that recorded bytes fit. */
const DEVICE_INDEX = 100;
const MAC = '02:5e:ff:00:00:01';
const DEFAULT_PEERS = [100, 1_000, 10_000, 50_000];
/** A classic batch of 50,000 peers takes minutes. */
const BATCH_SECONDS = 900;

/** The figures for one number of peers; times in milliseconds. */
export interface ColdStartRow {
  readonly peers: number;
  /** From the first accepted lease handed over to the last entry acknowledged. */
  readonly ours: Spread;
  /** Processor time of all threads in `ours`: says more than the clock on a machine that has other work. */
  readonly oursProcessor: Spread;
  /** What is left for after `ours`: the indexes that the next change needs. */
  readonly books: Spread;
  /** Microseconds of `ours` for each peer. */
  readonly microsecondsPerPeer: number;
  /** Messages to the kernel that `ours` sends to change it. */
  readonly messages: number;
  /** Reading and judging the leases, which comes before and is not in `ours`. */
  readonly judging: Spread;
  /** The batch processes, less what the same processes take for empty files. */
  readonly classicBatch: Spread;
  readonly nexthopBatch: Spread;
  readonly emptyBatch: Spread;
  /** The bytes of `ours` sent by a C program; null when there is no compiler. */
  readonly floor: Spread | null;
  readonly floorProcessor: Spread | null;
  /** Theirs divided by ours: more than 1 when we are faster. */
  readonly ratioToClassicBatch: number;
  readonly ratioToNexthopBatch: number;
  /** Ours divided by the floor. */
  readonly ratioToFloor: number | null;
}

export interface ColdStartData {
  readonly rows: readonly ColdStartRow[];
  /** Why there is no floor; null when there is one. */
  readonly noFloor: string | null;
}

export const coldStart: Bench<ColdStartData> = {
  name: 'cold-start',
  title: 'accepted vxlan leases to kernel state, in milliseconds: median (least–most)',
  run: options => withLab(lab => run(lab, options)),
  table,
};

async function run(lab: Lab, options: BenchOptions): Promise<ColdStartData> {
  const host = await lab.addHost();
  const floor = await buildFloor(lab);
  const rows: ColdStartRow[] = [];
  for (const peers of options.peers ?? DEFAULT_PEERS) {
    const rounds = options.rounds ?? defaultRounds(peers);
    options.progress(`cold-start: ${peers} peers, ${rounds} rounds`);
    rows.push(await measure(lab, host, peers, rounds, floor));
  }
  return { rows, noFloor: floor.ok ? null : floor.reason };
}

function table({ rows, noFloor }: ColdStartData): Table {
  return {
    header: [
      'PEERS',
      'OURS',
      'µS A PEER',
      'CLASSIC BATCH',
      'NEXTHOP BATCH',
      'FLOOR',
      'PROCESSOR, FLOOR’S',
      'JUDGING BEFORE',
      'BOOKS AFTER',
    ],
    rows: rows.map(row => [
      String(row.peers),
      formatSpread(row.ours),
      row.microsecondsPerPeer.toFixed(1),
      `${formatSpread(row.classicBatch)} = ${formatRatio(row.ratioToClassicBatch)} ours`,
      `${formatSpread(row.nexthopBatch)} = ${formatRatio(row.ratioToNexthopBatch)} ours`,
      row.floor === null ? '-' : `${formatSpread(row.floor)}, ours = ${formatRatio(row.ratioToFloor!)} floor`,
      `${formatSpread(row.oursProcessor)}, ${row.floorProcessor === null ? '-' : formatSpread(row.floorProcessor)}`,
      formatSpread(row.judging),
      formatSpread(row.books),
    ]),
    remarks: noFloor === null ? [] : [`no floor: ${noFloor}`],
  };
}

function defaultRounds(peers: number): number {
  if (peers <= 1_000) return 11;
  return peers <= 10_000 ? 7 : 3;
}

async function measure(
  lab: Lab,
  host: Host,
  peers: number,
  rounds: number,
  floor: Floor,
): Promise<ColdStartRow> {
  const classic = await writeBatch(lab, `classic-${peers}`, classicBatch(peers, DEVICE));
  const nexthop = await writeBatch(lab, `nexthop-${peers}`, nexthopBatch(peers, DEVICE));
  const empty = await writeBatch(lab, 'empty', { ip: '', bridge: '' });
  const task: ColdStartTask = {
    peers,
    mac: MAC,
    underlay: { device: 'eth0', address: host.address, mtu: 1500 },
  };
  const ours = (more: Partial<ColdStartTask> = {}) =>
    runInside(lab, host.namespace, 'cold-start', { ...task, ...more });
  const answers: ColdStartAnswer[] = [];
  const floors: Taken[] = [];
  const recordTo = join(lab.directory, `datagrams-${peers}`);
  await makeDevice(host);
  const { messages } = await ours({ recordTo });

  const turn = (fill: () => Promise<number>) => async () => {
    await makeDevice(host);
    const took = await fill();
    await checkEntries(host, peers);
    return took;
  };
  const taken = await alternate(rounds, {
    ours: turn(async () => {
      answers.push(await ours());
      return answers.at(-1)!.totalMs;
    }),
    floor: floor.ok
      ? turn(async () => {
          floors.push(await runFloor(lab, host.namespace, floor.program, recordTo));
          return floors.at(-1)!.milliseconds;
        })
      : undefined,
    nexthop: turn(() => runBatch(lab, host, nexthop)),
    classic: turn(() => runBatch(lab, host, classic)),
    empty: () => runBatch(lab, host, empty),
  });

  const oursSpread = spreadOf(taken.ours);
  const emptyBatch = spreadOf(taken.empty);
  const withoutStart = (times: readonly number[]) => spreadOf(times.map(ms => ms - emptyBatch.median));
  const [classicSpread, nexthopSpread] = [withoutStart(taken.classic), withoutStart(taken.nexthop)];
  const floorSpread = taken.floor.length === 0 ? null : spreadOf(taken.floor);
  return {
    peers,
    ours: oursSpread,
    oursProcessor: spreadOf(answers.map(({ processorMs }) => processorMs)),
    books: spreadOf(answers.map(({ booksMs }) => booksMs)),
    microsecondsPerPeer: (oursSpread.median * 1000) / peers,
    messages,
    judging: spreadOf(answers.map(({ judgeMs }) => judgeMs)),
    classicBatch: classicSpread,
    nexthopBatch: nexthopSpread,
    emptyBatch,
    floor: floorSpread,
    floorProcessor: floorSpread && spreadOf(floors.map(({ processor }) => processor)),
    ratioToClassicBatch: classicSpread.median / oursSpread.median,
    ratioToNexthopBatch: nexthopSpread.median / oursSpread.median,
    ratioToFloor: floorSpread && oursSpread.median / floorSpread.median,
  };
}

/** Makes the overlay device as the agent would, with its address and no peers. */
async function makeDevice({ namespace, address }: Host): Promise<void> {
  await namespace.exec(['ip', 'link', 'delete', DEVICE]);
  const general = ['name', DEVICE, 'index', String(DEVICE_INDEX), 'mtu', '1450', 'address', MAC];
  const vxlan = [
    'type',
    'vxlan',
    'id',
    '1',
    'dstport',
    '8472',
    'local',
    address,
    'dev',
    'eth0',
    'nolearning',
  ];
  await namespace.ip('link', 'add', ...general, ...vxlan);
  await namespace.ip('link', 'set', DEVICE, 'up');
  await namespace.ip('address', 'add', '10.250.0.0/32', 'dev', DEVICE);
}

/** @throws Error unless the kernel holds a route, a neighbour and an FDB entry for every peer */
async function checkEntries({ namespace }: Host, peers: number): Promise<void> {
  const count = async (argv: readonly string[], isEntry: (line: string) => boolean) =>
    (await namespace.exec(argv, { timeoutSeconds: 120 })).stdout.split('\n').filter(isEntry).length;
  const found = {
    routes: await count(['ip', '-4', 'route', 'show', 'dev', DEVICE], line => line !== ''),
    neighbours: await count(['ip', '-4', 'neigh', 'show', 'dev', DEVICE], line => line.includes('PERMANENT')),
    fdb: await count(['bridge', 'fdb', 'show', 'dev', DEVICE], line => line.includes(' dst ')),
  };
  for (const [kind, number] of Object.entries(found)) {
    if (number !== peers) throw new Error(`${number} ${kind} in the kernel, not ${peers}`);
  }
}

interface BatchPaths {
  readonly ip: string;
  readonly bridge: string;
}

async function writeBatch(lab: Lab, name: string, files: BatchFiles): Promise<BatchPaths> {
  const paths = { ip: join(lab.directory, `${name}.ip`), bridge: join(lab.directory, `${name}.bridge`) };
  await writeFile(paths.ip, files.ip);
  await writeFile(paths.bridge, files.bridge);
  return paths;
}

/** @returns milliseconds from the start of the first process to the end of the second */
async function runBatch(lab: Lab, { namespace }: Host, paths: BatchPaths): Promise<number> {
  const options = { timeoutSeconds: BATCH_SECONDS };
  const began = performance.now();
  await lab.commands.must(['bridge', '-n', namespace.name, '-batch', paths.bridge], options);
  await lab.commands.must(['ip', '-n', namespace.name, '-batch', paths.ip], options);
  return performance.now() - began;
}

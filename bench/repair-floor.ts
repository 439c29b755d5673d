/**
 * The floor of a repair: the same damage without an agent, and then a C program that sends what has to be put back, which is
 * what the kernel needs for that alone.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatPrefix } from '../src/address/prefix.js';
import type { Host } from '../src/demo/host.js';
import type { Lab } from '../src/demo/lab.js';
import { runFloor, type Floor } from './floor.js';
import type { Damage } from './inside/damages.js';
import type { RecordEntriesTask } from './inside/record-entries.js';
import { runInside } from './lab.js';
import { peer } from './peers.js';
import { quantile } from './statistics.js';

/** What goes with a damage to a device. */
interface Loss {
  readonly damages: readonly Damage[];
  readonly kinds: RecordEntriesTask['kinds'];
  /** Commands of iproute2 that have the same effect on those entries. The device itself stays: its index is in the bytes. */
  readonly commands: (scene: Scene) => readonly (readonly string[])[];
}

/** Where that happens. */
interface Scene {
  readonly device: string;
  /** The overlay device's own address. */
  readonly address: string;
  /** Batch files that delete each peer's route, and each peer's FDB entry. */
  readonly routes: string;
  readonly fdb: string;
}

const DOWN_AND_UP = ({ device }: Scene) => [
  ['ip', 'link', 'set', device, 'down'],
  ['ip', 'link', 'set', device, 'up'],
];

const LOSSES: readonly Loss[] = [
  {
    damages: ['MAC rewritten', 'MAC written again', 'all neighbours deleted'],
    kinds: ['neighbour'],
    commands: ({ device }) => [['ip', 'neigh', 'flush', 'dev', device, 'nud', 'permanent']],
  },
  {
    damages: ['address deleted'],
    kinds: ['neighbour', 'classic route'],
    commands: ({ device, address }) => [
      ['ip', 'address', 'del', `${address}/32`, 'dev', device],
      ['ip', 'address', 'add', `${address}/32`, 'dev', device],
    ],
  },
  {
    damages: ['device down and up'],
    kinds: ['neighbour', 'nexthop', 'route'],
    commands: DOWN_AND_UP,
  },
  {
    damages: ['device deleted'],
    kinds: ['fdb', 'neighbour', 'nexthop', 'route'],
    // One by one: kernels before 6.7 cannot flush them.
    commands: scene => [['bridge', '-batch', scene.fdb], ...DOWN_AND_UP(scene)],
  },
  {
    damages: ['all routes deleted'],
    kinds: ['route'],
    commands: ({ routes }) => [['ip', '-batch', routes]],
  },
  {
    damages: ['underlay down and up'],
    kinds: ['route'],
    commands: DOWN_AND_UP,
  },
];

const ALL_KINDS: RecordEntriesTask['kinds'] = ['fdb', 'neighbour', 'nexthop', 'route'];

export interface FloorsOptions {
  /** The overlay device's own. */
  readonly address: string;
  readonly damages: readonly Damage[];
  /** Peers 1 to so many are there. */
  readonly peers: number;
  readonly rounds: number;
}

/**
 * Measures the floors of the damages to this device, on which the agent of this host keeps its entries. Stops the agent.
 * @returns milliseconds by damage, the median; none without a C program
 * @throws Error when not all entries are there afterwards: then more had gone than was sent
 */
export async function measureFloors(
  lab: Lab,
  host: Host,
  floor: Floor,
  device: string,
  { damages, address, peers, rounds }: FloorsOptions,
): Promise<ReadonlyMap<Damage, number>> {
  const found = new Map<Damage, number>();
  if (!floor.ok) return found;
  await host.stopAgent();
  const all = Array.from({ length: peers }, (_, n) => peer(n + 1));
  const batch = async (name: string, lines: readonly string[]) => {
    const file = join(lab.directory, name);
    await writeFile(file, lines.map(line => `${line}\n`).join(''));
    return file;
  };
  const scene: Scene = {
    device,
    address,
    routes: await batch(
      'route-deletions',
      all.map(({ subnet }) => `route del ${formatPrefix(subnet)}`),
    ),
    fdb: await batch(
      'fdb-deletions',
      all.map(({ mac }) => `fdb del ${mac} dev ${device} self`),
    ),
  };
  const record = async (name: string, kinds: RecordEntriesTask['kinds']) => {
    const file = join(lab.directory, name);
    return { file, ...(await runInside(lab, host.namespace, 'record-entries', { device, kinds, file })) };
  };
  const whole = await record('entries', ALL_KINDS);
  for (const [number, loss] of LOSSES.entries()) {
    const known = loss.damages.filter(damage => damages.includes(damage));
    if (known.length === 0) continue;
    const { file, entries } = await record(`entries-${number}`, loss.kinds);
    if (entries === 0) continue;
    const taken: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const command of loss.commands(scene)) await lab.commands.must(host.namespace.argv(command));
      taken.push((await runFloor(lab, host.namespace, floor.program, file)).milliseconds);
    }
    for (const damage of known) found.set(damage, quantile(taken, 0.5));
  }
  const { entries } = await record('entries-afterwards', ALL_KINDS);
  if (entries !== whole.entries)
    throw new Error(`the floor: ${entries} of ${whole.entries} entries are left`);
  return found;
}

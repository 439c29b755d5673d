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
  /**
   * Commands of iproute2 that have the same effect on those entries. The device itself stays: its index is in the bytes.
   * @param deletions a batch file that deletes each peer's route
   */
  readonly commands: (device: string, deletions: string) => readonly (readonly string[])[];
}

const DOWN_AND_UP = (device: string) => [
  ['ip', 'link', 'set', device, 'down'],
  ['ip', 'link', 'set', device, 'up'],
];

const LOSSES: readonly Loss[] = [
  {
    damages: ['MAC rewritten', 'MAC written again', 'all neighbours deleted', 'address deleted'],
    kinds: ['neighbour'],
    commands: device => [['ip', 'neigh', 'flush', 'dev', device, 'nud', 'permanent']],
  },
  {
    damages: ['device down and up'],
    kinds: ['neighbour', 'nexthop', 'route'],
    commands: DOWN_AND_UP,
  },
  {
    damages: ['device deleted'],
    kinds: ['fdb', 'neighbour', 'nexthop', 'route'],
    commands: device => [['bridge', 'fdb', 'flush', 'dev', device], ...DOWN_AND_UP(device)],
  },
  {
    damages: ['all routes deleted'],
    kinds: ['route'],
    commands: (_, deletions) => [['ip', '-batch', deletions]],
  },
  {
    damages: ['underlay down and up'],
    kinds: ['route'],
    commands: DOWN_AND_UP,
  },
];

export interface FloorsOptions {
  readonly damages: readonly Damage[];
  /** Peers 1 to so many are there. */
  readonly peers: number;
  readonly rounds: number;
}

/**
 * Measures the floors of the damages to this device, on which the agent of this host keeps its entries. Stops the agent.
 * @returns milliseconds by damage, the median; none without a C program
 */
export async function measureFloors(
  lab: Lab,
  host: Host,
  floor: Floor,
  device: string,
  { damages, peers, rounds }: FloorsOptions,
): Promise<ReadonlyMap<Damage, number>> {
  const found = new Map<Damage, number>();
  if (!floor.ok) return found;
  await host.stopAgent();
  const deletions = join(lab.directory, 'deletions');
  const lines = Array.from({ length: peers }, (_, n) => `route del ${formatPrefix(peer(n + 1).subnet)}\n`);
  await writeFile(deletions, lines.join(''));
  for (const [number, loss] of LOSSES.entries()) {
    const known = loss.damages.filter(damage => damages.includes(damage));
    if (known.length === 0) continue;
    const file = join(lab.directory, `entries-${number}`);
    const { entries } = await runInside(lab, host.namespace, 'record-entries', {
      device,
      kinds: loss.kinds,
      file,
    });
    if (entries === 0) continue;
    const taken: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const command of loss.commands(device, deletions))
        await lab.commands.must(host.namespace.argv(command));
      taken.push((await runFloor(lab, host.namespace, floor.program, file)).milliseconds);
    }
    for (const damage of known) found.set(damage, quantile(taken, 0.5));
  }
  return found;
}

/**
 * Damages what an agent keeps in the kernel of this namespace, and times the repair: from the kernel's first
 * announcement of the damage to its last one of the repair. Then everything is read: it must be as it was.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { formatPrefix, type Prefix } from '../../src/address/prefix.js';
import { commandEnvironment } from '../../src/demo/command.js';
import { peer, type Peer } from '../peers.js';
import { answer } from './answer.js';
import type { Damage } from './damages.js';
import { watchDevice, type DeviceWatch } from './device-watch.js';

export interface RepairsTask {
  /** What is damaged, or the entries on it. */
  readonly device: string;
  /** The overlay device's own address. */
  readonly address: string;
  /** Peers 1 to so many are there; the damage goes from one to the next. */
  readonly peers: number;
  readonly damages: readonly Damage[];
  readonly rounds: number;
}

/** One repair. */
export interface Repair {
  readonly damage: Damage;
  /** Null: so much was announced that some of it was lost, and the time is not known. */
  readonly tookMs: number | null;
  /** Of that, until the damaging command had ended: before, the kernel was at work on the damage and took no repair. */
  readonly damagingMs: number | null;
}

/** All repairs; without damages for which there was nothing to damage. */
export type RepairsAnswer = readonly Repair[];

/**
 * So long nothing is announced, then the repair is taken to be over, and an agent with ten thousand peers to have read
 * everything once more: the next damage meets it at rest.
 */
const QUIET_MS = 1_000;
const DEADLINE_MS = 20_000;

const execute = promisify(execFile);

/** Runs commands of `ip`, or of `bridge`, in one process. */
async function batch(program: 'ip' | 'bridge', ...lines: readonly string[]): Promise<void> {
  const running = execute(program, ['-batch', '-'], { env: commandEnvironment() });
  running.child.stdin?.end(`${lines.join('\n')}\n`);
  await running;
}

await answer('repairs', async ({ device, address, peers, damages, rounds }): Promise<RepairsAnswer> => {
  const watch = watchDevice(device);
  const whole = await snapshot(device);
  const nexthops = new Map(whole.flatMap(readNexthopId));
  const mac = macIn(whole);
  const taken: Repair[] = [];
  // Kinds take turns, as contestants do elsewhere. Each turn has another victim: an entry that is damaged every few
  // seconds is fought over, and an agent that fights makes pauses.
  for (let turn = 0; turn < rounds * damages.length; turn++) {
    const damage = damages[turn % damages.length]!;
    const victim = peer(1 + (turn % peers));
    const nexthop = nexthops.get(formatPrefix(victim.subnet));
    const act = damageTo(damage, { device, mac, address, peers, victim, nexthop });
    if (act !== undefined) taken.push({ damage, ...(await timeRepair(watch, device, whole, damage, act)) });
  }
  watch.close();
  return taken;
});

/** What is damaged. */
interface Scene {
  readonly device: string;
  /** The device's. */
  readonly mac: string;
  readonly address: string;
  /** How many there are. */
  readonly peers: number;
  readonly victim: Peer;
  /** Id of the victim's nexthop object, if there is one. */
  readonly nexthop: string | undefined;
}

/** @returns does the damage; undefined when there is nothing to damage */
function damageTo(
  damage: Damage,
  { device, mac: own, address, peers, victim: { subnet, mac }, nexthop }: Scene,
): (() => Promise<void>) | undefined {
  switch (damage) {
    case 'route deleted':
      return () => batch('ip', `route del ${formatPrefix(subnet)}`);
    case 'nexthop deleted':
      return nexthop === undefined ? undefined : () => batch('ip', `nexthop del id ${nexthop}`);
    case 'neighbour deleted':
      return () => batch('ip', `neigh del ${subnet.address} dev ${device}`);
    case 'FDB entry deleted':
      return () => batch('bridge', `fdb del ${mac} dev ${device} self`);
    case 'route altered':
      return () => batch('ip', `route replace ${formatPrefix(subnet)} ${elsewhere(subnet, device)}`);
    case 'nexthop altered':
      return nexthop === undefined
        ? undefined
        : () => batch('ip', `nexthop replace id ${nexthop} ${elsewhere(subnet, device)}`);
    case 'FDB entry altered':
      return () => batch('bridge', `fdb replace ${mac} dev ${device} self permanent dst ${address}`);
    case 'address deleted':
      return () => batch('ip', `address del ${address}/32 dev ${device}`);
    case 'device deleted':
      return () => batch('ip', `link del ${device}`);
    case 'device down and up':
    case 'underlay down and up':
      return () => batch('ip', `link set ${device} down`, `link set ${device} up`);
    case 'MAC rewritten':
      return () => batch('ip', `link set ${device} address 02:09:09:09:09:09`);
    case 'MTU changed':
      return () => batch('ip', `link set ${device} mtu 1300`);
    case 'MAC written again':
      return () => batch('ip', `link set ${device} address ${own}`);
    case 'all routes deleted':
      return () => batch('ip', ...deletionsOfRoutes(peers));
    case 'all neighbours deleted':
      return () => batch('ip', ...deletionsOfNeighbours(peers, device));
  }
}

/** The kernel refuses to flush routes by nexthop objects, because `ip route flush` names their device as well. */
function deletionsOfRoutes(peers: number): readonly string[] {
  return Array.from({ length: peers }, (_, n) => `route del ${formatPrefix(peer(n + 1).subnet)}`);
}

/** One by one: `ip neigh flush` goes round until none is left, and takes what has been put back meanwhile as well. */
function deletionsOfNeighbours(peers: number, device: string): readonly string[] {
  return Array.from({ length: peers }, (_, n) => `neigh del ${peer(n + 1).subnet.address} dev ${device}`);
}

/** A way that bears an agent's mark (proto 83) and is not the right one. */
function elsewhere({ address }: Prefix, device: string): string {
  return `via ${address.replace(/\d+$/, '9')} dev ${device} onlink proto 83`;
}

/** The MAC of the device that a snapshot is of; of the underlay none is asked for. */
function macIn(lines: readonly string[]): string {
  return lines.flatMap(line => /link\/ether (\S+)/.exec(line)?.[1] ?? [])[0] ?? '';
}

/** @returns the route's prefix and the id of its nexthop object, if the line is of a route that has one */
function readNexthopId(line: string): [prefix: string, id: string][] {
  const [, prefix, id] = /^(\S+) nhid (\d+) /.exec(line) ?? [];
  return prefix === undefined || id === undefined ? [] : [[prefix, id]];
}

async function timeRepair(
  watch: DeviceWatch,
  device: string,
  whole: readonly string[],
  damage: Damage,
  act: () => Promise<void>,
): Promise<Omit<Repair, 'damage'>> {
  watch.forget();
  await act();
  const acted = performance.now();
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    await sleep(QUIET_MS / 4);
    const { arrivedAt } = watch;
    if (arrivedAt !== undefined && performance.now() - arrivedAt > QUIET_MS) {
      const { first, last, isIncomplete } = watch.heard;
      const now = await snapshot(device);
      // What was announced during the reading belongs to the repair as well.
      const isOver = last !== undefined && watch.heard.last === last;
      if (isOver && now.join('\n') === whole.join('\n')) {
        if (isIncomplete || first === undefined) return { tookMs: null, damagingMs: null };
        return { tookMs: last - first, damagingMs: Math.max(0, Math.min(acted, last) - first) };
      }
    }
    if (performance.now() > deadline) throw new Error(`${damage}: not repaired within ${DEADLINE_MS} ms`);
  }
}

/** The device and all IPv4 entries on it, in iproute2's words, without what is new each time. */
async function snapshot(device: string): Promise<string[]> {
  const show = async (program: string, ...args: string[]) => {
    const { stdout } = await execute(program, args, { env: commandEnvironment() }).catch(() => ({
      stdout: '',
    }));
    return stdout
      .split('\n')
      .map(line => line.trim().replace(/^\d+: /, ''))
      .filter(Boolean);
  };
  const [link, addresses, routes, neighbours, fdb] = await Promise.all([
    show('ip', '-oneline', 'link', 'show', 'dev', device),
    show('ip', '-4', '-oneline', 'address', 'show', 'dev', device),
    show('ip', '-4', 'route', 'show', 'dev', device),
    show('ip', '-4', 'neigh', 'show', 'dev', device, 'nud', 'permanent'),
    show('bridge', 'fdb', 'show', 'dev', device),
  ]);
  return [
    ...link,
    ...addresses,
    ...routes,
    ...neighbours,
    ...fdb.filter(line => line.includes(' dst ')),
  ].sort();
}

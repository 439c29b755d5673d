/**
 * Damages what an agent keeps in the kernel of this namespace, and times the repair: from the kernel's first
 * announcement of the damage to its last one of the repair. Then everything is read: it must be as it was.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { formatPrefix } from '../../src/address/prefix.js';
import { commandEnvironment } from '../../src/demo/command.js';
import { peer } from '../peers.js';
import { answer } from './answer.js';
import { DAMAGES, type Damage } from './damages.js';
import { watchDevice, type DeviceWatch } from './device-watch.js';

export interface RepairsTask {
  readonly device: string;
  /** The overlay device's own address. */
  readonly address: string;
  readonly rounds: number;
}

/** Milliseconds of each round, by damage; empty where there was nothing to damage. */
export type RepairsAnswer = Readonly<Record<Damage, readonly number[]>>;

/** So long nothing is announced, then the repair is taken to be over. */
const QUIET_MS = 200;
const DEADLINE_MS = 20_000;
/** Whose entries are damaged. */
const VICTIM = peer(1);

const execute = promisify(execFile);

/** Runs commands of `ip`, or of `bridge`, in one process. */
async function batch(program: 'ip' | 'bridge', ...lines: readonly string[]): Promise<void> {
  const running = execute(program, ['-batch', '-'], { env: commandEnvironment() });
  running.child.stdin?.end(`${lines.join('\n')}\n`);
  await running;
}

await answer('repairs', async ({ device, address, rounds }): Promise<RepairsAnswer> => {
  const watch = watchDevice(device);
  const whole = await snapshot(device);
  const nexthop = /nhid (\d+)/.exec(
    whole.find(line => line.startsWith(formatPrefix(VICTIM.subnet))) ?? '',
  )?.[1];
  const damages: Readonly<Record<Damage, (() => Promise<void>) | undefined>> = {
    'route deleted': () => batch('ip', `route del ${formatPrefix(VICTIM.subnet)}`),
    'nexthop deleted': nexthop === undefined ? undefined : () => batch('ip', `nexthop del id ${nexthop}`),
    'neighbour deleted': () => batch('ip', `neigh del ${VICTIM.subnet.address} dev ${device}`),
    'FDB entry deleted': () => batch('bridge', `fdb del ${VICTIM.mac} dev ${device} self`),
    'address deleted': () => batch('ip', `address del ${address}/32 dev ${device}`),
    'device deleted': () => batch('ip', `link del ${device}`),
    'device down and up': () => batch('ip', `link set ${device} down`, `link set ${device} up`),
    'MAC rewritten': () => batch('ip', `link set ${device} address 02:09:09:09:09:09`),
    'MTU changed': () => batch('ip', `link set ${device} mtu 1300`),
  };
  const taken = Object.fromEntries(DAMAGES.map(damage => [damage, [] as number[]])) as Record<
    Damage,
    number[]
  >;
  // Kinds take turns, as contestants do elsewhere.
  for (let round = 0; round < rounds; round++) {
    for (const damage of DAMAGES) {
      const act = damages[damage];
      if (act !== undefined) taken[damage].push(await timeRepair(watch, device, whole, damage, act));
    }
  }
  watch.close();
  return taken;
});

async function timeRepair(
  watch: DeviceWatch,
  device: string,
  whole: readonly string[],
  damage: Damage,
  act: () => Promise<void>,
): Promise<number> {
  watch.forget();
  await act();
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    await sleep(QUIET_MS / 4);
    const { first, last } = watch.heard;
    if (first !== undefined && last !== undefined && performance.now() - last > QUIET_MS) {
      const now = await snapshot(device);
      // What was announced during the reading belongs to the repair as well.
      if (watch.heard.last === last && now.join('\n') === whole.join('\n')) return last - first;
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
    show('ip', '-4', 'neigh', 'show', 'dev', device),
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

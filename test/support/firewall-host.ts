/**
 * The present namespace as a host with a container, a peer's container behind the overlay, and the world outside:
 *
 *     CONTAINER 10.5.1.2 -- cont0 [this host] flannel.1 -- PEER 10.5.2.2
 *                                    eth0 192.168.77.1 ---- OUTSIDE 192.168.77.9
 *
 * The overlay device is a plain cable: the packet filter sees the same of it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { pino } from 'pino';
import type { Firewall } from '../../src/dataplane/firewall/firewall.js';
import { FirewallKeeper } from '../../src/dataplane/firewall/keeper.js';
import type { FirewallWish } from '../../src/dataplane/firewall/model.js';
import { planFirewall } from '../../src/dataplane/firewall/plan.js';
import { findIn, findInstalled, type FindProgram } from '../../src/dataplane/firewall/programs.js';
import { SystemFirewall } from '../../src/dataplane/firewall/system-firewall.js';
import { sleep } from '../../src/daemon/tasks.js';
import { Commands } from '../../src/demo/command.js';
import { Namespace } from '../../src/demo/namespace.js';
import { Child } from './child.js';
import { NAMES, WISH } from './firewall.js';
import { ip, namespaceName } from './in-namespace.js';
import type { KnockReport, KnockRequest } from './knocks-end.js';

const PORT = 7001;
const LATEST_MS = 10_000;
const PACKETS = 3;
/** Each end has its own, below those that the kernel gives out: a container may have the address of the one before it. */
const SOURCE_PORTS = { first: 8_000, each: 2_400 };
let ends = 0;
/** Connections that are made before and after what is looked at. */
const FLOW = 100;
/** Of the network, and nobody's: what an attacker outside may claim to be. */
export const FORGED_ADDRESS = '10.5.200.9';

export const HOST_ADDRESS = '192.168.77.1';

/** Somewhere packets come from and go to. */
export interface End {
  readonly address: string;
  readonly child: Child<KnockRequest, KnockReport>;
}

export interface Surroundings {
  readonly container: End;
  readonly peer: End;
  readonly outside: End;
}

/** Makes the devices and the namespaces around; they go with the test. */
export async function makeSurroundings(t: Test): Promise<Surroundings> {
  const commands = new Commands(() => undefined);
  const make = async (
    name: string,
    device: string,
    own: string,
    address: string,
    routes: readonly string[],
  ) => {
    const namespace = `${namespaceName()}-${name}`;
    ip('netns', 'add', namespace);
    t.teardown(() => ip('netns', 'del', namespace));
    ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('address', 'add', own, 'dev', device);
    ip('link', 'set', device, 'up');
    const inside = (text: string) => ip('-n', namespace, ...text.split(' '));
    for (const each of ['link set lo up', 'link set eth0 up', `address add ${address} dev eth0`, ...routes])
      inside(each);
    return startEnd(t, new Namespace(namespace, commands), address.split('/')[0]!);
  };
  ip('link', 'set', 'lo', 'up');
  const surroundings = {
    container: await make('c', 'cont0', '10.5.1.1/24', '10.5.1.2/24', ['route add default via 10.5.1.1']),
    peer: await make('p', 'flannel.1', '10.5.1.0/32', '10.5.2.2/24', [
      'route add 10.5.1.0/24 via 10.5.1.0 dev eth0 onlink',
    ]),
    outside: await make('o', 'eth0', `${HOST_ADDRESS}/24`, '192.168.77.9/24', [
      `address add ${FORGED_ADDRESS}/32 dev lo`,
      `route add 10.5.1.0/24 via ${HOST_ADDRESS}`,
    ]),
  };
  ip('route', 'add', '10.5.2.0/24', 'dev', 'flannel.1', 'src', '10.5.1.0');
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  return surroundings;
}

/** Starts an end of knocks in a namespace that has this address; it ends with the test. */
export async function startEnd(t: Test, namespace: Namespace, address: string): Promise<End> {
  const program = new URL('knocks-end.js', import.meta.url);
  const firstSourcePort = SOURCE_PORTS.first + SOURCE_PORTS.each * ends++;
  const args = [String(PORT), String(firstSourcePort)];
  const { child } = await Child.start<KnockRequest, KnockReport>(namespace, program, args);
  t.teardown(() => child.kill());
  return { address, child };
}

/** As whom packets arrive, by where they arrive. */
export interface Arrivals {
  readonly container: readonly string[];
  readonly peer: readonly string[];
  readonly outside: readonly string[];
}

/**
 * Sends packets from everywhere to everywhere: to the container from its peer, from outside, and from outside with an
 * address of the network; from the container to both. Those from the container always arrive, whatever the firewall,
 * and are sent last: what has not come by then was dropped.
 */
export async function exchange({ container, peer, outside }: Surroundings): Promise<Arrivals> {
  const ends = [container, peer, outside];
  for (const { child } of ends) await child.ask({ kind: 'forget' });
  const send = (from: End, to: End, as?: string) =>
    from.child.ask({
      kind: 'send',
      address: to.address,
      count: PACKETS,
      ...(as !== undefined && { from: as }),
    });
  await send(outside, container, FORGED_ADDRESS);
  await send(outside, container);
  await send(peer, container);
  await send(container, peer);
  await send(container, outside);
  const deadline = Date.now() + LATEST_MS;
  for (;;) {
    const reports = await Promise.all(ends.map(({ child }) => child.ask({ kind: 'report' })));
    const [atContainer = [], atPeer = [], atOutside = []] = reports.map(({ arrivals }) =>
      Object.keys(arrivals).sort(),
    );
    if ((atPeer.length > 0 && atOutside.length > 0) || Date.now() > deadline)
      return { container: atContainer, peer: atPeer, outside: atOutside };
  }
}

/** Waits until these ends, which were started, have each made some more connections: time with traffic, without a clock. */
export async function flow(ends: readonly End[]): Promise<void> {
  for (const { child } of ends) {
    const { sent } = await child.ask({ kind: 'report' });
    while ((await child.ask({ kind: 'report' })).sent < sent + FLOW);
  }
}

/** Waits until so many packets have come, which must all be from this address. What the end had no room for has come, too. */
export async function allArriveAs(
  t: Test,
  { child }: End,
  sent: number,
  address: string,
  what: string,
): Promise<void> {
  const deadline = Date.now() + LATEST_MS;
  for (;;) {
    const { arrivals, overflowed } = await child.ask({ kind: 'report' });
    const come = { ...arrivals, [address]: (arrivals[address] ?? 0) + overflowed };
    const count = Object.values(come).reduce((sum, each) => sum + each, 0);
    if (count < sent && Date.now() < deadline) continue;
    t.same(come, { [address]: sent }, what);
    return;
  }
}

/** Runs a program of this namespace. @returns its standard output */
export function run(text: string, input?: string): string {
  const [program = '', ...args] = text.split(' ');
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: 'pipe',
    ...(input !== undefined && { input }),
  });
}

/** Everything that is in the packet filter, without counters. Legacy tables are only read where there are any. */
export function everything(): string {
  const { stdout: tables } = spawnSync('cat', ['/proc/self/net/ip_tables_names'], { encoding: 'utf8' });
  const saved = tables.trim() === '' ? '' : run('iptables-legacy-save');
  return `${run('nft list ruleset')}${saved}`.replace(
    /^#.*\n|\[\d+:\d+\]|counter packets \d+ bytes \d+ /gm,
    '',
  );
}

/** An empty packet filter, in which everything passes. */
export function flushAll(): void {
  run('nft flush ruleset');
  const tables = spawnSync('cat', ['/proc/self/net/ip_tables_names'], { encoding: 'utf8' }).stdout.split(
    '\n',
  );
  for (const table of tables.filter(name => name !== '')) {
    if (table === 'filter') run('iptables-legacy -P FORWARD ACCEPT');
    for (const flush of ['-F', '-X']) run(`iptables-legacy -t ${table} ${flush}`);
  }
}

/** All programs but these. */
export function without(t: Test, ...hidden: readonly string[]): FindProgram {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-programs-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (const variant of ['nft', 'legacy'])
    for (const suffix of ['', '-save', '-restore']) link(directory, `iptables-${variant}${suffix}`, hidden);
  link(directory, 'nft', hidden);
  return findIn([directory]);
}

function link(directory: string, name: string, hidden: readonly string[]): void {
  if (!hidden.includes(name)) symlinkSync(`/usr/sbin/${name}`, join(directory, name));
}

/** All programs, of which nft gets a line more behind each that masquerades, which it must refuse, until it is mended. */
export function spoilingNft(t: Test): { find: FindProgram; mend: () => void } {
  return replacing(
    t,
    'nft',
    `if [ "$1" = -f ]; then sed '/masquerade/a add rule ip no-such no-such accept' | /usr/sbin/nft "$@"
else exec /usr/sbin/nft "$@"; fi`,
  );
}

/** All programs, of which one fails when it is given this argument, until it is mended. */
export function failing(t: Test, program: string, argument: string): { find: FindProgram; mend: () => void } {
  return replacing(
    t,
    program,
    `[ "$1" = ${argument} ] && { echo no such luck >&2; exit 3; }
exec /usr/sbin/${program} "$@"`,
  );
}

function replacing(t: Test, program: string, lines: string): { find: FindProgram; mend: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-programs-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, program);
  writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  return { find: findIn([directory, '/usr/sbin']), mend: () => rmSync(file) };
}

/** Starts a keeper at work in this namespace; it ends with the test, and what it made stays. */
export function startKeeper(
  t: Test,
  wish: FirewallWish = WISH,
  find: FindProgram = findInstalled,
  hasNfTables?: () => Promise<boolean>,
) {
  return startKeeperOf(t, new SystemFirewall(find, hasNfTables), wish);
}

/** As above, of this firewall. */
export function startKeeperOf(t: Test, firewall: Firewall, wish: FirewallWish = WISH) {
  const log = pino({ level: 'silent' });
  const keeper = new FirewallKeeper({ firewall, names: NAMES, log, now: () => performance.now(), sleep });
  const abort = new AbortController();
  const running = keeper.run(abort.signal);
  keeper.want(wish);
  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
  };
  t.teardown(stop);
  return { keeper, stop };
}

/** Takes all that is ours away, as `selvedge cleanup` does. */
export async function removeOurs(): Promise<void> {
  const firewall = new SystemFirewall();
  const { removals } = planFirewall(undefined, await firewall.read(NAMES, true), NAMES);
  for (const change of removals) await firewall.apply(change);
}

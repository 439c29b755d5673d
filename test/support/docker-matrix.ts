/**
 * A host with a real dockerd and an agent, in all the ways in which the two may come together. The other host of the
 * overlay has a container of the lab's making; the machine with etcd on it is the world outside.
 */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Variant } from '../../src/dataplane/firewall/held.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { Namespace } from '../../src/demo/namespace.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { hostOf, leaseOf, subnetOf, type BackendName } from './cluster.js';
import { Docker } from './docker.js';
import {
  exchange,
  FORGED_ADDRESS,
  startEnd,
  type Arrivals,
  type End,
  type Surroundings,
} from './firewall-host.js';
import { createLab, SELVEDGE } from './lab.js';

/** What writes the masquerade, and the variant of iptables that dockerd uses. */
export interface Cell {
  readonly tool: 'nft' | 'iptables-nft' | 'iptables-legacy';
  readonly variant: Variant;
}

/** Legacy last: its tables stay once they are there. */
export const CELLS: readonly Cell[] = [
  { tool: 'nft', variant: 'nft' },
  { tool: 'iptables-nft', variant: 'nft' },
  { tool: 'iptables-legacy', variant: 'legacy' },
];

export interface DockerLab {
  readonly lab: Lab;
  /** The host with dockerd. */
  readonly host: Host;
  readonly docker: Docker;
  readonly peer: End;
  readonly outside: End;
  /** Whether agents that are started from now on find a program `nft`. */
  readonly hideNft: (isHidden: boolean) => Promise<void>;
  /** Runs a command on the host. @returns its standard output */
  readonly run: (text: string) => Promise<string>;
}

/** Makes the hosts; the one with dockerd has its lease and env files, and no agent any more. */
export async function makeDockerLab(t: Test, backend: BackendName): Promise<DockerLab> {
  const directory = await mkdtemp(join(tmpdir(), 'selvedge-docker-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const mark = join(directory, 'nft-is-hidden');
  const wrapper = join(directory, 'selvedge');
  // In a mount namespace of its own, whoever starts it.
  const hide = 'mount --bind /dev/null /usr/sbin/nft && exec "$@"';
  const script = `#!/bin/sh
[ "$1" = agent ] && [ -e '${mark}' ] &&
  exec unshare --mount --propagation private sh -c '${hide}' sh ${SELVEDGE.join(' ')} "$@"
exec ${SELVEDGE.join(' ')} "$@"
`;
  await writeFile(wrapper, script);
  await chmod(wrapper, 0o755);
  const lab = await createLab(t, { selvedge: [wrapper] });
  await lab.startEtcd();
  const range = { SubnetMin: '10.5.1.0', SubnetMax: '10.5.60.0' };
  await lab.setConfig({ Network: '10.5.0.0/16', ...range, Backend: { Type: backend } });
  for (let i = 0; i < 2; i++) await (await lab.addHost()).startAgent(['--ip-masq']);
  const [host, other] = [hostOf(lab, 1), hostOf(lab, 2)];
  for (const each of lab.hosts) await each.waitForHealth(1);
  await host.stopAgent();
  const container = await other.addContainer();
  const world = new Namespace(`${lab.id}-etcd`, lab.commands);
  await world.ip('address', 'add', `${FORGED_ADDRESS}/32`, 'dev', 'lo');
  await world.ip('route', 'add', subnetOf(await leaseOf(lab, host)), 'via', host.address);
  return {
    lab,
    host,
    docker: await Docker.create(lab, host),
    peer: await startEnd(t, container.namespace, container.address),
    outside: await startEnd(t, world, '192.168.77.254'),
    hideNft: isHidden => (isHidden ? writeFile(mark, '') : rm(mark, { force: true })),
    run: text => lab.commands.must(host.namespace.argv(text.split(' '))),
  };
}

/** Takes all from the packet filter, and turns forwarding off: a host that has just booted. */
export async function startOver({ host, docker, run }: DockerLab): Promise<void> {
  if (host.agent?.code === undefined) await host.stopAgent();
  await docker.stop();
  await run('nft flush ruleset');
  const names = await host.namespace.exec(['cat', '/proc/self/net/ip_tables_names']);
  for (const table of names.stdout.split('\n').filter(name => name !== '')) {
    if (table === 'filter') await run('iptables-legacy -P FORWARD ACCEPT');
    for (const flush of ['-F', '-X']) await run(`iptables-legacy -t ${table} ${flush}`);
  }
  await host.namespace.exec(['ip', 'link', 'del', 'docker0']);
  await run('sysctl -q -w net.ipv4.ip_forward=0');
}

/** Waits until the agent says that masquerade and FORWARD are as they should be. */
export async function waitForFirewall(
  { lab, host }: DockerLab,
  { tool, variant }: Cell,
): Promise<StatusDocument> {
  const status = await lab.waitFor({
    what: `the firewall of ${host.name} by ${tool}, and FORWARD of ${variant}`,
    intervalMs: 200,
    read: () => host.status(),
    until: seen =>
      seen?.firewall?.masquerade?.inPlace === true &&
      seen.firewall.masquerade.tool === tool &&
      seen.firewall.forward.some(each => each.tool === `iptables-${variant}` && each.inPlace),
  });
  return status!;
}

/** Takes our rules away by hand, whoever is there to put them back or not. */
export async function removeRules({ run }: DockerLab, { tool, variant }: Cell): Promise<void> {
  if (tool === 'nft') await run('nft delete table ip selvedge-net');
  else await run(`${tool} -t nat -F SELVEDGE-MASQ-net`);
  await run(`iptables-${variant} -F SELVEDGE-FWD-net`);
}

/** Starts a container of Docker's, between its peer and the world. */
export async function startContainer(t: Test, { docker, peer, outside }: DockerLab): Promise<Surroundings> {
  const { namespace, address } = await docker.run();
  return { container: await startEnd(t, namespace, address), peer, outside };
}

/** Exchanges packets until as whom they arrive is what is expected: the first ones may be lost to bridges that learn. */
export async function arriveAs(
  t: Test,
  around: Surroundings,
  expected: Arrivals,
  what: string,
): Promise<void> {
  let seen = await exchange(around);
  for (let tries = 1; tries < 5 && JSON.stringify(seen) !== JSON.stringify(expected); tries++)
    seen = await exchange(around);
  t.same(seen, expected, what);
}

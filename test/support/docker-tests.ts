/** An agent beside a real dockerd: with each program that writes rules, whoever of the two came first. */
import type { Test } from 'tap';
import type { BackendName } from './cluster.js';
import {
  arriveAs,
  CELLS,
  makeDockerLab,
  removeRules,
  startContainer,
  startOver,
  waitForFirewall,
  type Cell,
  type DockerLab,
} from './docker-matrix.js';
import { allArriveAs, FORGED_ADDRESS, type Surroundings } from './firewall-host.js';

const ORDERS = ['Docker before us', 'Docker after us'] as const;
const MASQUERADE = ['--ip-masq'];

async function startDropping(t: Test, { docker, run }: DockerLab, { variant }: Cell): Promise<void> {
  await docker.start(variant);
  t.match(await run(`iptables-${variant} -S FORWARD`), /^-P FORWARD DROP$/m, 'FORWARD drops');
}

/** Only on host-gw, where the overlay has no device of its own, an address of the network opens the way. */
const kept = ({ container, peer }: Surroundings, { host }: DockerLab, backend: BackendName) => ({
  container: backend === 'host-gw' ? [peer.address, FORGED_ADDRESS].sort() : [peer.address],
  peer: [container.address],
  outside: [host.address],
});

/** The tests of one backend. */
export async function testBesideDocker(t: Test, backend: BackendName): Promise<void> {
  const given = await makeDockerLab(t, backend);
  const { host, docker, run } = given;

  for (const cell of CELLS) {
    for (const order of ORDERS) {
      await t.test(`${cell.tool}, ${order}`, async t => {
        await startOver(given);
        await given.hideNft(cell.tool !== 'nft');
        if (order === 'Docker before us') await startDropping(t, given, cell);
        await host.startAgent(MASQUERADE);
        await host.waitForHealth(1);
        if (order === 'Docker after us') await startDropping(t, given, cell);
        const { problems } = await waitForFirewall(given, cell);
        t.same(problems, []);
        const around = await startContainer(t, given);
        await arriveAs(t, around, kept(around, given, backend), 'with our rules');
        await host.stopAgent();
        await removeRules(given, cell);
        const own = [around.container.address];
        await arriveAs(t, around, { container: [], peer: own, outside: own }, 'our rules taken away');
      });
    }
  }

  await t.test('dockerd restarted; what DOCKER-USER drops stays dropped', async t => {
    const [cell] = CELLS as [Cell];
    await startOver(given);
    await given.hideNft(false);
    await startDropping(t, given, cell);
    await host.startAgent(MASQUERADE);
    await waitForFirewall(given, cell);
    await docker.stop();
    await docker.start(cell.variant);
    const around = await startContainer(t, given);
    const expected = kept(around, given, backend);
    await arriveAs(t, around, expected, 'after the restart');
    const neighbour = (await startContainer(t, given)).container;
    await around.container.child.ask({ kind: 'send', address: neighbour.address, count: 1 });
    const own = around.container.address;
    await allArriveAs(t, neighbour, 1, own, 'on one bridge, too, containers see who sends');
    await run('iptables-nft -I DOCKER-USER -d 10.5.0.0/16 ! -i docker0 -j DROP');
    await arriveAs(t, around, { ...expected, container: [] }, 'an admin has the last word');
  });

  await t.test('Docker without iptables: nothing drops, and nothing is added', async t => {
    await startOver(given);
    await docker.start('nft', ['--iptables=false']);
    await host.startAgent(MASQUERADE);
    const status = await host.waitForHealth(1);
    t.match(status.firewall, { masquerade: { tool: 'nft', inPlace: true }, forward: [] });
    t.notMatch(await run('nft list ruleset'), /SELVEDGE/);
    const around = await startContainer(t, given);
    await arriveAs(
      t,
      around,
      {
        ...kept(around, given, backend),
        container: [around.outside.address, around.peer.address, FORGED_ADDRESS].sort(),
      },
      'all reach all',
    );
  });
}

/** etcd goes away, loses leases or loses everything, with numbered packets flowing: nobody's containers notice. */
import { rm } from 'node:fs/promises';
import t from 'tap';
import type { Lab } from '../../src/demo/lab.js';
import { containerOf, hostOf, leaseKeys, overlayRoutes, startCluster, subnetOf } from '../support/cluster.js';
import { noneLost, packetsBetween } from '../support/uninterrupted.js';

/** Packets in each direction before, between and after what is tested. */
const SOME_PACKETS = 1_000;
/** Time enough for the hosts of a test to come back. */
const SHORT_GRACE = ['--doubt-grace', '15s'];

/** Waits until etcd lists exactly these subnets. */
async function waitForSubnets(lab: Lab, what: string, subnets: readonly string[]): Promise<void> {
  await lab.waitFor({
    what,
    read: async () => (await leaseKeys(lab)).map(subnetOf).sort(),
    until: seen => seen.join() === [...subnets].sort().join(),
  });
}

t.test('etcd is wiped: all come back on their subnets, and no packet is lost', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const subnets = (await leaseKeys(lab)).map(subnetOf);
  const routes = await overlayRoutes(hostOf(lab, 1));
  const stream = await packetsBetween(t, containerOf(hostOf(lab, 1)), containerOf(hostOf(lab, 2)));
  await stream.flow(SOME_PACKETS);

  await lab.etcd.stop('SIGKILL');
  await rm(`${lab.directory}/etcd/data`, { recursive: true });
  await lab.etcd.start();
  await waitForSubnets(lab, 'both hosts to register again', subnets);
  const status = await lab.waitFor({
    what: 'the doubt in the status',
    read: () => hostOf(lab, 1).status(),
    until: seen => seen?.etcd.doubt?.keptPeers === 0,
  });
  t.match(status?.problems, [{ code: 'etcd-doubt' }, { code: 'config-missing' }]);
  t.equal((await lab.etcd.ctl('get', '/net/config')).trim(), '', 'nobody wrote the config');
  await stream.flow(SOME_PACKETS);
  await noneLost(t, stream);
  t.same(await overlayRoutes(hostOf(lab, 1)), routes, 'routes are as before');
});

t.test('etcd is wiped while the agents are down: they come back as they were, a new host waits', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const subnets = (await leaseKeys(lab)).map(subnetOf);
  const document = await lab.etcd.ctl('get', '--print-value-only', '/net/config');
  for (const host of lab.hosts) await host.stopAgent();
  await lab.etcd.stop('SIGKILL');
  await rm(`${lab.directory}/etcd/data`, { recursive: true });

  // etcd is away yet: nothing is taken from the kernel, and what is awaited is said.
  const one = hostOf(lab, 1);
  const routes = await overlayRoutes(one);
  await one.startAgent(SHORT_GRACE);
  const waiting = await lab.waitFor({
    what: 'host1 to say what it waits for',
    read: () => one.status(),
    until: seen => seen?.etcd.lastError != null,
  });
  t.match(waiting?.awaiting, /^etcd to answer, then for 10\.5\.\d+\.0\/24 again/);
  t.same(await overlayRoutes(one), routes, 'routes are as before');

  await lab.etcd.start();
  await hostOf(lab, 2).startAgent(SHORT_GRACE);
  await waitForSubnets(lab, 'both hosts to register again', subnets);
  const fresh = await lab.addHost();
  await fresh.startAgent();
  const status = await lab.waitFor({
    what: 'host1 to run with its copy of the config',
    read: () => one.status(),
    until: seen => seen?.phase === 'running' && seen.peers.length === 1,
  });
  t.match(status?.config, { state: 'missing', source: 'state' });
  t.equal((await lab.etcd.ctl('get', '/net/config')).trim(), '', 'nobody wrote the config');
  const missing = status?.problems.find(({ code }) => code === 'config-missing');
  await lab.waitFor({
    what: 'the new host to wait for a config',
    read: () => fresh.status(),
    until: seen => seen?.phase === 'waiting-for-config',
  });

  await lab.commands.must(one.namespace.argv(['sh', '-c', missing!.next]));
  t.same(
    JSON.parse(await lab.etcd.ctl('get', '--print-value-only', '/net/config')),
    JSON.parse(document),
    'the command that status names brings the config back',
  );
  for (const host of lab.hosts) await host.waitForHealth(2);
  t.match((await one.status())?.config, { state: 'running', source: 'etcd' });
});

t.test(
  'etcd is wiped while the agents are down: a restarted one cuts nobody off, and no packet is lost',
  async t => {
    const lab = await startCluster(t);
    const [one, two, three] = [hostOf(lab, 1), hostOf(lab, 2), hostOf(lab, 3)];
    const routes = await overlayRoutes(one);
    const third = (await three.status())?.lease?.subnet;
    const document = await lab.etcd.ctl('get', '--print-value-only', '/net/config');
    const stream = await packetsBetween(t, containerOf(hostOf(lab, 1)), containerOf(hostOf(lab, 2)));
    for (const host of lab.hosts) await host.stopAgent();
    await lab.etcd.stop('SIGKILL');
    await rm(`${lab.directory}/etcd/data`, { recursive: true });
    await lab.etcd.start();
    await lab.setConfig(document.trim());

    await one.startAgent(SHORT_GRACE);
    const status = await lab.waitFor({
      what: 'host1 to run alone',
      read: () => one.status(),
      until: seen => seen?.phase === 'running',
    });
    t.match(status?.problems, [{ code: 'etcd-doubt', seen: /the lease that we had is gone/ }]);
    t.same(await overlayRoutes(one), routes, 'its routes are as before');
    await stream.flow(SOME_PACKETS);

    await two.startAgent(SHORT_GRACE);
    for (const host of [one, two]) await host.waitForHealth(1);
    t.same(
      await overlayRoutes(one),
      routes.filter(({ dst }) => dst !== third),
      'who never came back is gone when the doubt is over',
    );
    await stream.flow(SOME_PACKETS);
    await noneLost(t, stream);
  },
);

t.test(
  'etcd is out of reach for longer than the leases last: the same subnets again, and no packet is lost',
  async t => {
    const lab = await startCluster(t, {
      hosts: 2,
      agentOptions: ['--lease-ttl', '5s', '--doubt-grace', '20s'],
    });
    const subnets = (await leaseKeys(lab)).map(subnetOf);
    const stream = await packetsBetween(t, containerOf(hostOf(lab, 1)), containerOf(hostOf(lab, 2)));
    await stream.flow(SOME_PACKETS);

    await lab.underlay.setCable('etcd', 'cut');
    await waitForSubnets(lab, 'all leases to expire', []);
    await stream.flow(SOME_PACKETS);
    await lab.underlay.setCable('etcd', 'whole');
    await waitForSubnets(lab, 'both hosts to register again', subnets);
    for (const host of lab.hosts) await host.waitForHealth(1);
    await stream.flow(SOME_PACKETS);
    await noneLost(t, stream);
  },
);

t.test('a subnet that another host has taken meanwhile is left to it', async t => {
  const lab = await startCluster(t, { hosts: 2, agentOptions: ['--lease-ttl', '5s', '--doubt-grace', '5s'] });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const before = (await one.waitForHealth(1)).lease!;
  await lab.underlay.setCable(one.name, 'cut');
  const theirs =
    '{"PublicIP":"192.168.77.99","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:99"}}';
  await lab.waitFor({
    what: 'the lease to expire',
    read: async () => (await leaseKeys(lab)).map(({ key }) => key),
    until: keys => !keys.includes(before.key),
  });
  await lab.etcd.ctl('put', before.key, theirs);
  await lab.underlay.setCable(one.name, 'whole');

  // The container bridge still has the old subnet: said, because its route stands in the way of the new owner's.
  const after = await lab.waitFor({
    what: 'another subnet on host1, and a word on the bridge',
    read: () => one.status(),
    until: seen =>
      seen?.lease != null &&
      seen.lease.subnet !== before.subnet &&
      seen.problems.some(({ code, seen: what }) => code === 'route-conflict' && what.includes(before.subnet)),
  });
  const changed = after?.problems.find(({ code }) => code === 'subnet-changed');
  t.match(changed, {
    severity: 'error',
    seen: /which 192\.168\.77\.99 holds now; address .* dev br0 is still of it$/,
  });
  t.match(changed?.seen, `it was ${before.subnet}`);
  const key = (await leaseKeys(lab)).find(each => each.key === before.key);
  t.equal(key?.value, theirs, 'their key is untouched');
  t.match(one.agent!.log(), /lost/);
  const own = after!.lease!.subnet;
  await lab.waitFor({
    what: 'the new subnet in the env file',
    read: () => one.waitForSubnet(),
    until: text => text.includes(`FLANNEL_SUBNET=${own.replace('.0/24', '.1/24')}`),
  });
  await lab.waitFor({
    what: 'host2 to follow',
    read: () => overlayRoutes(two),
    until: routes => [before.subnet, own].every(subnet => routes.some(({ dst }) => dst === subnet)),
  });
});

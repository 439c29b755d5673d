/** Who a lease belongs to: two hosts with one public IP, a host installed anew, leases lost and given back on purpose. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import {
  containerOf,
  hostOf,
  leaseKeys,
  leaseOf,
  overlayRoutes,
  startCluster,
  subnetOf,
} from '../support/cluster.js';
import { noneLost, packetsBetween } from '../support/uninterrupted.js';

const SOME_PACKETS = 1_000;
/** Hosts of one lab have one machine id: what stands for another machine. */
const OTHER_NODE = 'a'.repeat(32);
/** The shorter the lease, the sooner a holder that does not refresh it is silent: here after 7 s. */
const SHORT = ['--lease-ttl', '10s'];

async function setNodeId(host: Host, id: string): Promise<void> {
  await writeFile(join(host.files.stateDir, 'node-id'), `${id}\n`);
}

/** Waits until the agent has ended by itself. @returns its exit code */
async function exitOf(lab: Lab, host: Host): Promise<number | undefined> {
  return lab.waitFor({
    what: `the agent on ${host.name} to end`,
    read: async () => Promise.resolve(host.agent?.code),
    until: code => code !== undefined,
  });
}

async function waitForKeys(lab: Lab, what: string, keys: readonly string[]): Promise<void> {
  await lab.waitFor({
    what,
    read: async () => (await leaseKeys(lab)).map(({ key }) => key).sort(),
    until: seen => seen.join() === [...keys].sort().join(),
  });
}

t.test('two hosts with one public IP: the second refuses to start, the first loses no packet', async t => {
  const lab = await startCluster(t, { hosts: 2, agentOptions: SHORT });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const before = await leaseOf(lab, one);
  const stream = await packetsBetween(t, containerOf(one), containerOf(two));
  await stream.flow(SOME_PACKETS);

  const third = await lab.addHost();
  await setNodeId(third, OTHER_NODE);
  await third.startAgent([...SHORT, '--public-ip', one.address]);
  const waiting = await lab.waitFor({
    what: 'the wait in the status, or its end',
    read: async () => (await third.status())?.awaiting ?? (third.agent?.code === undefined ? null : 'ended'),
    until: seen => seen !== null && /lives:|ended/.test(seen),
  });
  t.match(waiting, new RegExp(`^whether ${hostname()} .*lives: without a sign of it until |^ended$`));
  t.equal(await exitOf(lab, third), 2);
  t.match(
    third.agent!.log(),
    new RegExp(
      `selvedge agent: duplicate public IP ${one.address}, held by ${hostname()} \\(node [0-9a-f]{32}\\) since `,
    ),
  );
  t.same(await leaseOf(lab, one), before, 'the key was not touched');
  await stream.flow(SOME_PACKETS);
  await noneLost(t, stream);
});

t.test('a host installed anew has its subnet again once the lease is silent, whatever etcd does', async t => {
  const lab = await startCluster(t, { hosts: 3 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const host = hostOf(lab, 3);
  const short = ['--lease-ttl', '30s'];
  await host.stopAgent();
  await host.startAgent(short);
  await host.waitForHealth(2);
  const before = await leaseOf(lab, host);
  const stream = await packetsBetween(t, containerOf(one), containerOf(two));
  await host.reboot();
  await rm(host.files.stateDir, { recursive: true });
  await mkdir(host.files.stateDir);
  await setNodeId(host, OTHER_NODE);

  await host.startAgent(short);
  const waiting = await lab.waitFor({
    what: 'the wait in the status',
    read: async () => (await host.status())?.awaiting,
    until: seen => seen?.includes(' lives: ') === true,
  });
  t.match(waiting, /^whether .* lives: without a sign of it until .* it counts as gone$/);
  // etcd gives every lease its whole time again when it starts, as when it elects a leader. No host has refreshed this one.
  await lab.etcd.stop();
  await lab.etcd.start();
  await host.waitForHealth(2);
  const after = await leaseOf(lab, host);
  t.equal(after.key, before.key);
  t.not(after.lease, before.lease, 'under an etcd lease of its own');
  t.match(after.value, new RegExp(`"Selvedge":{"NodeID":"${OTHER_NODE}"`));
  t.match(host.agent!.log(), /taken over from .*: nobody refreshes it any more/);
  await one.waitForHealth(2);
  await stream.flow(SOME_PACKETS);
  await noneLost(t, stream);
});

t.test(
  'whose key names another node: no fight, the data plane stays, and it is ours again in the end',
  async t => {
    const lab = await startCluster(t, { hosts: 2, agentOptions: SHORT });
    const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
    const before = await leaseOf(lab, one);
    const routes = await overlayRoutes(one);
    const stream = await packetsBetween(t, containerOf(one), containerOf(two));
    const [, id] = /lease (\w+) granted/.exec(await lab.etcd.ctl('lease', 'grant', '30'))!;
    const theirs = before.value.replace(/"NodeID":"\w+"/, `"NodeID":"${OTHER_NODE}"`);
    t.not(theirs, before.value);
    await lab.etcd.ctl('put', before.key, theirs, `--lease=${id}`);
    const status = await lab.waitFor({
      what: 'the duplicate in the status',
      intervalMs: 1_000,
      read: async () => {
        await lab.etcd.ctl('lease', 'keep-alive', '--once', id!);
        return one.status();
      },
      until: seen => seen?.problems.some(({ code }) => code === 'duplicate-public-ip') === true,
    });
    t.equal(status?.phase, 'running');
    t.same(await overlayRoutes(one), routes);
    t.equal((await leaseOf(lab, one)).value, theirs, 'the key was not touched');
    const lines = one.agent!.log().split('\n');
    t.equal(lines.filter(line => line.includes('duplicate public IP')).length, 1);

    // Nobody refreshes it from now on.
    await one.waitForHealth(1);
    const after = await leaseOf(lab, one);
    t.equal(after.key, before.key);
    t.match(after.value, /"NodeID":"(?!a{32})/);
    await stream.flow(SOME_PACKETS);
    await noneLost(t, stream);
  },
);

t.test('--on-revoke: an admin deletes the key of a host', async t => {
  const lab = await startCluster(t, { hosts: 1 });
  const stays = hostOf(lab, 1);
  const leaves = await lab.addHost();
  await leaves.startAgent(['--on-revoke', 'exit']);
  await leaves.waitForHealth(1);
  const routes = await overlayRoutes(leaves);
  const [kept, gone] = [await leaseOf(lab, stays), await leaseOf(lab, leaves)];

  await lab.etcd.ctl('del', kept.key);
  await waitForKeys(lab, 'the lease to be acquired again', [kept.key, gone.key]);
  t.equal(stays.agent!.code, undefined);

  await lab.etcd.ctl('lease', 'revoke', BigInt(gone.lease).toString(16));
  t.equal(await exitOf(lab, leaves), 0);
  t.match(leaves.agent!.log(), new RegExp(`our lease of ${subnetOf(gone)} was deleted in etcd: leaving`));
  t.same(await overlayRoutes(leaves), routes, 'the data plane stays');
  await waitForKeys(lab, 'nothing to be acquired', [kept.key]);

  await leaves.startAgent();
  await leaves.waitForHealth(1);
  t.equal(
    (await leaseOf(lab, leaves)).key,
    gone.key,
    'its subnet is asked for at the next start, without a doubt',
  );
});

t.test('--release-on-exit: the other hosts forget this one, and it comes back to its subnet', async t => {
  const lab = await startCluster(t, { hosts: 2, agentOptions: ['--release-on-exit'] });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const before = await leaseOf(lab, one);
  const routes = await overlayRoutes(one);
  t.equal(await one.stopAgent(), 0);
  await waitForKeys(lab, 'the key to be gone', [(await leaseOf(lab, two)).key]);
  await two.waitForHealth(0);
  t.same(await overlayRoutes(one), routes, 'its own data plane stays');

  await one.startAgent();
  await one.waitForHealth(1);
  t.equal((await leaseOf(lab, one)).key, before.key);
  await one.stopAgent();
  t.equal((await leaseOf(lab, one)).key, before.key, 'without the option it stays');

  await one.startAgent(['--release-on-exit']);
  await one.waitForHealth(1);
  await lab.underlay.setCable('etcd', 'cut');
  t.equal(await one.stopAgent(), 0, 'etcd that is away holds nobody up');
});

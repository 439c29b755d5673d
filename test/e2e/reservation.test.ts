/** Reservations with real agents: made before a host comes, and made and ended under one that runs. */
import t from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import type { LeaseStatus, StatusDocument } from '../../src/daemon/status.js';
import { containerOf, hostOf, leaseKeys, leaseOf, startCluster, subnetOf } from '../support/cluster.js';
import { createLab, SELVEDGE } from '../support/lab.js';
import { noneLost, packetsBetween } from '../support/uninterrupted.js';

/** Runs `selvedge leases …` on the host. @returns its answer */
async function leases(lab: Lab, host: Host, ...words: string[]): Promise<string> {
  const etcd = ['--etcd-endpoints', lab.endpoint, '--etcd-prefix', lab.prefix];
  const { code, stdout, stderr } = await host.namespace.exec([...SELVEDGE, 'leases', ...words, ...etcd]);
  if (code !== 0) throw new Error(`leases ${words.join(' ')}: exit code ${code}: ${stderr}`);
  return stdout;
}

/** Waits until the agent's status tells this of its lease. */
async function leaseBecomes(
  lab: Lab,
  host: Host,
  what: string,
  until: (lease: LeaseStatus) => boolean,
): Promise<StatusDocument> {
  const status = await lab.waitFor({
    what: `the lease of ${host.name} to be ${what}`,
    read: () => host.status(),
    until: seen => seen?.lease != null && until(seen.lease),
  });
  return status!;
}

const isReservation = ({ etcdLease, renewedAt, expiresAt }: LeaseStatus) =>
  etcdLease === null && renewedAt === null && expiresAt === null;

t.test('a subnet reserved before its host comes is its own, and stays reserved', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  // Room for two: a host that took what is reserved would do so every other time.
  await lab.setConfig({ Network: '10.5.0.0/16', SubnetMin: '10.5.1.0', SubnetMax: '10.5.2.0' });
  const [one, two] = [await lab.addHost(), await lab.addHost()];
  const said = await leases(lab, one, 'reserve', '10.5.2.0/24', '--public-ip', two.address);
  t.match(said, `10.5.2.0/24 is reserved for ${two.address}`);

  await one.startAgent();
  const alone = await one.waitForHealth(0);
  t.equal(alone.lease?.subnet, '10.5.1.0/24', 'it is nobody else’s');
  t.match(alone.setAside, [{ code: 'reserved' }]);
  const listed = await leases(lab, one);
  t.comment(listed);
  t.match(listed, /^1 leased, 1 reserved \(1 unused\) · 0 of 2 subnets free/);

  await two.startAgent();
  await two.waitForHealth(1);
  for (const begin of ['first', 'again']) {
    const { lease } = (await two.status())!;
    t.match(lease, { subnet: '10.5.2.0/24', etcdLease: null, expiresAt: null }, begin);
    t.match(await leaseOf(lab, two), { lease: '0', value: /"BackendType":"vxlan"/ });
    if (begin === 'again') break;
    await two.stopAgent();
    await two.startAgent();
    await two.waitForHealth(1);
  }
  t.equal((await one.waitForHealth(1)).setAside.length, 0);
  t.equal((await leaseKeys(lab)).length, 2);
});

t.test('reserved and released under the agent and its traffic', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const before = await leaseOf(lab, one);
  const subnet = subnetOf(before);
  const stream = await packetsBetween(t, containerOf(one), containerOf(two));
  await stream.flow(1_000);

  t.match(await leases(lab, two, 'reserve', subnet, '--public-ip', one.address), 'is a reservation now');
  const reserved = await leaseBecomes(lab, one, 'a reservation', isReservation);
  t.equal(reserved.verdict, 'healthy');
  t.match(await leaseOf(lab, one), { lease: '0', value: before.value });
  await stream.flow(1_000);

  t.match(await leases(lab, two, 'release', subnet), 'is an ordinary lease again');
  const released = await leaseBecomes(lab, one, 'renewed', ({ renewedAt }) => renewedAt !== null);
  const after = await leaseOf(lab, one);
  t.equal(after.value, before.value);
  t.equal(released.lease?.etcdLease, BigInt(after.lease).toString(16), 'status tells of the new etcd lease');
  t.not(after.lease, before.lease);
  t.ok(released.lease?.expiresAt);
  await stream.flow(1_000);

  await noneLost(t, stream);
  t.comment(await leases(lab, two));
});

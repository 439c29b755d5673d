/**
 * Three etcd members with TLS, and numbered packets across the overlay: a member dies, one hangs, none answers any more;
 * and a host is cut off from all of them for longer than its lease lasts.
 */
import t, { type Test } from 'tap';
import type { StatusDocument } from '../../src/daemon/status.js';
import type { Host } from '../../src/demo/host.js';
import { hostOf, subnetOf } from '../support/cluster.js';
import { Members } from '../support/members.js';
import { asProgrammed, keyOf, peerByHand, programmed, valueOf } from '../support/peers-by-hand.js';
import { uninterrupted } from '../support/uninterrupted.js';

/** Renewed every 8 s; a busy machine notices late that nothing is answered, and before 16 s have gone it must have healed. */
const TTL = '24s';

/** A peer joins: written to etcd, and programmed by these hosts. */
async function joins(members: Members, number: number, hosts: readonly Host[]): Promise<void> {
  const peer = peerByHand(number);
  await members.etcdctl('put', keyOf(peer), valueOf(peer));
  for (const host of hosts) {
    await members.lab.waitFor({
      what: `${host.name} to know of peer ${number}`,
      read: () => programmed(host),
      until: seen => seen.includes(asProgrammed(peer)),
    });
  }
}

/** Waits until what a host says of itself is as described. */
async function says(
  members: Members,
  host: Host,
  what: string,
  until: (status: StatusDocument) => boolean,
): Promise<StatusDocument> {
  const status = await members.lab.waitFor({
    what: `${host.name}: ${what}`,
    read: () => host.status(),
    until: seen => seen !== undefined && until(seen),
  });
  return status!;
}

async function renewed(members: Members, hosts: readonly Host[], since: number): Promise<void> {
  for (const host of hosts) {
    const isLater = ({ lease }: StatusDocument) => Date.parse(lease?.renewedAt ?? '') > since;
    await says(members, host, 'renews its lease', isLater);
  }
}

t.test('three members with TLS', async t => {
  const members = await Members.start(t, {
    hosts: 3,
    agentOptions: ['--lease-ttl', TTL, '--doubt-grace', '5s'],
  });
  const [one, two, three] = [hostOf(members.lab, 1), hostOf(members.lab, 2), hostOf(members.lab, 3)];
  const all = [one, two, three];
  const before = await members.leases();
  const leasesAreAsBefore = async (t: Test) => {
    const now = (await members.leases()).filter(({ key }) => before.some(each => each.key === key));
    t.same(now, before, 'no key of a host was written');
  };

  await t.test('the leader is killed', async t => {
    const leader = await members.leader();
    await uninterrupted(t, one, two, async () => {
      await leader.stop('SIGKILL');
      const killed = Date.now();
      await joins(members, 100, all);
      await renewed(members, all, killed);
    });
    await leader.start();
    await leasesAreAsBefore(t);
  });

  await t.test('the member in use hangs', async t => {
    const used = await members.inUse(one);
    await uninterrupted(t, one, two, async () => {
      used.freeze();
      const frozen = Date.now();
      await joins(members, 101, [one]);
      await renewed(members, [one], frozen);
    });
    used.thaw();
    await leasesAreAsBefore(t);
  });

  for (const [what, kind, missed, next] of [
    ['requests arrive and answers do not', 'one-way', 102, 103],
    ['connections stay open and carry nothing', 'stall', 104, 105],
  ] as const) {
    await t.test(what, async t => {
      const proxies = members.proxiesOf(one);
      const isMissed = async () => (await programmed(one)).includes(asProgrammed(peerByHand(missed)));
      await uninterrupted(t, one, two, async () => {
        await proxies.ask({ kind });
        const stalled = Date.now();
        await joins(members, missed, [two]);
        await says(members, one, 'notices that etcd is away', ({ etcd }) => !etcd.connected);
        t.comment(`noticed after ${((Date.now() - stalled) / 1000).toFixed(1)} s`);
        t.notOk(await isMissed(), 'it is deaf');
        await proxies.ask({ kind: 'heal' });
        await joins(members, next, [one]);
        t.ok(await isMissed(), 'nothing of that time was missed');
      });
      t.same((await members.leases()).map(subnetOf).filter(isOfRange), before.map(subnetOf));
    });
  }

  await t.test('a lease expires behind a cut, and the subnet is given to another host', async t => {
    const { subnet, key } = (await says(members, one, 'has a lease', ({ lease }) => lease !== null)).lease!;
    const proxies = members.proxiesOf(one);
    const theirs = valueOf(peerByHand(99));
    await uninterrupted(t, two, three, async () => {
      await proxies.ask({ kind: 'cut' });
      await members.lab.waitFor({
        what: 'the lease to expire',
        read: () => members.leases(),
        until: leases => leases.every(lease => lease.key !== key),
      });
      await members.etcdctl('put', key, theirs);
      await proxies.ask({ kind: 'heal' });
      const moved = await says(
        members,
        one,
        'has another subnet',
        ({ lease }) => lease !== null && lease.subnet !== subnet,
      );
      const own = moved.lease!.subnet;
      for (const host of [two, three]) {
        await members.lab.waitFor({
          what: `${host.name} to follow both`,
          read: () => programmed(host),
          until: seen =>
            seen.some(line => line.startsWith(`${own} `) && line.endsWith(one.address)) &&
            seen.some(line => line.startsWith(`${subnet} `) && line.endsWith(peerByHand(99).publicIp)),
        });
      }
    });
    const now = await members.leases();
    t.equal(now.find(lease => lease.key === key)?.value, theirs, 'their key is untouched');
    t.match(one.agent!.log(), new RegExp(`"level":[45]0.*${subnet.replaceAll('.', '\\.')}.*(taken|expired)`));
  });
});

/** The third byte of what agents choose is below 61, that of peers by hand above. */
function isOfRange(subnet: string): boolean {
  return Number(subnet.split('.')[2]) <= 60;
}

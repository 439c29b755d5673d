/**
 * What three etcd members tell is not all that happened, with numbered packets across the overlay: history is compacted
 * behind a cut, a long catch-up is cut again, and data goes back in time or is lost.
 */
import { join } from 'node:path';
import t from 'tap';
import type { Host } from '../../src/demo/host.js';
import { hostOf, overlayRoutes, subnetOf } from '../support/cluster.js';
import { Members } from '../support/members.js';
import {
  asProgrammed,
  keyOf,
  peerByHand,
  programmed,
  valueOf,
  type PeerByHand,
} from '../support/peers-by-hand.js';
import { uninterrupted } from '../support/uninterrupted.js';

/** 5,000 revisions. */
const PEERS = 50;
const CHANGES = 100;
/** Of the answers to a catch-up: less than all, more than etcd tells at once. */
const CUT_BYTES = 400_000;

/** Cuts a host off from all members, and waits until it knows. */
async function cutOff(members: Members, host: Host): Promise<void> {
  await members.proxiesOf(host).ask({ kind: 'cut' });
  await members.lab.waitFor({
    what: `${host.name} to notice that etcd is away`,
    read: () => host.status(),
    until: status => status?.etcd.connected === false,
  });
}

/** Waits until the host has these peers by hand and no others. */
async function has(members: Members, host: Host, peers: readonly PeerByHand[]): Promise<void> {
  const wanted = peers.map(asProgrammed).sort();
  await members.lab.waitFor({
    what: `${host.name} to have ${peers.length} peers by hand`,
    read: async () => (await programmed(host)).filter(line => !/^10\.5\.\d\d?\.0\/24 /.test(line)),
    until: seen => seen.join() === wanted.join(),
  });
}

async function subnetsInEtcd(members: Members): Promise<string[]> {
  const subnets = (await members.leases()).map(subnetOf);
  return subnets.filter(subnet => /^10\.5\.\d\d?\.0/.test(subnet)).sort();
}

t.test('three members with TLS', async t => {
  const members = await Members.start(t, { hosts: 2 });
  const { lab } = members;
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const changed = { ...peerByHand(100, 1), publicIp: '192.168.77.200' };
  /** So many that one that goes is no reason to doubt etcd. */
  const others = [101, 102, 103, 104, 105].map(number => peerByHand(number));

  await t.test('history is compacted while a host is cut off and its peers change', async t => {
    const [stays, goes] = [peerByHand(100), peerByHand(106)];
    const before = [stays, goes, ...others];
    await members.write([before.map(peer => [keyOf(peer), valueOf(peer)])]);
    await has(members, one, before);
    await uninterrupted(t, one, two, async () => {
      await cutOff(members, one);
      await members.etcdctl('put', keyOf(stays), valueOf(changed));
      const deleted = await members.etcdctl('del', keyOf(goes), '--write-out=json');
      await members.etcdctl('compact', /"revision":(\d+)/.exec(deleted)![1]!);
      await members.proxiesOf(one).ask({ kind: 'heal' });
      await has(members, one, [changed, ...others]);
    });
  });

  await t.test(`a catch-up of ${PEERS * CHANGES} revisions is cut twice`, async t => {
    const proxies = members.proxiesOf(one);
    const peersAt = (change: number) =>
      Array.from({ length: PEERS }, (_, index) => peerByHand(150 + index, change));
    await uninterrupted(t, one, two, async () => {
      await cutOff(members, one);
      await members.write(
        Array.from({ length: CHANGES }, (_, change) =>
          peersAt(change).map(peer => [keyOf(peer), valueOf(peer)] as const),
        ),
      );
      await proxies.ask({ kind: 'cut-every', bytes: CUT_BYTES, times: 2 });
      await proxies.ask({ kind: 'heal' });
      await has(members, one, [changed, ...others, ...peersAt(CHANGES - 1)]);
    });
    const { cuts } = await proxies.ask({ kind: 'report' });
    t.ok(cuts.reduce((sum, each) => sum + each) >= 2, `cut ${cuts.join(', ')} times, by member`);
  });

  const snapshot = join(lab.directory, 'snapshot');
  await members.members[0]!.etcdctl('snapshot', 'save', snapshot);
  const three = await members.addHost();
  await three.waitForHealth();
  await three.addContainer();

  for (const [what, from] of [
    ['etcd is restored from a snapshot that does not know of a host', snapshot],
    ['all members lose all their data', undefined],
  ] as const) {
    await t.test(what, async t => {
      const subnets = await subnetsInEtcd(members);
      const routes = await overlayRoutes(one);
      await uninterrupted(t, one, three, async () => {
        await members.loseData(from);
        await lab.waitFor({
          what: 'all hosts to register again',
          read: () => subnetsInEtcd(members),
          until: seen => seen.join() === subnets.join(),
        });
      });
      t.same(await overlayRoutes(one), routes, 'routes are as before');
    });
  }
});

/**
 * A host on which flanneld lived until now: the agent takes lease, device and entries over without losing a packet, and
 * removes what is stale.
 */
import t, { type Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { writeFile } from 'node:fs/promises';
import { containerOf, hostOf, leaseKeys, leaseOf, overlayRoutes, startCluster } from '../support/cluster.js';
import { pretendFlanneld } from '../support/flanneld.js';
import { createLab } from '../support/lab.js';
import { programmed } from '../support/peers-by-hand.js';
import { noneLost, packetsBetween, uninterrupted } from '../support/uninterrupted.js';

const MAC = 'c6:d2:32:6f:8f:44';

const BACKEND_DATA = `{"VNI":1,"VtepMAC":"${MAC}"}`;
/** What flanneld's key and value have under `EnableIPv6`, and without. */
const DUAL_STACK = {
  key: '&fd00:34::-64',
  publicIpv6: '"fd00::34"',
  more: `,"BackendV6Data":${BACKEND_DATA}`,
};
const IPV4 = { key: '', publicIpv6: 'null', more: '' };

/** Everything as flanneld 0.28 leaves it: device, routes of protocol boot, neighbours, FDB entries, subnet.env, key. */
async function leaveAsFlanneld(
  lab: Lab,
  host: Host,
  subnet: string,
  peer: { subnet: string; mac: string; ip: string },
  family = IPV4,
): Promise<string> {
  const ns = host.namespace;
  const value = `{"PublicIP":"${host.address}","PublicIPv6":${family.publicIpv6},"BackendType":"vxlan","BackendData":${BACKEND_DATA}${family.more}}`;
  const lease = /lease (\S+) granted/.exec(await lab.etcd.ctl('lease', 'grant', '86400'))![1]!;
  await lab.etcd.ctl('put', `--lease=${lease}`, `${lab.prefix}/subnets/${subnet}-24${family.key}`, value);
  const vxlan = [
    'type',
    'vxlan',
    'id',
    '1',
    'dev',
    'eth0',
    'local',
    host.address,
    'dstport',
    '8472',
    'nolearning',
  ];
  await ns.ip('link', 'add', 'flannel.1', 'address', MAC, 'mtu', '1450', 'txqueuelen', '0', ...vxlan);
  await ns.ip('address', 'add', `${subnet}/32`, 'dev', 'flannel.1');
  await ns.ip('link', 'set', 'flannel.1', 'up');
  await addFlannelPeer(host, peer);
  await writeFile(
    host.files.subnetEnv,
    `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=${subnet.replace(/0$/, '1')}/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n`,
  );
  return lease;
}

/** What `ip` and `bridge` would have to be told to leave the entries that flanneld makes for one peer. */
async function addFlannelPeer(host: Host, peer: { subnet: string; mac: string; ip: string }): Promise<void> {
  const ns = host.namespace;
  await ns.ip('neigh', 'replace', peer.subnet, 'lladdr', peer.mac, 'dev', 'flannel.1', 'nud', 'permanent');
  await ns.exec([
    'bridge',
    'fdb',
    'replace',
    peer.mac,
    'dev',
    'flannel.1',
    'self',
    'permanent',
    'dst',
    peer.ip,
  ]);
  await ns.ip('route', 'replace', `${peer.subnet}/24`, 'via', peer.subnet, 'dev', 'flannel.1', 'onlink');
}

/** A host with an agent, and a new one without, whose flanneld is to have had a free subnet. */
async function besideOneHost(t: Test) {
  const lab = await startCluster(t, { hosts: 1 });
  const other = hostOf(lab, 1);
  const otherSubnet = (await other.waitForHealth(0)).lease!.subnet.replace('/24', '');
  const [otherLink] = await other.namespace.ipJson('link', 'show', 'flannel.1');
  const host = await lab.addHost();
  const peer = { subnet: otherSubnet, mac: String(otherLink?.address), ip: other.address };
  // The other host chose at random.
  const subnet = otherSubnet === '10.5.34.0' ? '10.5.35.0' : '10.5.34.0';
  return { lab, other, host, peer, subnet };
}

t.test('vxlan: taken over under traffic', async t => {
  const { lab, other, host, peer, subnet } = await besideOneHost(t);
  const lease = await leaveAsFlanneld(lab, host, subnet, peer);
  const stale = { subnet: '10.5.77.0', mac: '02:00:00:00:00:77', ip: '192.168.77.77' };
  await addFlannelPeer(host, stale);
  await host.namespace.ip('route', 'add', '10.5.200.0/24', 'via', '192.168.77.99', 'proto', 'static');
  await host.addContainer();
  await other.waitForHealth(1);
  const before = await leaseOf(lab, host);
  const [linkBefore] = await host.namespace.ipJson('link', 'show', 'flannel.1');

  const stream = await packetsBetween(t, containerOf(other), containerOf(host));
  await stream.flow(1_000);
  await host.startAgent();
  const status = await host.waitForHealth(1);
  await stream.flow(1_000);
  await noneLost(t, stream);

  t.equal(status.lease?.origin, 'own');
  t.equal(status.lease?.etcdLease, lease, "kept alive by flanneld's own etcd lease");
  const after = await leaseOf(lab, host);
  t.equal(after.key, before.key);
  t.ok(
    after.value.startsWith(`${before.value.slice(0, -1)},"Selvedge":{"NodeID":`),
    'all that flannel reads is as it was; who holds the lease is added',
  );
  const [link] = await host.namespace.ipJson('link', 'show', 'flannel.1');
  t.equal(link?.ifindex, linkBefore?.ifindex, 'it is the very device');
  t.equal(link?.address, MAC, 'with its MAC');
  t.same(
    (await overlayRoutes(host)).sort((a, b) => String(a.dst).localeCompare(String(b.dst))),
    [
      { dst: '10.5.200.0/24', gateway: '192.168.77.99', dev: 'eth0', flags: [], protocol: 'static' },
      { dst: `${peer.subnet}/24`, gateway: peer.subnet, dev: 'flannel.1', flags: ['onlink'], protocol: '83' },
    ].sort((a, b) => a.dst.localeCompare(b.dst)),
    'the route of the peer is ours, the stale one is gone, the foreign one stays',
  );
  const rest = JSON.stringify([
    await host.namespace.ipJson('neigh', 'show', 'dev', 'flannel.1'),
    await host.namespace.bridgeJson('fdb', 'show', 'dev', 'flannel.1'),
  ]);
  t.notMatch(rest, /10\.5\.77\.0|02:00:00:00:00:77/, 'stale neighbour and FDB entry are gone');
});

t.test('from dual stack: another subnet, and both lead to the host while both keys live', async t => {
  const { lab, other, host, peer, subnet } = await besideOneHost(t);
  const lease = await leaveAsFlanneld(lab, host, subnet, peer, DUAL_STACK);
  await host.addContainer();
  await other.waitForHealth(1);

  const way = (to: string) => `${to} ${MAC} ${host.address}`;
  let now = '';
  await uninterrupted(t, other, host, async () => {
    await host.startAgent();
    const status = await lab.waitFor({
      what: 'the host to have a subnet of its own',
      read: () => host.status(),
      until: seen => seen?.phase === 'running',
    });
    now = status!.lease!.subnet;
    t.not(now, `${subnet}/24`, 'the IPv4 part of a dual-stack key is nobody’s while that lives');
    t.match((await other.waitForHealth(2)).setAside, []);
  });

  await lab.etcd.ctl('lease', 'revoke', lease);
  await lab.waitFor({
    what: 'the other host to forget the first subnet',
    read: () => overlayRoutes(other),
    until: seen => seen.length === 1,
  });
  t.same(await programmed(other), [way(now)], 'what leads to the MAC stays');
  const { peers } = await other.waitForHealth(1);
  t.match(peers, [{ subnet: now, state: 'programmed' }]);
});

t.test("a foreign route to a peer's subnet is kept and reported", async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const { lease } = await two.waitForHealth(1);
  await one.stopAgent();
  const route = [lease!.subnet, 'via', '192.168.77.99', 'proto', 'static'];
  await one.namespace.ip('route', 'replace', ...route);
  await one.startAgent();
  const status = await lab.waitFor({
    what: 'the conflict in the status',
    read: () => one.status(),
    until: seen => seen?.verdict === 'degraded' && (seen.dataPlane?.conflicts.length ?? 0) > 0,
  });
  t.equal(status?.verdict, 'degraded');
  t.match(status?.problems, [{ code: 'route-conflict' }]);
  t.match(status?.dataPlane?.conflicts[0]?.found, '192.168.77.99');
  t.match(await overlayRoutes(one), [{ dst: lease!.subnet, gateway: '192.168.77.99', protocol: 'static' }]);
  await one.namespace.ip('route', 'delete', ...route);
  await one.waitForHealth(1);
  t.match(
    await overlayRoutes(one),
    [{ dst: lease!.subnet, dev: 'flannel.1', protocol: '83' }],
    'ours, once theirs has gone',
  );
});

t.test(
  'host-gw: routes that flanneld left are taken over, stale ones of no peer are left as anybody else’s',
  async t => {
    const lab = await startCluster(t, { hosts: 1, backend: { Type: 'host-gw' } });
    const other = hostOf(lab, 1);
    const { lease } = await other.waitForHealth(0);
    const host = await lab.addHost();
    await host.namespace.ip('route', 'add', lease!.subnet, 'via', other.address, 'dev', 'eth0');
    await host.namespace.ip('route', 'add', '10.5.77.0/24', 'via', '192.168.77.77', 'dev', 'eth0');
    await host.startAgent();
    await host.waitForHealth(1);
    const routes = await overlayRoutes(host);
    t.match(
      routes.find(({ dst }) => dst === lease!.subnet),
      { gateway: other.address, protocol: '83' },
    );
    t.ok(
      routes.some(({ dst }) => dst === '10.5.77.0/24'),
      'nobody can tell whose this route is',
    );
  },
);

t.test('a flanneld that still runs here is named, and the agent does not start', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  const host = await lab.addHost();
  const flanneld = await pretendFlanneld(t, host, lab.prefix);
  const agent = await host.startAgent();
  t.equal(await agent.exited, 2);
  t.match(agent.log(), new RegExp(`flanneld \\(pid ${flanneld}\\) still runs on the network ${lab.prefix}`));
  t.same(await leaseKeys(lab), [], 'and nothing was leased');
});

/**
 * Hosts of one network on both backends: all reach each other, one joins, one leaves; keys and kernel entries are
 * flannel's.
 */
import t from 'tap';
import {
  BACKENDS,
  hostOf,
  leaseKeys,
  leaseOf,
  overlayRoutes,
  startCluster,
  subnetOf,
  unreachedPairs,
} from '../support/cluster.js';

for (const type of BACKENDS) {
  t.test(`${type}: three hosts, a fourth joins, one leaves`, async t => {
    const lab = await startCluster(t, { backend: { Type: type } });
    t.same(await unreachedPairs(lab.hosts), [], 'every pair of containers reaches each other');

    const fourth = await lab.addHost();
    await fourth.startAgent();
    for (const host of lab.hosts) await host.waitForHealth(3);
    await fourth.addContainer();
    t.same(await unreachedPairs(lab.hosts), [], 'the fourth reaches all and is reached by all');

    const gone = await leaseOf(lab, fourth);
    await fourth.stopAgent();
    await lab.etcd.ctl('del', gone.key);
    const others = lab.hosts.slice(0, 3);
    for (const host of others) {
      await host.waitForHealth(2);
      const text = JSON.stringify([
        await host.namespace.ipJson('route', 'show'),
        await host.namespace.ipJson('neigh', 'show', 'nud', 'permanent'),
        await host.namespace.bridgeJson('fdb', 'show', 'dynamic'),
      ]);
      t.notMatch(
        text,
        subnetOf(gone).replace('.0/24', '.'),
        `${host.name} has no entry of the host that left`,
      );
    }
    t.same(await unreachedPairs(others), [], 'those that stay still reach each other');
  });
}

t.test('vxlan: keys, device and entries are those that flannel nodes expect', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const [link] = await one.namespace.ipJson('link', 'show', 'flannel.1');
  const [peerLink] = await two.namespace.ipJson('link', 'show', 'flannel.1');
  const mac = String(link?.address);
  const peerMac = String(peerLink?.address);
  const keys = await leaseKeys(lab);
  const own = keys.find(({ value }) => value.includes(one.address))!;
  const peer = keys.find(({ value }) => value.includes(two.address))!;
  t.match(own.key, /^\/net\/subnets\/10\.5\.\d+\.0-24$/);
  t.equal(
    withoutHolder(own.value),
    `{"PublicIP":"${one.address}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`,
  );
  t.not(own.lease, '0', 'the key ends with its etcd lease');

  t.match(link, { mtu: 1450, qdisc: 'noqueue', linkinfo: { info_kind: 'vxlan' } });
  t.match((link as { linkinfo: object }).linkinfo, {
    info_data: { id: 1, link: 'eth0', port: 8472, local: one.address, learning: false, udp_csum: true },
  });
  const [addresses] = await one.namespace.ipJson('-4', 'address', 'show', 'dev', 'flannel.1');
  const base = subnetOf(own).replace('/24', '');
  t.match(addresses, { addr_info: [{ local: base, prefixlen: 32 }] });

  const peerBase = subnetOf(peer).replace('/24', '');
  t.same(await overlayRoutes(one), [
    { dst: subnetOf(peer), gateway: peerBase, dev: 'flannel.1', flags: ['onlink'], protocol: '83' },
  ]);
  const neighbours = await one.namespace.ipJson('-4', 'neigh', 'show', 'dev', 'flannel.1');
  t.match(neighbours, [{ dst: peerBase, lladdr: peerMac, state: ['PERMANENT'] }]);
  const fdb = await one.namespace.bridgeJson('fdb', 'show', 'dev', 'flannel.1');
  t.match(fdb, [{ mac: peerMac, dst: two.address, flags: ['self'], state: 'permanent' }]);
  t.equal(fdb.length, 1);
});

t.test('host-gw: keys and routes are those that flannel nodes expect', async t => {
  const lab = await startCluster(t, { hosts: 2, backend: { Type: 'host-gw' } });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const own = await leaseOf(lab, one);
  t.equal(
    withoutHolder(own.value),
    `{"PublicIP":"${one.address}","PublicIPv6":null,"BackendType":"host-gw"}`,
  );
  const peer = await leaseOf(lab, two);
  t.same(await overlayRoutes(one), [
    { dst: subnetOf(peer), gateway: two.address, dev: 'eth0', flags: [], protocol: '83' },
  ]);
  t.match(await one.waitForSubnet(), /FLANNEL_MTU=1500/);
});

t.test('vxlan with DirectRouting, GBP, Learning, another port, VNI and MTU', async t => {
  const backend = {
    Type: 'vxlan',
    VNI: 42,
    Port: 4789,
    MTU: 1400,
    GBP: true,
    Learning: true,
    DirectRouting: true,
  };
  const lab = await startCluster(t, { hosts: 2, backend });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const [link] = await one.namespace.ipJson('link', 'show', 'flannel.42');
  t.match(link, { mtu: 1350, linkinfo: { info_data: { id: 42, port: 4789, learning: true, gbp: true } } });
  t.match(await one.waitForSubnet(), /FLANNEL_MTU=1350/);
  t.same(
    await overlayRoutes(one),
    [
      {
        dst: subnetOf(await leaseOf(lab, two)),
        gateway: two.address,
        dev: 'eth0',
        flags: [],
        protocol: '83',
      },
    ],
    'a peer on our own link is reached directly',
  );
  t.same(await unreachedPairs(lab.hosts), []);
});

/** The value of a lease as flannel nodes read it: they pass over our own field, which must come last and whole. */
function withoutHolder(value: string): string {
  return value.replace(/,"Selvedge":{"NodeID":"[0-9a-f]{32}",[^{}]*}(?=}$)/, '');
}

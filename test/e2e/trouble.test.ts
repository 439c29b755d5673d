/** What goes wrong around an agent that waits for it to be mended: configs, leases of others, etcd. */
import { readFile, rm } from 'node:fs/promises';
import t from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { hostOf, leaseKeys, leaseOf, overlayRoutes, startCluster } from '../support/cluster.js';
import { createLab } from '../support/lab.js';
import { uninterrupted } from '../support/uninterrupted.js';

/** Polls the status of a host until it is as described. */
async function statusWhen(
  lab: Lab,
  host: Host,
  what: string,
  until: (status: StatusDocument) => boolean,
): Promise<StatusDocument> {
  const found = await lab.waitFor({
    what: `${host.name}: ${what}`,
    read: () => host.status(),
    until: status => status !== undefined && until(status),
  });
  return found!;
}

t.test('a config that is missing, wrong, mended, changed and taken away', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  const host = await lab.addHost();
  const agent = await host.startAgent();

  const missing = await statusWhen(
    lab,
    host,
    'waits for a config',
    ({ phase }) => phase === 'waiting-for-config',
  );
  t.equal(missing.config.state, 'missing');
  t.match(agent.log(), /there is no config at \/net\/config: waiting for it/);

  await lab.setConfig({
    Network: '10.5.0.0/16',
    SubnetLen: 40,
    Backend: { Type: 'vxlan', VNI: -1, Port: 70000 },
  });
  const wrong = await statusWhen(lab, host, 'says what is wrong', ({ config }) => config.state === 'invalid');
  t.match(
    wrong.config.faults,
    [/^SubnetLen: 40 must be/, /^Backend.VNI: -1 must be/, /^Backend.Port: 70000 must be/],
    'all faults at once, each with field, value and rule',
  );
  await lab.setConfig('{"Network": ');
  await statusWhen(lab, host, 'says that it is not JSON', ({ config }) =>
    (config.faults[0] ?? '').includes('not JSON'),
  );
  await lab.setConfig({ Network: '10.5.0.0/16', Backend: { Type: 'wireguard' } });
  await statusWhen(lab, host, 'knows flannel', ({ config }) =>
    (config.faults[0] ?? '').includes('known to flannel'),
  );
  t.same(await leaseKeys(lab), [], 'nothing was leased meanwhile');

  await lab.setConfig({ Network: '10.5.0.0/16' });
  const running = await host.waitForHealth(0);
  t.match(running.config.notes, [/no Backend given: vxlan/]);
  const lease = await leaseOf(lab, host);

  await lab.setConfig({ Network: '10.6.0.0/16' });
  const differs = await statusWhen(
    lab,
    host,
    'sees the other config',
    ({ config }) => config.state === 'differs',
  );
  t.equal(differs.verdict, 'degraded');
  t.match(differs.problems, [{ seen: /: Network: "10\.5\.0\.0\/16" here, "10\.6\.0\.0\/16" in etcd$/ }]);
  await lab.setConfig({ Network: 7 });
  await statusWhen(lab, host, 'sees the wrong config', ({ config }) => config.state === 'invalid');
  await lab.etcd.ctl('del', '/net/config');
  await statusWhen(lab, host, 'sees that it is gone', ({ config }) => config.state === 'missing');
  await lab.setConfig('{ "network": "10.5.0.0/16" }'.replace('network', 'Network'));
  await host.waitForHealth(0);
  t.same(await leaseOf(lab, host), lease, 'the lease stayed as it was through all of it');
});

t.test('garbage of others changes nothing for the peers', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const before = await overlayRoutes(one);
  const peer = await leaseOf(lab, two);
  const peerMac = /"VtepMAC":"([^"]+)"/.exec(peer.value)![1]!;
  const value = (fields: object) =>
    JSON.stringify({ PublicIP: '192.168.77.50', BackendType: 'vxlan', ...fields });
  const data = (fields: object) => ({ BackendData: { VNI: 1, VtepMAC: '02:00:00:00:00:50', ...fields } });
  const garbage: readonly (readonly [key: string, value: string, code: string])[] = [
    ['foo', 'x', 'bad-key'],
    ['10.5.250.0', value(data({})), 'bad-key'],
    ['10.5.251.7-24', value(data({})), 'bad-key'],
    ['10.5.240.0-32', value(data({})), 'bad-key'],
    ['10.5.252.0-24', 'not json', 'bad-value'],
    ['10.5.239.0-24', `{"PublicIP":${'['.repeat(6000)}${']'.repeat(6000)}}`, 'bad-value'],
    ['10.5.238.0-24', `{"PublicIP":${'['.repeat(1000)}${']'.repeat(1000)}}`, 'bad-value'],
    ['10.5.237.0-24', value({ ...data({}), PublicIP: '10.5.7.1' }), 'bad-public-ip'],
    ['10.5.253.0-24', value({ ...data({}), PublicIP: '' }), 'bad-value'],
    ['10.5.254.0-24', value({ ...data({}), PublicIP: null }), 'bad-value'],
    ['128.0.0.0-1', value(data({})), 'outside-network'],
    ['10.7.1.0-24', value(data({})), 'outside-network'],
    [peer.key.replace(/.*\//, '').replace('-24', '-25'), value(data({})), 'overlaps'],
    ['10.5.0.0-16', value(data({})), 'overlaps-own'],
    ['10.5.241.0-24', value({ ...data({}), PublicIP: '0.0.0.0' }), 'bad-public-ip'],
    ['10.5.242.0-24', value({ ...data({}), PublicIP: '224.0.0.1' }), 'bad-public-ip'],
    ['10.5.243.0-24', value({ ...data({}), PublicIP: one.address }), 'own-public-ip'],
    ['10.5.244.0-24', value({ BackendType: 'host-gw' }), 'other-backend'],
    ['10.5.245.0-24', value(data({ VNI: 7 })), 'bad-backend-data'],
    ['10.5.246.0-24', value(data({ VtepMAC: 'zz' })), 'bad-backend-data'],
    ['10.5.247.0-24', value(data({ VtepMAC: '01:00:5e:00:00:01' })), 'bad-backend-data'],
    ['10.5.248.0-24', value(data({ VtepMAC: peerMac })), 'duplicate'],
  ];
  // No garbage: a peer by its IPv4 subnet, which alone has a data plane.
  const dual = '10.5.200.0-24&fd00:10:5:c8::-64';
  const dualValue = value({
    ...{ PublicIP: '192.168.77.51', PublicIPv6: 'fd00:77::51' },
    ...data({ VtepMAC: '02:00:00:00:00:51' }),
  });
  const put = (key: string, text: string) => lab.etcd.ctl('put', `/net/subnets/${key}`, text);
  const remove = (key: string) => lab.etcd.ctl('del', `/net/subnets/${key}`);
  await uninterrupted(t, one, two, async () => {
    for (const [key, text] of garbage) await put(key, text);
    await put(dual, dualValue);
    const status = await statusWhen(
      lab,
      one,
      'sets all of it aside, but not the dual-stack lease',
      seen => seen.setAside.length === garbage.length && seen.peers.length === 2,
    );
    for (const [key, , code] of garbage) {
      const found = status.setAside.find(each => each.key === `/net/subnets/${key}`);
      t.equal(found?.code, code, `${key}: ${found?.reason ?? 'not set aside'}`);
    }
    t.match(
      status.peers.find(({ subnet }) => subnet === '10.5.200.0/24'),
      { publicIp: '192.168.77.51' },
      'the dual-stack lease is a peer',
    );
    const routes = await lab.waitFor({
      what: 'the route to the dual-stack peer',
      read: () => overlayRoutes(one),
      until: seen => seen.some(({ dst }) => dst === '10.5.200.0/24'),
    });
    t.same(
      routes.filter(({ dst }) => dst !== '10.5.200.0/24'),
      before,
      'apart from it the kernel is as it was',
    );
    for (const [key] of garbage) {
      const lines = one
        .agent!.log()
        .split('\n')
        .filter(line => line.includes(`lease /net/subnets/${key} set aside`));
      t.equal(lines.length, 1, `${key} is logged once`);
    }
    for (const [key] of garbage) await remove(key);
    await remove(dual);
    await statusWhen(
      lab,
      one,
      'forgets what is gone',
      seen => seen.setAside.length === 0 && seen.peers.length === 1,
    );
    await lab.waitFor({
      what: 'the kernel to be as it was',
      read: () => overlayRoutes(one),
      until: seen => JSON.stringify(seen) === JSON.stringify(before),
    });
  });
});

t.test('a file for Docker that somebody takes away comes back', async t => {
  const lab = await startCluster(t, { hosts: 1 });
  const { files } = hostOf(lab, 1);
  const before = await readFile(files.dockerEnv, 'utf8');
  t.match(before, /^DOCKER_OPT_BIP="--bip=10\.5\.\d+\.1\/24"\n.*\n.*\nDOCKER_NETWORK_OPTIONS=" --bip=/);
  t.match(
    await readFile(files.dockerOpts, 'utf8'),
    /^DOCKER_OPT_BIP=.*\nDOCKER_OPT_IPMASQ="--ip-masq=true"\nDOCKER_OPT_MTU="--mtu=1450"\n$/,
  );
  await rm(files.dockerEnv);
  await lab.waitFor({
    what: 'the file to come back',
    read: () => readFile(files.dockerEnv, 'utf8'),
    until: text => text === before,
  });
});

t.test('etcd that is away when the agent starts', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16' });
  await lab.etcd.stop();
  const host = await lab.addHost();
  await host.startAgent();
  const waiting = await statusWhen(
    lab,
    host,
    'says that etcd is away',
    ({ etcd }) => etcd.lastError !== null,
  );
  t.equal(waiting.phase, 'waiting-for-etcd');
  t.match(waiting.problems, [{ code: 'etcd-away', next: /etcdctl/ }]);
  await lab.etcd.start();
  await host.waitForHealth(0);
});

t.test('agents that race for few subnets all end with different ones', async t => {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16', SubnetMin: '10.5.10.0', SubnetMax: '10.5.13.0' });
  const hosts = [];
  for (let i = 0; i < 4; i++) hosts.push(await lab.addHost());
  await Promise.all(hosts.map(host => host.startAgent()));
  for (const host of hosts) await host.waitForHealth(3);
  const keys = (await leaseKeys(lab)).map(({ key }) => key).sort();
  t.same(
    keys,
    [10, 11, 12, 13].map(n => `/net/subnets/10.5.${n}.0-24`),
  );
});

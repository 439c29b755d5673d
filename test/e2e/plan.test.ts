/** `selvedge plan`: it says what an agent then does, and does nothing itself. */
import t from 'tap';
import { countChanges, METRICS_OPTIONS } from '../../bench/restart.js';
import { agentArgv } from '../../src/demo/agent.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import type { Plan } from '../../src/daemon/plan/plan.js';
import { hostOf, leaseKeys, leaseOf, overlayRoutes, startCluster, subnetOf } from '../support/cluster.js';
import { SELVEDGE } from '../support/lab.js';

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Plans for the agent that the lab starts on the host. */
async function plan(lab: Lab, host: Host, ...more: string[]): Promise<Answer> {
  const etcd = { endpoint: lab.endpoint, prefix: lab.prefix };
  const argv = agentArgv(SELVEDGE, etcd, host.files).map(word => (word === 'agent' ? 'plan' : word));
  return host.namespace.exec([...argv, ...more]);
}

async function changes(lab: Lab, host: Host): Promise<string[]> {
  const { stdout } = await plan(lab, host, '-o', 'json');
  return (JSON.parse(stdout) as Plan).changes.map(({ action, where, what }) => `${action} ${where} ${what}`);
}

t.test('a host that is new', async t => {
  const lab = await startCluster(t, { hosts: 1 });
  const peer = await leaseOf(lab, hostOf(lab, 1));
  const fresh = await lab.addHost();
  const { code, stdout } = await plan(lab, fresh);
  t.equal(code, 1);
  const base = subnetOf(peer).replace('/24', '');
  t.match(stdout, /^ACTION +WHERE +WHAT\n/);
  t.match(stdout, /create +etcd +key \/net\/subnets\/10\.5\.\d+\.0-24\n/);
  t.match(
    stdout,
    /create +kernel +device flannel\.1 type vxlan id 1 dstport 8472 dev eth0 local 192\.168\.77\.2 mtu 1450/,
  );
  t.match(stdout, new RegExp(`create +kernel +route ${subnetOf(peer)} via ${base} dev flannel\\.1 onlink`));
  t.match(stdout, new RegExp(`write +file +${fresh.files.runDir}/subnet.env\n`));
  t.match(stdout, /\n\d+ changes: \d+ to create, \d+ to write; none was made\n$/);

  t.same(await leaseKeys(lab), [peer], 'no lease');
  t.same(await fresh.namespace.ipJson('link', 'show', 'type', 'vxlan'), [], 'no device');
  t.same(
    await fresh.namespace.exec(['ls', '-A', fresh.files.stateDir]).then(({ stdout }) => stdout),
    '',
    'no file',
  );
});

t.test('a host whose agent runs, is stopped, and is damaged meanwhile', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const [one, two] = [hostOf(lab, 1), hostOf(lab, 2)];
  const running = await plan(lab, one);
  t.equal(running.code, 0, running.stdout + running.stderr);
  t.equal(running.stdout, 'nothing to change: this host is as an agent wants it\n');
  t.match(await one.status(), { verdict: 'healthy' }, 'and the agent has not noticed');

  await one.stopAgent();
  const key = await leaseOf(lab, one);
  const lease = await leaseOf(lab, two);
  const peer = subnetOf(lease);
  const base = peer.replace('/24', '');
  const mac = /"VtepMAC":"([^"]+)"/.exec(lease.value)![1]!;
  await one.namespace.ip('route', 'del', peer);
  await one.namespace.ip('neigh', 'del', base, 'dev', 'flannel.1');
  await one.namespace.exec(['bridge', 'fdb', 'del', mac, 'dev', 'flannel.1', 'self']);
  await one.namespace.ip('link', 'set', 'flannel.1', 'mtu', '1400');
  await one.namespace.ip(
    'route',
    'add',
    '10.5.99.0/24',
    'via',
    '10.5.99.0',
    'dev',
    'flannel.1',
    'onlink',
    'proto',
    '83',
  );
  const planned = [
    'change kernel device flannel.1: mtu 1450',
    `create kernel fdb ${mac} dev flannel.1 dst ${two.address}`,
    `create kernel neighbour ${base} lladdr ${mac} dev flannel.1`,
    `create kernel route ${peer} via ${base} dev flannel.1 onlink`,
    'remove kernel route 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink',
  ];
  t.same(await changes(lab, one), planned);
  t.equal((await overlayRoutes(one)).length, 1, 'nothing was done');
  t.same(await leaseOf(lab, one), key, 'the key is as it was');

  await one.startAgent(METRICS_OPTIONS);
  await one.waitForHealth(1);
  t.match(await overlayRoutes(one), [{ dst: peer }], 'what was planned is what the agent does');
  t.equal(await countChanges(one), planned.length, 'and all that it does to the kernel');
  t.same(await changes(lab, one), []);
});

t.test('another config: what goes, too', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const one = hostOf(lab, 1);
  await one.stopAgent();
  await lab.setConfig({ Network: '10.5.0.0/16', SubnetMax: '10.5.60.0', Backend: { Type: 'host-gw' } });
  const planned = await changes(lab, one);
  t.ok(planned.includes('remove kernel device flannel.1'), planned.join('\n'));
  t.match(planned[0], /^change etcd key /, 'our lease says so');
});

t.test('what keeps an agent from running', async t => {
  const lab = await startCluster(t, { hosts: 1 });
  const host = await lab.addHost();
  await host.namespace.ip('link', 'add', 'flannel.1', 'type', 'bridge');
  const wrong = await plan(lab, host);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /^selvedge plan: device flannel\.1 exists and is of kind bridge/);
  await lab.etcd.ctl('del', '/net/config');
  const waiting = await plan(lab, host);
  t.equal(waiting.code, 2);
  t.match(waiting.stdout, /the plan ends here: an agent would wait for .*config/);
});

/** Mistakes that only the operator can mend: one line that says what and how, exit code 2, nothing half done. */
import t, { type Test } from 'tap';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentArgv } from '../../src/demo/agent.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { LoggedProcess } from '../../src/demo/process.js';
import { waitFor } from '../../src/demo/wait.js';
import { hostOf, leaseKeys, overlayRoutes, startCluster } from '../support/cluster.js';
import { pretendFlanneld } from '../support/flanneld.js';
import { createLab, SELVEDGE } from '../support/lab.js';

async function labWithHost(t: Test): Promise<{ lab: Lab; host: Host }> {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16' });
  return { lab, host: await lab.addHost() };
}

/** Starts an agent that must end with 2 and one plain line. @returns that line */
async function refusal(t: Test, host: Host, options: readonly string[] = []): Promise<string> {
  const agent = await host.startAgent(options);
  t.equal(await agent.exited, 2, 'exit code 2');
  const plain = agent
    .log()
    .split('\n')
    .filter(line => line.startsWith('selvedge agent: '));
  t.equal(plain.length, 1, 'one line for people');
  t.notMatch(agent.log(), /\n\s+at /, 'no stack');
  return plain[0] ?? '';
}

t.test('an interface that does not exist', async t => {
  const { lab, host } = await labWithHost(t);
  // `--iface eth0` is always given first; a host without eth0 has neither.
  await host.namespace.ip('link', 'set', 'eth0', 'down');
  await host.namespace.ip('link', 'set', 'eth0', 'name', 'net0');
  await host.namespace.ip('link', 'set', 'net0', 'up');
  t.match(await refusal(t, host), /no interface matches --iface eth0: name one with --iface; there are net0/);
  t.same(await leaseKeys(lab), []);
});

t.test('an interface whose address no other host could send to', async t => {
  const { lab, host } = await labWithHost(t);
  const argv = agentArgv(SELVEDGE, { endpoint: lab.endpoint, prefix: lab.prefix }, host.files);
  const { code, stderr } = await host.namespace.exec(argv.with(argv.indexOf('eth0'), 'lo'));
  t.equal(code, 2);
  t.match(
    stderr,
    /selvedge agent: the public IP 127\.0\.0\.1 of lo \(--iface lo\) is loopback: other hosts cannot send to it/,
  );
  t.same(await leaseKeys(lab), []);
});

t.test('a device name that is taken', async t => {
  const { lab, host } = await labWithHost(t);
  await host.namespace.ip('link', 'add', 'flannel.1', 'type', 'bridge');
  t.match(await refusal(t, host), /device flannel\.1 exists and is of kind bridge: rename or remove it/);
  t.same(await leaseKeys(lab), []);
});

t.test('a UDP port that is in use', async t => {
  const { host } = await labWithHost(t);
  const program = "require('node:dgram').createSocket('udp4').bind(8472, () => console.log('bound'))";
  const argv = host.namespace.argv([process.execPath, '-e', program]);
  const squatter = await LoggedProcess.start('squatter', argv, `${host.files.runDir}/squatter.log`);
  t.teardown(() => squatter.stop('SIGKILL', 30));
  await waitFor({
    what: 'the port to be taken',
    read: () => squatter.log(),
    until: log => log.includes('bound'),
  });
  t.match(await refusal(t, host), /flannel\.1: EADDRINUSE: its UDP port is used by another program/);
  t.same(await host.namespace.ipJson('link', 'show', 'type', 'vxlan'), [], 'no half-made device stays');
});

t.test('another VXLAN device with the same VNI and port', async t => {
  const { host } = await labWithHost(t);
  await host.namespace.ip(
    'link',
    'add',
    'other',
    'type',
    'vxlan',
    'id',
    '1',
    'dstport',
    '8472',
    'dev',
    'eth0',
  );
  t.match(await refusal(t, host), /flannel\.1: EEXIST: another VXLAN device has the same VNI and port/);
});

t.test('a device of another network, served by a flanneld with another prefix, is left alone', async t => {
  const { lab, host } = await labWithHost(t);
  const ns = host.namespace;
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
  await ns.ip('link', 'add', 'flannel.1', 'address', 'c6:d2:32:6f:8f:44', ...vxlan);
  await ns.ip('address', 'add', '10.244.1.0/32', 'dev', 'flannel.1');
  await ns.ip('link', 'set', 'flannel.1', 'up');
  await ns.ip(
    'neigh',
    'replace',
    '10.244.2.0',
    'lladdr',
    '02:00:00:00:00:02',
    'dev',
    'flannel.1',
    'nud',
    'permanent',
  );
  await ns.ip('route', 'replace', '10.244.2.0/24', 'via', '10.244.2.0', 'dev', 'flannel.1', 'onlink');
  const pid = await pretendFlanneld(t, host, '/coreos.com/network');
  const before = [await ns.ipJson('route', 'show'), await ns.ipJson('neigh', 'show', 'nud', 'permanent')];
  const line = await refusal(t, host);
  t.match(
    line,
    /device flannel\.1 has the address 10\.244\.1\.0\/32, which is not in the network 10\.5\.0\.0\/16/,
  );
  t.match(line, `flanneld (pid ${pid}) runs on /coreos.com/network`);
  t.same([await ns.ipJson('route', 'show'), await ns.ipJson('neigh', 'show', 'nud', 'permanent')], before);
  t.same(await leaseKeys(lab), []);
});

t.test('a path that cannot be written to', async t => {
  const { lab, host } = await labWithHost(t);
  const file = `${host.files.runDir}/file`;
  await writeFile(file, '');
  const line = await refusal(t, host, ['--subnet-file', `${file}/subnet.env`]);
  t.match(line, /cannot write to .*file \(--subnet-file\): .*(EEXIST|ENOTDIR)/);
  t.same(await leaseKeys(lab), []);
});

t.test('a public IP behind a NAT, with host-gw', async t => {
  const { lab, host } = await labWithHost(t);
  await lab.setConfig({ Network: '10.5.0.0/16', Backend: { Type: 'host-gw' } });
  t.match(
    await refusal(t, host, ['--public-ip', '203.0.113.7']),
    /host-gw needs the public IP to be the address/,
  );
  t.same(await leaseKeys(lab), []);
});

t.test(
  'a public IP behind a NAT, with vxlan, is published; the device uses the address of the interface',
  async t => {
    const { lab, host } = await labWithHost(t);
    await host.startAgent(['--public-ip', '203.0.113.7']);
    await host.waitForHealth(0);
    t.match((await leaseKeys(lab))[0]?.value, '"PublicIP":"203.0.113.7"');
    const [link] = await host.namespace.ipJson('link', 'show', 'flannel.1');
    t.match(link, { linkinfo: { info_data: { local: host.address } } });
  },
);

t.test('a capability that is missing is named', async t => {
  const { lab, host } = await labWithHost(t);
  const files = host.files;
  const argv = agentArgv(SELVEDGE, { endpoint: lab.endpoint, prefix: lab.prefix }, files);
  const without = (capability: string, ...more: string[]) => {
    const weak = ['setpriv', `--bounding-set=-${capability}`, `--inh-caps=-${capability}`];
    return host.namespace.exec([...weak, ...argv, ...more]);
  };
  const stderr =
    /selvedge agent: CAP_NET_ADMIN is missing, so that no device or route can be made: run as root/;
  t.match(await without('net_admin'), { code: 2, stderr });
  // Without this one it would run, so it gets another reason to end.
  const ended = await without('net_raw', '--run-dir=/dev/null/none');
  t.match(
    ended.stderr,
    /"msg":"CAP_NET_RAW is missing, so that peers are not probed, nor iptables-legacy used/,
  );
  t.match(ended, { code: 2, stderr: /null.none \(--run-dir\)/ });
});

t.test('a second agent, of the same instance or on the same device', async t => {
  const { lab, host } = await labWithHost(t);
  const first = await host.startAgent();
  await host.waitForHealth(0);
  const etcd = { endpoint: lab.endpoint, prefix: lab.prefix };
  const again = await host.namespace.exec(agentArgv(SELVEDGE, etcd, host.files));
  t.equal(again.code, 2);
  t.match(
    again.stderr,
    new RegExp(`another agent runs on instance net .*instance net, pid ${first.pid}\\. Stop it first`),
  );

  await lab.etcd.ctl('put', '/other/config', '{"Network": "10.6.0.0/16"}');
  const directory = `${host.files.runDir}/other`;
  const options = ['--etcd-prefix', '/other', '--state-dir', directory, '--run-dir', directory];
  const files = [
    '--subnet-file',
    `${directory}/subnet.env`,
    '--docker-env-file',
    `${directory}/docker`,
    '--docker-opts-file',
    `${directory}/opts`,
  ];
  const other = await host.namespace.exec([...agentArgv(SELVEDGE, etcd, host.files), ...options, ...files]);
  t.equal(other.code, 2);
  t.match(other.stderr, /another agent runs on device flannel\.1 .*instance net/);
  t.equal((await host.status())?.verdict, 'healthy', 'the first goes on');
});

t.test('without --iface the default route decides', async t => {
  const { lab, host } = await labWithHost(t);
  await host.namespace.ip('route', 'add', 'default', 'via', '192.168.77.254');
  const argv = agentArgv(SELVEDGE, { endpoint: lab.endpoint, prefix: lab.prefix }, host.files);
  const at = argv.indexOf('--iface');
  const agent = await LoggedProcess.start(
    'agent',
    host.namespace.argv(argv.toSpliced(at, 2)),
    host.files.log,
  );
  t.teardown(() => agent.stop('SIGTERM', 30));
  const status = await host.waitForHealth(0);
  t.match(status.underlay, { device: 'eth0', address: host.address, reason: /default route/ });
});

t.test('cleanup removes all that is ours and nothing else', async t => {
  const lab = await startCluster(t, { hosts: 2 });
  const one = hostOf(lab, 1);
  await one.namespace.ip('route', 'add', '10.5.99.0/24', 'via', '192.168.77.99', 'proto', 'static');
  const paths = [
    ...[
      '--state-dir',
      one.files.stateDir,
      '--run-dir',
      one.files.runDir,
      '--subnet-file',
      one.files.subnetEnv,
    ],
    ...['--docker-env-file', one.files.dockerEnv, '--docker-opts-file', one.files.dockerOpts],
  ];
  const cleanup = (...more: string[]) => one.namespace.exec([...SELVEDGE, 'cleanup', ...paths, ...more]);

  const unknown = await cleanup('--instance', 'typo');
  t.equal(unknown.code, 2);
  t.match(
    unknown.stderr,
    /nothing is known of an instance typo: .*; there is some of --instance=net\n/,
    "another instance's state is not guessed at",
  );
  t.equal((await one.status())?.verdict, 'healthy');

  const refused = await cleanup();
  t.equal(refused.code, 2, 'refuses while the agent runs');
  t.match(refused.stderr, /another agent runs on instance net/);
  await one.stopAgent();
  const before = await overlayRoutes(one);
  const dry = await cleanup('--dry-run');
  t.equal(dry.code, 0);
  t.match(dry.stdout, /would remove route .*\n(.*\n)*would remove device flannel\.1/);
  t.match(dry.stdout, `would remove ${one.files.stateDir}/node-id`);
  await mkdir(join(one.files.stateDir, 'other'));
  t.notMatch((await cleanup('--dry-run')).stdout, 'node-id', 'which is the id of other instances too');
  await rmdir(join(one.files.stateDir, 'other'));
  t.same(await overlayRoutes(one), before, 'a dry run changes nothing');

  const lost = await cleanup('--state-dir', join(lab.directory, 'lost'));
  t.equal(lost.code, 2, 'without state it does not claim that all is gone');
  const marked =
    /device flannel\.1, 1 routes and 0 nexthop objects .*: ip route flush proto 83; ip link delete flannel\.1/;
  t.match(lost.stderr, marked);

  const done = await cleanup();
  t.equal(done.code, 0);
  t.match(await overlayRoutes(one), [{ dst: '10.5.99.0/24', protocol: 'static' }], 'the foreign route stays');
  t.equal((await overlayRoutes(one)).length, 1);
  t.same(await one.namespace.ipJson('link', 'show', 'type', 'vxlan'), []);
  const left = await one.namespace.exec(['find', one.files.runDir, one.files.stateDir, '-type', 'f']);
  t.equal(left.stdout, '', 'no file is left');
  t.equal((await cleanup()).code, 0, 'once more does no harm');
  await one.namespace.ip('link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '9', 'dstport', '9999');
  t.equal((await cleanup()).code, 0, 'and a device without our routes is not called ours');
});

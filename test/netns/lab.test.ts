/** The lab that all end-to-end tests stand on, with plain commands in the agent's place. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Namespace } from '../../src/demo/namespace.js';
import { ping } from '../../src/demo/ping.js';
import { waitFor } from '../../src/demo/wait.js';
import { createLab } from '../support/lab.js';

/** What an agent would do: write the env file, and with host-gw a route to each peer. */
async function actAsAgent(host: Host, peers: readonly Host[]): Promise<void> {
  const env = `FLANNEL_SUBNET=10.5.${host.place}.1/24\nFLANNEL_MTU=1400\n`;
  await writeFile(host.files.subnetEnv, env);
  for (const peer of peers) {
    await host.namespace.ip('route', 'replace', `10.5.${peer.place}.0/24`, 'via', peer.address);
  }
}

/** The first packets after a cable was plugged in may be lost. */
async function reaches(t: Test, from: { namespace: Namespace }, to: { address: string }, what: string) {
  await waitFor({
    what,
    read: () => ping(from.namespace, to.address),
    until: ({ kind }) => kind === 'answered',
  });
  t.pass(what);
}

t.test(
  'hosts reach each other, containers reach each other over routes, and the root namespace has nothing',
  async t => {
    const lab = await createLab(t);
    const [one, other] = [await lab.addHost(), await lab.addHost()];
    await reaches(t, one, other, 'host to host');
    await actAsAgent(one, [other]);
    await actAsAgent(other, [one]);
    const [from, to] = [await one.addContainer(), await other.addContainer()];
    const second = await other.addContainer();
    t.same([from.address, to.address, second.address], ['10.5.1.2', '10.5.2.2', '10.5.2.3']);
    await reaches(t, from, to, 'container to container');
    await reaches(t, second, from, 'a second container and back');
    t.match(await to.namespace.ipJson('link', 'show', 'eth0'), [{ mtu: 1400 }], "the MTU is the env file's");
    const links = await lab.commands.must(['ip', '-oneline', 'link', 'show']);
    t.notMatch(links, /\bbr0|\bhost1|underlay/, 'no link of the lab in the root namespace');
  },
);

t.test('a reboot makes the namespace anew, keeps state and MAC, and empties the run directory', async t => {
  const lab = await createLab(t);
  const [one, other] = [await lab.addHost(), await lab.addHost()];
  await actAsAgent(one, [other]);
  await one.addContainer();
  await writeFile(`${one.files.stateDir}/kept`, '');
  await one.namespace.ip('link', 'add', 'left', 'type', 'bridge');
  const before = await one.namespace.ipJson('link', 'show', 'eth0');
  await one.reboot();
  const after = await one.namespace.ipJson('link', 'show');
  t.same(after.map(link => link.ifname).sort(), ['eth0', 'lo'], 'only what a fresh host has');
  t.equal(after.find(link => link.ifname === 'eth0')?.address, before[0]?.address, 'MAC of eth0');
  t.ok(existsSync(`${one.files.stateDir}/kept`), 'state is kept');
  t.same(await readdir(one.files.runDir), [], 'run directory is empty');
  await reaches(t, other, one, 'it is on the underlay again');
  await actAsAgent(one, [other]);
  t.match(await one.addContainer(), { address: '10.5.1.2' }, 'its first container again');
});

t.test(
  'etcd answers on every host, keeps its data over a restart, and the cable to it can be cut',
  async t => {
    const lab = await createLab(t, { prefix: '/some/where' });
    await lab.startEtcd();
    const host = await lab.addHost();
    await lab.setConfig({ Network: '10.5.0.0/16' });
    await lab.etcd.stop('SIGKILL');
    await lab.etcd.start();
    const getWithin = (seconds: number) =>
      lab.etcd.argv([`--command-timeout=${seconds}s`, 'get', '--print-value-only', '/some/where/config']);
    t.match(await host.namespace.exec(getWithin(25)), { code: 0, stdout: '{"Network":"10.5.0.0/16"}\n' });
    await lab.underlay.setCable('etcd', 'cut');
    t.not((await host.namespace.exec(getWithin(2))).code, 0, 'cut off');
    await lab.underlay.setCable('etcd', 'whole');
    await lab.waitFor({
      what: 'etcd to answer again',
      read: () => host.namespace.exec(getWithin(5)),
      until: ({ code }) => code === 0,
    });
  },
);

t.test('an agent that ends is told at once, with its last words', async t => {
  const program = ['sh', '-c', 'echo no such luck >&2; exit 2'];
  const lab = await createLab(t, { selvedge: program });
  const host = await lab.addHost();
  await host.startAgent();
  await t.rejects(host.waitForSubnet(), /agent on host1 ended with exit code 2[^]*no such luck/);
});

t.test('an agent that ignores SIGTERM is reported, and SIGKILL ends it', async t => {
  const lab = await createLab(t, {
    selvedge: ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'],
  });
  const host = await lab.addHost();
  const agent = await host.startAgent();
  await lab.waitFor({
    what: 'the trap',
    read: () => agent.log(),
    until: log => log !== '',
  });
  await t.rejects(host.stopAgent(0.3), /still runs 0.3 s after SIGTERM/);
  await host.killAgent();
  t.equal(agent.code, 137);
});

t.test('dispose removes processes, namespaces and files, once, and nothing can start afterwards', async t => {
  const lab = await createLab(t, { selvedge: ['sh', '-c', 'sleep 1000 & sleep 1000'] });
  const host = await lab.addHost();
  const agent = await host.startAgent();
  await mkdir(`${lab.directory}/more`);
  await Promise.all([lab.dispose(), lab.dispose()]);
  await lab.dispose();
  t.equal(await agent.exited, 137, 'the agent was killed');
  const left = (await readdir('/run/netns')).filter(name => name.startsWith(lab.id));
  t.same(left, [], 'namespaces are gone');
  t.notOk(existsSync(lab.directory), 'files are gone');
  await t.rejects(lab.addHost(), { name: 'LabClosedError' });
});

/** A process that stands still on its way into the host's namespace: started, and not there yet. */
async function stoppedOutside(host: Host): Promise<ChildProcess> {
  const [program = '', ...args] = host.namespace.argv(['sleep', '1000']);
  const { ino } = await stat(`/run/netns/${host.namespace.name}`);
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const child = spawn(program, args, { stdio: 'ignore' });
    child.kill('SIGSTOP');
    await waitFor({
      what: 'the process to stand still',
      intervalMs: 1,
      read: () => readFile(`/proc/${child.pid!}/status`, 'utf8'),
      until: status => /^State:\s+T/m.test(status),
    });
    if ((await readlink(`/proc/${child.pid!}/ns/net`)) !== `net:[${ino}]`) return child;
    // It was faster than the signal.
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  throw new Error('every process was in its namespace before it could be stopped');
}

t.test('what is on its way into a namespace is ended too, and a failure can still be explained', async t => {
  const lab = await createLab(t, { selvedge: ['sh', '-c', 'sleep 1000'] });
  const host = await lab.addHost();
  await host.startAgent();
  const late = await stoppedOutside(host);
  const exited = once(late, 'exit');
  await lab.dispose();
  t.same(await exited, [null, 'SIGKILL']);
  t.match(lab.describe(), /the agent on host1/);
});

t.test('and so is it by a reboot', async t => {
  const lab = await createLab(t);
  const host = await lab.addHost();
  const late = await stoppedOutside(host);
  const exited = once(late, 'exit');
  await host.reboot();
  t.same(await exited, [null, 'SIGKILL']);
});

t.test('control groups of its hosts go with it, wherever Docker has put them', async t => {
  const lab = await createLab(t);
  const { namespace } = await lab.addHost();
  const trees = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/pids', '/sys/fs/cgroup'];
  const outer = `${trees.find(tree => existsSync(tree))!}/outer-${namespace.name}`;
  t.teardown(() => execFileSync('find', [outer, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']));
  await mkdir(`${outer}/inner/${namespace.name}/container`, { recursive: true });
  await lab.dispose();
  t.same([existsSync(`${outer}/inner`), existsSync(`${outer}/inner/${namespace.name}`)], [true, false]);
});

/** Two hosts, each with a systemd of its own that boots the units of this package and a real Docker; one etcd. */
import { request } from 'node:http';
import t, { type Test } from 'tap';
import type { Lab } from '../../src/demo/lab.js';
import type { StatusDocument } from '../../src/daemon/status.js';
import { BootedHost, type DockerContainer } from '../support/booted-host.js';
import { createLab } from '../support/lab.js';
import { lostDuring, noneLost, packetsBetween } from '../support/uninterrupted.js';

/** Packets in each direction before, between and after what is tested. */
const SOME_PACKETS = 1_000;
const WATCHDOG_SECONDS = 4;
/** Packets a second in each direction, and both together. */
const RATE = 1_000;
const SECOND = 2 * RATE;
const TRIES = 5;
const ACTIVE = (value: string) => value === 'active';

/** Which dockerd it is. */
const docker = (host: BootedHost) => host.property('docker', 'ExecMainStartTimestampMonotonic');

interface Pair {
  readonly lab: Lab;
  readonly one: BootedHost;
  readonly two: BootedHost;
}

async function bootPair(t: Test): Promise<Pair> {
  const lab = await createLab(t);
  await lab.startEtcd();
  await lab.setConfig({ Network: '10.5.0.0/16' });
  const one = await BootedHost.create(lab, 1, 'nft');
  const two = await BootedHost.create(lab, 2, 'legacy');
  t.teardown(() => Promise.all([one.turnOff(), two.turnOff()]));
  await Promise.all([one.boot(), two.boot()]);
  return { lab, one, two };
}

/** The subnet that Docker was told of, and what the containers must have. */
async function leaseOf(host: BootedHost) {
  const text = await host.must(['cat', '/run/flannel/subnet.env']);
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return { subnet: value('FLANNEL_SUBNET').replace(/\.\d+\/24$/, '.'), mtu: Number(value('FLANNEL_MTU')) };
}

async function firewallOf(host: BootedHost): Promise<StatusDocument['firewall']> {
  const { stdout } = await host.run(['selvedge', 'status', '-o', 'json']);
  return (JSON.parse(stdout) as StatusDocument).firewall;
}

/** Waits until it does: what Docker puts into the legacy tables is noticed within 10 s only. */
async function reaches(
  lab: Lab,
  from: DockerContainer,
  to: Pick<DockerContainer, 'address'>,
): Promise<boolean> {
  return lab.waitFor({
    what: `${from.address} to reach ${to.address}`,
    read: async () => (await from.namespace.exec(['ping', '-c', '1', '-W', '1', to.address])).code === 0,
    until: reached => reached,
  });
}

t.test('two booted hosts', async t => {
  const { lab, one, two } = await bootPair(t);
  for (const host of [one, two]) await host.waitForProperty('docker', 'ActiveState', ACTIVE, 'active');
  const [a, b] = await Promise.all([one.addContainer(), two.addContainer()]);

  await t.test('after the boot alone containers reach each other, as the leases say', async t => {
    for (const [host, container] of [
      [one, a],
      [two, b],
    ] as const) {
      const { subnet, mtu } = await leaseOf(host);
      t.ok(container.address.startsWith(subnet), `${container.address} is in the subnet`);
      const [link] = await container.namespace.ipJson('link', 'show', 'eth0');
      t.equal(link?.mtu, mtu, 'MTU');
      t.equal(mtu, 1450);
      const rules = await host.must(['iptables', '--list-rules', 'FORWARD']);
      t.match(rules, /^-P FORWARD DROP$/m, "Docker's protection is there, since nobody forwarded before it");
    }
    t.ok(await reaches(lab, a, b));
    t.ok(await reaches(lab, b, a));
  });

  await t.test('the agent is no root, and tells how it is doing', async t => {
    const pid = await one.property('selvedge', 'MainPID');
    const status = await one.must(['cat', `/proc/${pid}/status`]);
    t.match(status, /^CapEff:\s*0000000000003000$/m, 'CAP_NET_ADMIN and CAP_NET_RAW');
    t.match(status, /^CapBnd:\s*0000000000003000$/m);
    t.notMatch(status, /^Uid:\s*0\b/m);
    await one.waitForProperty(
      'selvedge',
      'StatusText',
      text => /^healthy: .*, 1 peer programmed/.test(text),
      'healthy',
    );
    const routes = await one.must(['ip', 'route', 'show', 'proto', 'selvedge']);
    t.match(routes, /^10\.5\.\d+\.0\/24 via /, 'its routes bear its name');
    const modes = await one.must(['stat', '-c', '%a %U', '/run/flannel/docker', '/run/selvedge/net.sock']);
    t.equal(modes, '644 selvedge\n660 selvedge\n');
    const exit = await one.run([
      'setpriv',
      '--reuid=nobody',
      '--regid=selvedge',
      '--clear-groups',
      'selvedge',
      'status',
    ]);
    t.equal(exit.code, 0, 'who is in the group may ask');
  });

  await t.test('what is typed beside it has the options of the unit', async t => {
    // One has them in /etc/default/selvedge, the other in /etc/sysconfig/flanneld.
    for (const host of [one, two]) {
      // Where the agent is: outside of its sandbox nspawn shows another boot id, which no kernel does.
      const inside = ['nsenter', '--mount', '--target', await host.property('selvedge', 'MainPID')];
      const plan = await host.run([...inside, 'selvedge', 'plan']);
      t.match(plan, { code: 0, stdout: /^nothing to change/ }, 'plan');
      t.match(await host.run(['selvedge', 'leases']), { code: 0, stdout: /10\.5\.\d+\.0\/24/ }, 'leases');
    }
  });

  await t.test('without root, and in its sandbox, it probes the other host', async t => {
    const probes = await lab.waitFor({
      what: 'the other host to be reached',
      read: async () => {
        const { stdout } = await one.run(['selvedge', 'status', '-o', 'json']);
        return (JSON.parse(stdout) as StatusDocument).probes;
      },
      until: seen => seen?.peers.reachable === 1 || seen?.off != null,
    });
    t.match(probes, { off: null, peers: { reachable: 1 } });
  });

  await t.test('without root it keeps the firewall, by whatever there is', async t => {
    const kept = { inPlace: true, error: null };
    t.match(await firewallOf(one), {
      masquerade: { tool: 'nft', ...kept },
      forward: [{ tool: 'iptables-nft', ...kept }],
    });
    t.match(await firewallOf(two), {
      masquerade: { tool: 'iptables-legacy', ...kept, withoutNft: 'nft is not installed' },
      forward: [{ tool: 'iptables-legacy', ...kept }],
    });
    // The machine with etcd knows of no way to containers: it answers to the hosts.
    const world = { address: new URL(lab.endpoint).hostname };
    for (const container of [a, b]) t.ok(await reaches(lab, container, world), 'the world');
  });

  await t.test('restarted, stopped and killed: Docker is not touched and no packet is lost', async t => {
    const before = [await docker(one), await docker(two)];
    const stream = await packetsBetween(t, a, b);
    await stream.flow(SOME_PACKETS);
    await one.must(['systemctl', 'restart', 'selvedge']);
    await stream.flow(SOME_PACKETS);
    await one.must(['systemctl', 'stop', 'selvedge']);
    const asNobody = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'];
    const files = await one.must([...asNobody, 'cat', '/run/flannel/docker', '/run/flannel/subnet.env']);
    t.match(files, /--bip=[^]*FLANNEL_SUBNET=/, 'the files for Docker stay, for all to read');
    await stream.flow(SOME_PACKETS);
    await one.must(['systemctl', 'start', 'selvedge']);
    await stream.flow(SOME_PACKETS);
    await one.must(['systemctl', 'kill', '--signal=SIGKILL', 'selvedge']);
    await one.waitForProperty('selvedge', 'NRestarts', value => value === '1', 'started again');
    await one.waitForProperty('selvedge', 'ActiveState', ACTIVE, 'active again');
    await stream.flow(SOME_PACKETS);
    const { aToB, bToA } = await noneLost(t, stream);
    for (const { sentPerSecond } of [aToB, bToA]) t.comment(`${Math.round(sentPerSecond)} packets a second`);
    t.same([await docker(one), await docker(two)], before, 'the same dockerds');
  });

  await t.test('rules flushed, Docker restarted: reached again within a second', async t => {
    const stream = await packetsBetween(t, a, b, { rate: RATE });
    // The pauses of a busy machine only add: the least of some tries is what it takes.
    const leastLost = async (what: string, happens: () => Promise<void>) => {
      const lost: number[] = [];
      do lost.push(await lostDuring(stream, happens));
      while (Math.min(...lost) > SECOND && lost.length < TRIES);
      t.comment(`lost ${what}: ${lost.join(', ')}`);
      return Math.min(...lost);
    };
    const repairs = async () => (await firewallOf(one))?.repairs ?? 0;
    const lostByFlush = await leastLost('after a flush', async () => {
      const before = await repairs();
      await one.must(['iptables', '--flush', 'FORWARD']);
      await lab.waitFor({
        what: 'the agent to have put the rules back',
        read: repairs,
        until: count => count > before,
      });
    });
    t.ok(lostByFlush <= SECOND, `for less than the packets of a second, ${SECOND}`);
    const dockers = [await docker(one), await docker(two)];
    const lostByRestart = await leastLost('while both dockerds were restarted', async () => {
      await Promise.all([one, two].map(host => host.must(['systemctl', 'restart', 'docker'])));
    });
    t.ok(lostByRestart <= SECOND, `for less than the packets of a second, ${SECOND}`);
    t.not(await docker(one), dockers[0]);
    t.not(await docker(two), dockers[1]);
    await stream.stop();
  });

  await t.test('each host in trouble of its own', { jobs: 2 }, async t => {
    void t.test(
      'on two a busy agent is left alone, a stalled one started again',
      { buffered: true },
      async t => {
        const dropIn = '/etc/systemd/system/selvedge.service.d/watchdog.conf';
        await two.write(dropIn, `[Service]\nWatchdogSec=${WATCHDOG_SECONDS}\n`);
        await two.must(['systemctl', 'daemon-reload']);
        await two.must(['systemctl', 'restart', 'selvedge']);
        const restarts = await two.property('selvedge', 'NRestarts');
        await keepBusy(two.path('/run/selvedge/net.sock'), 2.5 * WATCHDOG_SECONDS);
        t.equal(await two.property('selvedge', 'NRestarts'), restarts);
        await two.must(['systemctl', 'kill', '--signal=SIGSTOP', '--kill-whom=main', 'selvedge']);
        await two.waitForProperty('selvedge', 'NRestarts', value => value !== restarts, 'more');
        await two.waitForProperty('selvedge', 'ActiveState', ACTIVE, 'active again');
        t.match(await two.journal('selvedge'), /Watchdog timeout/);
        await two.must(['rm', dropIn]);
        await two.must(['systemctl', 'daemon-reload']);
        await two.must(['systemctl', 'restart', 'selvedge']);
      },
    );

    void t.test('on one', { buffered: true }, async t => {
      await t.test('a docker0 of another subnet, and a mistake in the options', async t => {
        // As a Docker has it that knows nothing of the lease; to be seen at the agent's next look.
        await one.must(['ip', 'address', 'flush', 'dev', 'docker0']);
        await one.must(['ip', 'address', 'add', '172.31.0.1/16', 'dev', 'docker0']);
        await one.must(['systemctl', 'restart', 'selvedge']);
        t.match((await one.run(['selvedge', 'status'])).stdout, 'docker0 has 172.31.0.1/16');

        const before = await docker(one);
        const mistaken = '/etc/sysconfig/selvedge';
        await one.write(mistaken, 'SELVEDGE_OPTIONS=--ifaec=eth0\nSELVEDGE_IFAEC=eth0\n');
        t.not((await one.run(['systemctl', 'restart', 'selvedge'])).code, 0);
        const state = ['ActiveState', 'SubState', 'ExecMainStatus', 'NRestarts'];
        const seen = await Promise.all(state.map(each => one.property('selvedge', each)));
        t.same(seen, ['failed', 'failed', '64', '0'], 'it ends once');
        const said = /--ifaec: unknown option\n.*SELVEDGE_IFAEC: unknown option\n/;
        t.match(await one.journal('selvedge'), said, 'and says what is wrong');
        t.equal(await docker(one), before, 'Docker runs on');

        // Docker must not start with what it finds while nobody answers for it.
        await one.must(['rm', '/run/flannel/docker']);
        t.not((await one.run(['systemctl', 'restart', 'docker'])).code, 0);
        t.match(await one.journal('docker'), 'Docker must not start: /run/flannel/docker is not there');
        await one.must(['rm', mistaken]);
        await one.must(['systemctl', 'start', 'docker']);
        t.equal(await one.property('selvedge', 'ActiveState'), 'active', 'Docker wants it');
        const { subnet } = await leaseOf(one);
        t.match(await one.must(['ip', '-brief', 'address', 'show', 'docker0']), ` ${subnet}1/24`);

        // A networkd whose files are for this device, too.
        await one.write('/etc/systemd/network/90-all.network', '[Match]\nName=flannel*\n');
        await one.must(['systemctl', 'start', 'systemd-networkd']);
        const setUp = await lab.waitFor({
          what: 'networkd to have made up its mind on flannel.1',
          read: () => one.must(['networkctl', '--no-legend', 'list', 'flannel.1']),
          until: line => / (unmanaged|configured|failed)\n/.test(line),
        });
        t.match(setUp, / unmanaged\n/, 'networkd leaves the device alone');
        await one.must(['systemctl', 'stop', 'systemd-networkd.socket', 'systemd-networkd']);
      });

      await t.test('a full disk: what was there stays whole, and all is well once there is room', async t => {
        const owner = 'mode=2755,uid=$(id -u selvedge),gid=$(id -g selvedge)';
        const place = '/run/flannel';
        // As large as one of the three files, of an earlier lease.
        const fill = `mount -t tmpfs -o size=4k,${owner} tmpfs ${place} && echo earlier > ${place}/docker`;
        await one.must(['sh', '-c', fill]);
        await one.must(['systemctl', 'restart', '--no-block', 'selvedge']);
        const isTold = (text: string) => /file-not-written: cannot write .*ENOSPC/.test(text);
        await one.waitForProperty('selvedge', 'StatusText', isTold, 'no room');
        t.equal(await one.property('selvedge', 'ActiveState'), 'activating');
        t.equal(await one.must(['sh', '-c', `cd ${place}; ls -A; cat *`]), 'docker\nearlier\n');
        await one.must(['mount', '-o', 'remount,size=64k', place]);
        await one.waitForProperty('selvedge', 'ActiveState', ACTIVE, 'active');
        t.match(await one.must(['cat', `${place}/docker`]), '--bip=');
      });
    });
  });

  await t.test('a host that boots while etcd is away waits, and has its subnet again', async t => {
    const before = await leaseOf(one);
    await lab.etcd.stop();
    // A firewall is kept also while etcd is away; of this kind no change is announced.
    await two.must(['iptables', '--flush', 'FORWARD']);
    await one.crash();
    await one.boot();
    const awaited = await one.waitForProperty(
      'selvedge',
      'StatusText',
      text => /^waiting for etcd to answer, then for 10\.5\..*; etcd-away: nothing listens at /.test(text),
      'what it waits for, and why',
    );
    t.comment(awaited);
    const states = ['selvedge', 'docker'].map(unit => one.property(unit, 'ActiveState'));
    t.same(await Promise.all(states), ['activating', 'inactive'], 'Docker waits for it');
    await lab.etcd.start();
    await one.waitForProperty('docker', 'ActiveState', ACTIVE, 'active');
    t.same(await leaseOf(one), before);
    const again = await one.addContainer();
    t.ok(again.address.startsWith(before.subnet));
    t.ok(await reaches(lab, again, b), 'the container that two has had from the first');
    t.match(await two.must(['iptables', '--list-rules', 'FORWARD']), 'SELVEDGE-FWD');
  });
});

/** Asks the agent for its status, as fast as it answers, on several connections. */
async function keepBusy(socketPath: string, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  const ask = () =>
    new Promise<void>(resolve => {
      const call = request({ socketPath, path: '/status', agent: false }, response => {
        response.resume().on('close', resolve);
      });
      call.on('error', () => resolve()).end();
    });
  const askOn = async () => {
    while (performance.now() < end) await ask();
  };
  await Promise.all(Array.from({ length: 8 }, askOn));
}

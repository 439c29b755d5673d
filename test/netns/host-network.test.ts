/** What the agent reads of its host, against what `ip` says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { findDockerBridge } from '../../src/daemon/docker-bridge.js';
import {
  lookUpRoute,
  lookUpRoutes,
  readHostNetwork,
  readLinkStates,
} from '../../src/dataplane/host-network.js';
import { NetlinkKernel } from '../../src/dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { inNamespace, ip } from '../support/in-namespace.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const UTF8 = { encoding: 'utf8' } as const;

void inNamespace(t, import.meta.url, async () => {
  const socket = new NetlinkSocket();
  t.teardown(() => socket.close());
  const run = (text: string): unknown => ip(...text.split(' '));

  t.test('a host without a network', async t => {
    const { interfaces, defaultRoute } = await readHostNetwork(socket);
    t.match(
      interfaces.filter(({ name }) => name === 'lo'),
      [{ name: 'lo', mtu: 65_536, addresses: [] }],
    );
    t.equal(defaultRoute, undefined);
    t.equal(await lookUpRoute(socket, '192.0.2.1'), undefined);
  });

  t.test('interfaces, addresses, default route', async t => {
    run('link add up0 type veth peer name up1');
    run('link add up2 mtu 1400 type veth peer name up3');
    for (const name of ['up0', 'up1', 'up2', 'up3']) run(`link set ${name} up`);
    run('address add 169.254.7.7/16 dev up0 scope link');
    run('address add 10.1.0.9/24 dev up0 valid_lft 1000 preferred_lft 1000');
    run('address add 10.1.0.1/24 dev up0 valid_lft forever');
    run('address add 10.1.0.2/24 dev up0');
    run('address add 10.1.0.3/24 dev up0 preferred_lft 0');
    run('address add 10.2.0.1/24 dev up2');
    run('route add default via 10.1.0.254 dev up0 metric 200');
    run('route add default via 10.2.0.254 dev up2 metric 100');
    run('route add unreachable default metric 50');
    run('route add 172.16.0.0/16 via 10.1.0.253 src 10.1.0.2');
    const { interfaces, defaultRoute } = await readHostNetwork(socket);
    t.equal(defaultRoute, 'up2', 'the lowest metric that leads anywhere');
    const words = JSON.parse(ip('-j', 'link', 'show')) as { ifname: string; mtu: number }[];
    t.same(
      interfaces.map(({ name, mtu }) => ({ name, mtu })),
      words.map(({ ifname, mtu }) => ({ name: ifname, mtu })),
      'all of them',
    );
    t.same(interfaces.find(({ name }) => name === 'up0')?.addresses, [
      '10.1.0.1',
      '10.1.0.2',
      '10.1.0.9',
      '169.254.7.7',
    ]);
    t.same(interfaces.find(({ name }) => name === 'up3')?.addresses, []);

    const states = await readLinkStates(socket);
    t.same(states.get('up0'), { isUp: true, hasCarrier: true });
    run('link set up3 down');
    t.same(
      (await readLinkStates(socket)).get('up2'),
      { isUp: true, hasCarrier: false },
      'the other end is down',
    );
    t.same((await readLinkStates(socket)).get('up3'), { isUp: false, hasCarrier: false });
    run('link set up3 up');
  });

  t.test('Docker’s bridge where there is no overlay device, as with host-gw', async t => {
    run('link add docker0 type bridge');
    run('address add 10.5.7.1/24 dev docker0');
    const kernel = new NetlinkKernel(socket);
    await kernel.readLinks();
    const bridge = findDockerBridge(await kernel.readEntries(new Set()));
    t.match(bridge, { address: '10.5.7.1', length: 24 });
    run('link delete docker0');
  });

  t.test('the way to an address', async t => {
    for (const target of ['10.1.0.77', '10.2.0.77', '172.16.3.4', '10.1.0.1']) {
      const [words] = JSON.parse(ip('-j', 'route', 'get', target)) as [{ dev: string; prefsrc: string }];
      t.same(await lookUpRoute(socket, target), { device: words.dev, source: words.prefsrc }, target);
    }
    t.equal(await lookUpRoute(socket, '192.0.2.1'), undefined, 'unreachable');
    run('route add blackhole 198.51.100.0/24');
    run('route add prohibit 203.0.113.0/24');
    t.equal(await lookUpRoute(socket, '198.51.100.1'), undefined, 'blackhole');
    t.equal(await lookUpRoute(socket, '203.0.113.1'), undefined, 'prohibited');
    const forwarded = { device: 'up3', source: '172.16.0.9' };
    const targets = ['10.1.0.77', '198.51.100.1'];
    const lookUp = async () => (await lookUpRoutes(socket, targets, forwarded)).map(way => way?.device);
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    t.same(await lookUp(), ['up0', undefined], 'of forwarded packets');
    run('rule add from 172.16.0.0/16 lookup 100');
    run('route add default dev up1 table 100');
    t.same(await lookUp(), ['up1', 'up1'], 'by the rules for them');
    run('rule delete from 172.16.0.0/16 lookup 100');
  });

  t.test('a route to our own subnet stops docker-opts, once it has written', async t => {
    const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const [file, target] = [join(directory, 'subnet.env'), join(directory, 'opts.env')];
    const run = () =>
      spawnSync(process.execPath, [MAIN, 'docker-opts', '-c', '-f', file, '-d', target], UTF8);
    writeFileSync(file, 'FLANNEL_SUBNET=172.16.0.1/16\n');
    const { status, stderr } = run();
    t.equal(status, 1);
    t.match(stderr, 'a route leads 172.16.0.0/16, the subnet of this host, to another one');
    t.equal(readFileSync(target, 'utf8'), 'DOCKER_OPTS=" --bip=172.16.0.1/16"\n');
    writeFileSync(file, 'FLANNEL_SUBNET=10.1.0.1/24\n');
    t.match(run(), { status: 0, stderr: '' }, 'a route of its own bridge is none');
  });
});

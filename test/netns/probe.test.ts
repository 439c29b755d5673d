/**
 * Probes on the real kernel: a peer behind a router, and what that router does to packets.
 *
 *     this namespace            router                      peer
 *     up0 10.77.1.1 ---- 10.77.1.254  10.77.2.254 ---- up0 10.77.2.1
 *     flannel.1 10.5.1.0  ======= VXLAN, UDP 8472 =======  flannel.1 10.5.2.0
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { sleep } from '../../src/daemon/tasks.js';
import { PeerMonitor } from '../../src/probe/peer-monitor.js';
import { openIcmpSocket } from '../../src/probe/icmp-socket.js';
import type { PeerState } from '../../src/probe/path-state.js';
import type { ProbedPeer } from '../../src/probe/peer.js';
import { probe } from '../../src/probe/prober.js';
import { ROUND_MS } from '../../src/probe/schedule.js';
import { DEVICE, macOf } from '../support/dataplane.js';
import { inNamespace, ip, namespaceName } from '../support/in-namespace.js';

const KEY = 'peer';
const TARGET = {
  ...{ underlay: '10.77.2.1', overlay: '10.5.2.0', isTunnel: true },
  ...{ overlaySize: 1450, underlaySize: 1500 },
};
const DEADLINE_MS = 60_000;

function makeTopology(): { readonly router: string; readonly peer: string } {
  const [router, peer] = [`${namespaceName()}-r`, `${namespaceName()}-b`];
  const at = (namespace: string, text: string) => ip('-n', namespace, ...text.split(' '));
  const here = (text: string) => ip(...text.split(' '));
  for (const name of [router, peer]) {
    ip('netns', 'add', name);
    t.teardown(() => ip('netns', 'del', name));
  }
  here(`link add up0 type veth peer name r0 netns ${router}`);
  at(peer, `link add up0 type veth peer name r1 netns ${router}`);
  here('address add 10.77.1.1/24 dev up0');
  at(router, 'address add 10.77.1.254/24 dev r0');
  at(router, 'address add 10.77.2.254/24 dev r1');
  at(peer, 'address add 10.77.2.1/24 dev up0');
  here('link set up0 up');
  for (const name of ['r0', 'r1']) at(router, `link set ${name} up`);
  at(peer, 'link set up0 up');
  here('route add default via 10.77.1.254');
  at(peer, 'route add default via 10.77.2.254');
  execFileSync('ip', ['netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  for (const [run, own, other, local, remote] of [
    [here, 1, 2, '10.77.1.1', '10.77.2.1'],
    [(text: string) => at(peer, text), 2, 1, '10.77.2.1', '10.77.1.1'],
  ] as const) {
    const device = `address ${macOf(own)} type vxlan id 1 dev up0 local ${local} dstport 8472 nolearning`;
    run(`link add ${DEVICE} mtu 1450 ${device}`);
    run(`link set ${DEVICE} up`);
    run(`address add 10.5.${own}.0/32 dev ${DEVICE}`);
    run(`neigh add 10.5.${other}.0 lladdr ${macOf(other)} dev ${DEVICE} nud permanent`);
    run(`route add 10.5.${other}.0/24 via 10.5.${other}.0 dev ${DEVICE} onlink`);
    const fdb = ['fdb', 'append', macOf(other), 'dev', DEVICE, 'dst', remote];
    const bridge = run === here ? ['bridge', ...fdb] : ['bridge', '-n', peer, ...fdb];
    execFileSync(bridge[0]!, bridge.slice(1));
  }
  return { router, peer };
}

/** Probes the peer on a real socket until that is so. @param roundMs between two probes that nobody asks for */
async function probeUntil(
  t: Test,
  what: string,
  isSo: (peer: ProbedPeer) => boolean,
  roundMs = ROUND_MS,
): Promise<ProbedPeer> {
  const monitor = new PeerMonitor({
    ...{
      rate: 100,
      roundMs,
      timeoutMs: 300,
      identifier: process.pid & 0xffff,
      cookie: Buffer.from(what.padEnd(8).slice(0, 8)),
    },
    isProgrammed: () => true,
  });
  const ending = new AbortController();
  const deadline = performance.now() + DEADLINE_MS;
  const read = () => monitor.peers.get(KEY);
  monitor.setTargets(new Map([[KEY, TARGET]]), performance.now());
  const clock = { now: () => performance.now(), sleep };
  const options = {
    monitor,
    open: openIcmpSocket,
    clock,
    onAvailable: (trouble?: Error) => trouble && t.fail(trouble.message),
  };
  const running = probe({ ...options, refresh: () => undefined }, ending.signal);
  while (performance.now() < deadline && !isSo(read()!)) await sleep(10, ending.signal);
  ending.abort();
  await running;
  t.ok(isSo(read()!), `${what}: ${JSON.stringify(read())}`);
  return read()!;
}

void inNamespace(t, import.meta.url, async () => {
  const { router, peer } = makeTopology();
  /** A firewall's rule, for the length of a test. */
  const filter = (t: Test, namespace: string, hook: string, rule: string) => {
    const nft = (text: string) => execFileSync('ip', ['netns', 'exec', namespace, 'nft', text]);
    nft(`table ip t { chain f { type filter hook ${hook} priority 0; ${rule}; }; }`);
    t.teardown(() => nft('delete table ip t'));
  };
  const drop = (t: Test, what: string) => filter(t, router, 'forward', `${what} drop`);
  const narrow = (t: Test, mtu: number) => {
    for (const [namespace, name] of [
      [router, 'r1'],
      [peer, 'up0'],
    ] as const) {
      ip('-n', namespace, 'link', 'set', name, 'mtu', String(mtu));
      t.teardown(() => ip('-n', namespace, 'link', 'set', name, 'mtu', '1500'));
    }
  };

  t.test('a peer is reached, with packets of full size', async t => {
    const seen = await probeUntil(t, 'fits', ({ mtu }) => mtu !== undefined);
    t.match(seen, { state: 'reachable', underlay: { word: 'answers' }, overlay: { word: 'answers' } });
    t.same(seen.mtu?.finding, { kind: 'fits' });
    t.ok(seen.overlay.rttMs! > 0 && seen.overlay.rttMs! < 300);
  });

  t.test('a narrow link behind the router: fragmented there, and the router says where', async t => {
    narrow(t, 1400);
    const { mtu } = await probeUntil(t, 'narrow', ({ mtu }) => mtu !== undefined);
    t.same(mtu?.finding, { kind: 'fragmented', size: 1400 });
    const cached = ip('route', 'get', '10.77.2.1');
    t.notMatch(cached, /mtu/, "the kernel's path-MTU cache has not learnt of it");
  });

  t.test('a narrow link, and a router that drops what is too large without a word', async t => {
    drop(t, 'ip length > 1400');
    const { mtu } = await probeUntil(t, 'hole', ({ mtu }) => mtu !== undefined);
    t.same(mtu?.finding, { kind: 'black-hole', size: 1400 });
  });

  t.test('UDP 8472 is blocked', async t => {
    drop(t, 'udp dport 8472');
    const { underlay, overlay } = await probeUntil(t, 'blocked', ({ state }) => state === 'overlay-blocked');
    t.match([underlay.word, overlay.word], ['answers', 'never']);
  });

  t.test('ICMP is filtered on the underlay: the tunnel is proof enough', async t => {
    drop(t, 'ip protocol icmp');
    const seen = await probeUntil(
      t,
      'filtered',
      ({ underlay, mtu }) => underlay.word === 'never' && mtu !== undefined,
    );
    t.match(seen, { state: 'reachable', mtu: { finding: { kind: 'unknown' } } });
  });

  t.test('nothing comes through at all: unknown', async t => {
    ip('-n', peer, 'link', 'set', 'up0', 'down');
    const isNever = ({ underlay, overlay }: ProbedPeer) =>
      underlay.word === 'never' && overlay.word === 'never';
    const { state } = await probeUntil(t, 'nothing', isNever);
    t.equal(state, 'unknown');
    ip('-n', peer, 'link', 'set', 'up0', 'up');
    ip('-n', peer, 'route', 'add', 'default', 'via', '10.77.2.254');
  });

  t.test('a packet of a container that comes back is asked after, long before the next round', async t => {
    const breaks: readonly (readonly [what: string, state: PeerState, breaking: (t: Test) => void])[] = [
      ['no tunnel', 'overlay-blocked', t => filter(t, peer, 'input', 'udp dport 8472 reject')],
      ['no host', 'unreachable', () => ip('-n', peer, 'link', 'set', 'up0', 'down')],
    ];
    for (const [what, state, breakIt] of breaks) {
      await t.test(what, async t => {
        let isBroken = false;
        const isSo = (peer: ProbedPeer) => {
          if ([peer.underlay, peer.overlay].every(({ word }) => word === 'answers') && !isBroken) {
            isBroken = true;
            breakIt(t);
            ip('-n', router, 'neigh', 'flush', 'dev', 'r1');
            const ping = spawn('ping', ['-i', '0.3', '10.5.2.9'], { stdio: 'ignore' });
            const ended = once(ping, 'exit');
            t.teardown(async () => {
              ping.kill();
              await ended;
            });
          }
          return peer.state === state;
        };
        await probeUntil(t, what, isSo, 600_000);
      });
    }
  });
});

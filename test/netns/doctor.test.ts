/**
 * What the doctor reads of a real host, where a unit test has only texts: rules as nft and iptables print them, spoilt checksums,
 * networkd and NetworkManager.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { DoctorDocument } from '../../src/doctor/report.js';
import { findPortDrops } from '../../src/dataplane/firewall/obstacles.js';
import { findSubnetDrops } from '../../src/dataplane/firewall/subnet-drops.js';
import { waitFor } from '../../src/demo/wait.js';
import { parseUdpCounter } from '../../src/doctor/read/counters.js';
import { readFirewall } from '../../src/doctor/read/host.js';
import { macOf, prefix } from '../support/dataplane.js';
import { inNamespace, ip, namespaceName } from '../support/in-namespace.js';
import { optionsWith } from '../support/status-facts.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const SYSTEMD = fileURLToPath(new URL('../../../systemd', import.meta.url));

/** UDP, for a checksum of its own is what is left to the tunnel. */
const SENDER = `
  const socket = require('node:dgram').createSocket('udp4');
  setInterval(() => socket.send('with something to sum up', 7001, '10.5.1.0'), 20);`;

const shell = (line: string) => execFileSync('sh', ['-ec', line], { encoding: 'utf8', stdio: 'pipe' });
const run = (text: string) => ip(...text.split(' '));

/** `selvedge doctor` here, without an agent or an etcd. @param before a shell line in a mount namespace of its own */
function doctorCodes(before = ':'): string[] {
  const argv = [
    MAIN,
    'doctor',
    '-o',
    'json',
    '--etcd-endpoints',
    'http://127.0.0.1:1',
    '--state-dir',
    '/nonexistent',
  ];
  const words = ['--mount', 'sh', '-ec', `${before}; exec "$@"`, 'sh', process.execPath, ...argv];
  const { PATH } = process.env;
  const { stdout, stderr } = spawnSync('unshare', words, { encoding: 'utf8', env: { PATH } });
  if (stdout === '') throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as DoctorDocument;
  return findings.flatMap(({ code, follows }) => [code, ...follows.map(each => each.code)]);
}

void inNamespace(t, import.meta.url, async () => {
  t.test('rules that drop the overlay’s port, as the programs print them', async t => {
    const table: readonly (readonly [chain: string, rule: string, told: string | undefined])[] = [
      ['type filter hook input priority 0;', 'udp dport 8472 counter drop', 'udp dport 8472 drop'],
      [
        'type filter hook output priority 0;',
        'ip daddr 10.1.2.3 udp dport 8000-9000 log drop',
        'ip daddr 10.1.2.3 udp dport 8000-9000 drop',
      ],
      [
        'type filter hook prerouting priority -300;',
        'udp dport { 53, 8472 } reject',
        'udp dport { 53, 8472 } reject',
      ],
      [
        'type filter hook input priority 0;',
        'udp dport { 53, 8400-8500 } reject',
        'udp dport { 53, 8400-8500 } reject',
      ],
      ['type filter hook input priority 0;', 'udp dport != 8472 drop', undefined],
      ['type filter hook input priority 0;', 'udp dport 8473 drop', undefined],
      ['type filter hook input priority 0;', 'udp dport 8472 accept', undefined],
      ['type filter hook forward priority 0;', 'udp dport 8472 drop', undefined],
    ];
    for (const [chain, rule, told] of table) {
      spawnSync('nft', ['-f', '-'], {
        input: `flush ruleset\ntable ip mine { chain c { ${chain} ${rule}; }; }`,
      });
      const { iptables, nftRuleset } = await readFirewall(optionsWith());
      t.same(
        findPortDrops(iptables, nftRuleset, 8472, 'eth0').map(drop => drop.rule),
        told === undefined ? [] : [told],
        rule,
      );
    }
    shell('nft flush ruleset');
    for (const [rule, isTold] of [
      ['INPUT -p udp --dport 8472 -j DROP', true],
      ['INPUT -p udp --dport 8000:9000 -j DROP', true],
      ['OUTPUT -p udp -m multiport --dports 53,8400:8500 -j REJECT', true],
      ['INPUT -p udp ! --dport 8472 -j DROP', false],
      ['INPUT -p udp --dport 8473:8500 -j DROP', false],
      ['INPUT -p tcp --dport 8472 -j DROP', false],
    ] as const) {
      shell(`iptables-nft -A ${rule}`);
      const { iptables, nftRuleset } = await readFirewall(optionsWith());
      t.equal(findPortDrops(iptables, nftRuleset, 8472, 'eth0').length, isTold ? 1 : 0, rule);
      shell('iptables-nft -F');
    }
  });

  t.test('rules that drop what goes between subnets', async t => {
    const overlay = {
      subnets: ['10.5.1.0/24', '10.5.2.0/24'].map(prefix),
      device: 'flannel.1',
      bridges: ['docker0'],
    };
    const table: readonly (readonly [family: string, chain: string, rule: string, subnets: number])[] = [
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.2.0/24 drop', 1],
      ['inet', 'hook forward priority 0;', 'ip daddr { 10.5.2.0/24, 10.9.0.0/16 } counter reject', 1],
      ['inet', 'hook prerouting priority -300;', 'iifname "flannel.1" drop', 2],
      ['bridge', 'hook input priority 0;', 'ip daddr 10.5.0.0/16 drop', 2],
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.2.9 drop', 0],
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.2.0/24 tcp dport 25 drop', 0],
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.0.0/16 oifname "eth0" drop', 0],
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.0.0/16 ip daddr 192.168.0.0/16 drop', 0],
      ['ip', 'hook forward priority 0;', 'ip saddr != 10.5.0.0/16 iifname "flannel.1" drop', 0],
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.0.0/16 limit rate over 9/second drop', 0],
      ['ip', 'hook forward priority 0;', 'ip saddr 10.5.0.0/16 accept; ip saddr 10.0.0.0/8 drop', 0],
      ['ip', 'hook input priority 0;', 'ip saddr 10.5.0.0/16 drop', 0],
    ];
    for (const [family, chain, rule, subnets] of table) {
      const input = `flush ruleset\ntable ${family} mine { chain c { type filter ${chain} ${rule}; }; }`;
      t.equal(spawnSync('nft', ['-f', '-'], { input, encoding: 'utf8' }).stderr, '', rule);
      const { iptables, nftRuleset } = await readFirewall(optionsWith());
      const found = findSubnetDrops(iptables, nftRuleset, overlay);
      t.equal(found[0]?.subnets.length ?? 0, subnets, `${family} ${rule}`);
    }
    shell('nft flush ruleset; iptables-nft -A FORWARD -s 10.5.2.0/24 -j DROP');
    const { iptables, nftRuleset } = await readFirewall(optionsWith());
    t.match(findSubnetDrops(iptables, nftRuleset, overlay), [{ rule: '-A FORWARD -s 10.5.2.0/24 -j DROP' }]);
    shell('iptables-nft -F');
  });

  t.test('a peer that spoils checksums', async t => {
    const peer = makeSpoiler(t);
    t.notOk(doctorCodes().includes('checksum-faults'));
    const sender = spawn('ip', ['netns', 'exec', peer, process.execPath, '-e', SENDER], { stdio: 'ignore' });
    t.teardown(() => sender.kill());
    await waitFor({
      what: 'packets with spoilt checksums',
      read: () => parseUdpCounter(readFileSync('/proc/self/net/snmp', 'utf8'), 'InCsumErrors'),
      until: errors => errors > 0,
    });
    // It counts for half a second, in which a sender that is held up may send nothing.
    const codes = await waitFor({
      what: 'the doctor to notice',
      read: () => doctorCodes(),
      until: seen => seen.includes('checksum-faults'),
    });
    t.ok(codes.includes('checksum-faults'));
  });

  t.test('networkd and NetworkManager, with our drop-ins and without', async t => {
    const ours = ['networkd-removes-routes', 'network-manager'];
    const codes = (line: string) =>
      doctorCodes(`mount -t tmpfs tmpfs /run; ${line}`).filter(code => ours.includes(code));
    const networkd = 'mkdir -p /run/systemd/netif /run/systemd/networkd.conf.d; : > /run/systemd/netif/state';
    const manager = 'mkdir -p /run/NetworkManager/conf.d';
    const hide =
      'for d in /etc/systemd/networkd.conf.d /etc/NetworkManager/conf.d; do [ ! -d $d ] || mount -t tmpfs tmpfs $d; done';
    t.same(codes(`${hide}; ${networkd}; ${manager}`), ours);
    const copy = `cp ${SYSTEMD}/networkd.conf.d/*.conf /run/systemd/networkd.conf.d; cp ${SYSTEMD}/NetworkManager/*.conf /run/NetworkManager/conf.d`;
    t.same(codes(`${hide}; ${networkd}; ${manager}; ${copy}`), []);
  });
});

/** The host at the other end of a cable, whose firewall changes the source of its tunnel packets, which spoils them. */
function makeSpoiler(t: Test): string {
  const name = `${namespaceName()}-b`;
  run(`netns add ${name}`);
  t.teardown(() => run(`netns del ${name}`));
  run(`link add up0 type veth peer name up0 netns ${name}`);
  for (const [own, other] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const at = own === 1 ? '' : `-n ${name} `;
    run(`${at}address add 10.77.1.${own}/24 dev up0`);
    run(`${at}link set up0 up`);
    const tunnel = `type vxlan id 1 dev up0 local 10.77.1.${own} dstport 8472 nolearning udpcsum`;
    run(`${at}link add flannel.1 mtu 1450 address ${macOf(own)} ${tunnel}`);
    run(`${at}link set flannel.1 up`);
    run(`${at}address add 10.5.${own}.0/16 dev flannel.1`);
    run(`${at}neigh add 10.5.${other}.0 lladdr ${macOf(other)} dev flannel.1 nud permanent`);
    shell(`bridge ${at}fdb append ${macOf(other)} dev flannel.1 dst 10.77.1.${other}`);
  }
  // As a network card: between two ends of one cable in one kernel nobody would look at checksums.
  shell(`ip netns exec ${name} ethtool -K up0 tx off >/dev/null`);
  // None of the ports that a tunnel takes (net.ipv4.ip_local_port_range, 32768 to 60999): one in the range would stay as it is.
  shell(
    `ip netns exec ${name} nft "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c udp dport 8472 snat to 10.77.1.2:20000-30000"`,
  );
  return name;
}

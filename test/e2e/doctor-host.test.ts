/**
 * What is wrong with a host's interfaces, routes, firewall, settings and files: the status turns where the agent can know it, the
 * doctor names the cause first, the other hosts stay silent, and all heals.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import t from 'tap';
import {
  makeLook,
  restartAgent,
  runDoctor,
  sh,
  startCaseLab,
  type CaseLab,
} from '../support/doctor/case-lab.js';
import { goThrough, type Case } from '../support/doctor/cases.js';
import { leaseOf, putDirectoryInPlaceOf, subnetOf } from '../support/cluster.js';

/** What packets do is another file's; here nothing moves by itself. */
const NO_PROBES = ['--probe-rate', '0'];

const lab = await startCaseLab(t, NO_PROBES);
const { subnetEnv, dockerEnv } = lab.host.files;
const peer = subnetOf(await leaseOf(lab.lab, lab.others[0]!));

const on = (line: string) => (at: CaseLab) => sh(at, at.host, line);
const sysctl = (name: string, value: number) => `echo ${value} > /proc/sys/net/ipv4/${name}`;

const CASES: readonly Case[] = [
  {
    name: 'the underlay’s MTU was lowered',
    break: on('ip link set eth0 mtu 1400'),
    mend: on('ip link set eth0 mtu 1500'),
    status: [],
    doctor: ['mtu-too-large'],
  },
  {
    name: 'a rule drops the overlay’s port on the way in',
    break: on('iptables-nft -I INPUT -p udp --dport 8472 -j DROP'),
    mend: on('iptables-nft -D INPUT -p udp --dport 8472 -j DROP'),
    status: [],
    doctor: ['port-blocked'],
  },
  {
    name: 'a table of nftables drops it on the way out',
    break: on(
      'nft "add table ip mine; add chain ip mine out { type filter hook output priority 0; }; add rule ip mine out udp dport 8472 drop"',
    ),
    mend: on('nft delete table ip mine'),
    status: [],
    doctor: ['port-blocked'],
  },
  {
    name: 'a firewall that lets in what it knows, and does not know the overlay',
    break: on(
      'iptables-nft -A INPUT -p tcp -j ACCEPT; iptables-nft -A INPUT -i lo -j ACCEPT; iptables-nft -A INPUT -p icmp -j ACCEPT; iptables-nft -P INPUT DROP',
    ),
    mend: on('iptables-nft -P INPUT ACCEPT; iptables-nft -F INPUT'),
    status: [],
    doctor: ['port-closed'],
  },
  {
    name: 'FORWARD drops, and a REJECT stands before our jump',
    break: async at => {
      await on('iptables-nft -P FORWARD DROP')(at);
      await at.lab.waitFor({
        what: 'the chain of ours',
        read: () => at.host.namespace.exec(['iptables-nft', '-S', 'FORWARD']),
        until: ({ stdout }) => stdout.includes('-j SELVEDGE-FWD-net'),
      });
      await on('iptables-nft -I FORWARD -j REJECT')(at);
    },
    mend: on('iptables-nft -D FORWARD -j REJECT; iptables-nft -P FORWARD ACCEPT'),
    status: [],
    doctor: ['forward-rejected'],
  },
  {
    name: 'a chain of nftables drops what is forwarded',
    break: on(
      'nft "add table inet mine; add chain inet mine through { type filter hook forward priority 0; policy drop; }"',
    ),
    mend: on('nft delete table inet mine'),
    status: [],
    doctor: ['forward-rejected'],
  },
  {
    name: 'a table of nftables drops what comes from one peer’s containers',
    break: on(
      `nft "add table inet mine; add chain inet mine through { type filter hook forward priority 0; }; add rule inet mine through ip saddr ${peer} counter drop"`,
    ),
    mend: on('nft delete table inet mine'),
    status: [],
    doctor: ['forward-rejected'],
  },
  {
    name: 'docker0 has another subnet',
    break: async at => {
      await on(
        'ip link add docker0 type bridge; ip address add 10.5.99.1/24 dev docker0; ip link set docker0 up',
      )(at);
      await makeLook(at);
    },
    mend: async at => {
      await on('ip link delete docker0')(at);
      await makeLook(at);
    },
    status: ['docker-subnet'],
    doctor: ['docker-subnet (route-overlap)'],
    metric: ['selvedge_problem{code="docker-subnet"}', '1'],
  },
  {
    name: 'a foreign route has the place of a peer’s',
    break: on(`ip route replace ${peer} via ${lab.others[0]!.address} proto static`),
    mend: on(`ip route delete ${peer} proto static`),
    status: ['route-conflict'],
    doctor: ['route-conflict (route-overlap)'],
    metric: ['selvedge_kernel_conflicts', '1'],
  },
  {
    name: 'another network lies inside ours',
    break: on(`ip route add 10.5.200.0/24 via ${lab.others[0]!.address}`),
    mend: on('ip route delete 10.5.200.0/24'),
    status: [],
    doctor: ['route-overlap'],
  },
  {
    name: 'rp_filter is strict, which the doctor may mend',
    break: on(sysctl('conf/flannel.1/rp_filter', 1)),
    mend: async at => {
      t.same((await runDoctor(at, ['--fix'])).findings, [], 'mended');
      t.equal(await readSysctl(at, 'conf/flannel.1/rp_filter'), '2');
    },
    status: [],
    doctor: ['rp-filter-strict'],
  },
  {
    name: 'the host does not forward',
    break: on(sysctl('ip_forward', 0)),
    mend: on(sysctl('ip_forward', 1)),
    status: [],
    doctor: ['forwarding-off'],
  },
  {
    name: 'the bridge of the containers alone does not forward',
    break: on(sysctl('conf/br0/forwarding', 0)),
    mend: on(sysctl('conf/br0/forwarding', 1)),
    status: [],
    doctor: ['forwarding-off'],
  },
  {
    name: 'policy routing leads the overlay elsewhere',
    break: on('ip rule add to 10.5.0.0/16 lookup 100; ip route add blackhole default table 100'),
    mend: on('ip rule delete to 10.5.0.0/16 lookup 100; ip route flush table 100'),
    status: [],
    doctor: ['route-shadowed'],
  },
  {
    name: 'policy routing leads what containers send elsewhere',
    break: on(
      `ip rule add from 10.5.0.0/16 lookup 100; ip route add default via ${lab.others[0]!.address} table 100`,
    ),
    mend: on('ip rule delete from 10.5.0.0/16 lookup 100; ip route flush table 100'),
    status: [],
    doctor: ['route-shadowed'],
  },
  {
    name: 'no agent, and the env file gone',
    break: async ({ host }) => {
      await host.stopAgent();
      await rm(subnetEnv);
    },
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: undefined,
    doctor: ['agent-down (env-file)'],
  },
  {
    name: 'no agent, and the file for Docker says another subnet',
    break: async ({ host }) => {
      await host.stopAgent();
      const text = await readFile(dockerEnv, 'utf8');
      await writeFile(dockerEnv, text.replace(/bip=[0-9.]+/, 'bip=10.5.250.1'));
    },
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: undefined,
    doctor: ['agent-down (env-file)'],
  },
  {
    name: 'the env file cannot be written',
    break: async at => {
      await putDirectoryInPlaceOf(at.lab, subnetEnv);
      await makeLook(at);
    },
    mend: async at => {
      await rm(subnetEnv, { recursive: true });
      await makeLook(at);
    },
    status: ['file-not-written'],
    doctor: ['file-not-written'],
    metric: ['selvedge_problem{code="file-not-written"}', '1'],
  },
  {
    name: 'no agent, and another program has taken the device’s name',
    break: async at => {
      await at.host.stopAgent();
      await on('ip link delete flannel.1; ip link add flannel.1 type bridge; ip link set flannel.1 up')(at);
    },
    mend: async at => {
      await on('ip link delete flannel.1')(at);
      await restartAgent(at.host, NO_PROBES);
    },
    status: undefined,
    doctor: ['agent-refuses (agent-down)'],
  },
  {
    name: 'no agent, and another MAC on the device than the lease says',
    break: async at => {
      await at.host.stopAgent();
      await on('ip link set flannel.1 address 02:53:00:00:00:77')(at);
    },
    mend: ({ host }) => restartAgent(host, NO_PROBES),
    status: undefined,
    doctor: ['agent-down (lease-mac)'],
  },

  // Two at once.
  {
    name: 'rp_filter is strict, and a rule drops the overlay’s port',
    break: on(
      `${sysctl('conf/flannel.1/rp_filter', 1)}; iptables-nft -I INPUT -p udp --dport 8472 -j REJECT`,
    ),
    mend: on(`${sysctl('conf/flannel.1/rp_filter', 2)}; iptables-nft -D INPUT -p udp --dport 8472 -j REJECT`),
    status: [],
    doctor: ['port-blocked', 'rp-filter-strict'],
  },
  {
    name: 'the underlay’s MTU was lowered, and rp_filter is strict',
    break: on(`ip link set eth0 mtu 1400; ${sysctl('conf/flannel.1/rp_filter', 1)}`),
    mend: on(`ip link set eth0 mtu 1500; ${sysctl('conf/flannel.1/rp_filter', 2)}`),
    status: [],
    doctor: ['mtu-too-large', 'rp-filter-strict'],
  },
  {
    name: 'the host does not forward, and docker0 has another subnet',
    break: async at => {
      await on(
        `${sysctl('ip_forward', 0)}; ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0`,
      )(at);
      await makeLook(at);
    },
    mend: async at => {
      await on(`${sysctl('ip_forward', 1)}; ip link delete docker0`)(at);
      await makeLook(at);
    },
    status: ['docker-subnet'],
    doctor: ['forwarding-off', 'docker-subnet'],
  },

  // Odd, and well.
  {
    name: 'well: ICMP is filtered',
    break: on('iptables-nft -I INPUT -p icmp -j DROP'),
    mend: on('iptables-nft -D INPUT -p icmp -j DROP'),
    status: [],
    doctor: [],
  },
  {
    name: 'well: the bridge of the containers is down',
    break: on('ip link set br0 down'),
    mend: on('ip link set br0 up'),
    status: [],
    doctor: [],
  },
  {
    name: 'well: a wider route, as of a VPN',
    break: on(`ip route add 10.0.0.0/8 via ${lab.others[0]!.address}`),
    mend: on('ip route delete 10.0.0.0/8'),
    status: [],
    doctor: [],
  },
  {
    name: 'well: a firewall that lets the overlay in from the hosts, and from nobody else',
    break: on(
      'iptables-nft -A INPUT -s 192.168.77.0/24 -p udp --dport 8472 -j ACCEPT; iptables-nft -A INPUT -p udp --dport 8472 -j DROP',
    ),
    mend: on('iptables-nft -F INPUT'),
    status: [],
    doctor: [],
  },
  {
    name: 'well: another bridge with a network of its own',
    break: on(
      'ip link add other0 type bridge; ip address add 172.18.0.1/16 dev other0; ip link set other0 up',
    ),
    mend: on('ip link delete other0'),
    status: [],
    doctor: [],
  },
];

async function readSysctl({ host }: CaseLab, name: string): Promise<string> {
  const { stdout } = await host.namespace.exec(['cat', `/proc/sys/net/ipv4/${name}`]);
  return stdout.trim();
}

await goThrough(t, lab, CASES);

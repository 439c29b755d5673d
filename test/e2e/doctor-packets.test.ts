/**
 * What is wrong with packets between hosts, as the agents' probes see it: the status turns on both sides, the doctor names the
 * cause and on which side it is, and all heals. Probes come every ten seconds, and three are lost before it is said: few cases.
 */
import t from 'tap';
import type { Host } from '../../src/demo/host.js';
import { restartAgent, sh, startCaseLab, type CaseLab } from '../support/doctor/case-lab.js';
import { goThrough, type Case } from '../support/doctor/cases.js';

const lab = await startCaseLab(t);

const on =
  (line: string, where: 'host' | 'others' = 'host') =>
  async (at: CaseLab) => {
    for (const host of where === 'host' ? [at.host] : at.others) await sh(at, host, line);
  };

const NOWHERE = ['--public-ip', '192.168.77.101'];

/** Under its earlier lease a host that has another address is kept waiting until that is sure to be nobody's. */
async function joinAnew({ lab, host }: CaseLab, options: readonly string[]): Promise<void> {
  const status = await host.status();
  await host.stopAgent();
  await lab.etcd.ctl('del', status!.lease!.key);
  await restartAgent(host, options);
}

async function waitForReached({ lab }: CaseLab, host: Host): Promise<void> {
  await lab.waitFor({
    what: `${host.name} to reach all others`,
    read: () => host.status(),
    until: status => status?.probes?.peers.reachable === lab.hosts.length - 1,
  });
}

const CASES: readonly Case[] = [
  {
    name: 'a rule drops the overlay’s port on the way in',
    break: on('iptables-nft -I INPUT -p udp --dport 8472 -j DROP'),
    mend: on('iptables-nft -D INPUT -p udp --dport 8472 -j DROP'),
    status: ['overlay-blocked'],
    doctor: ['port-blocked (tunnel-one-way overlay-blocked)'],
    metric: ['selvedge_problem{code="overlay-blocked"}', '1'],
    others: ['overlay-blocked'],
  },
  {
    name: 'the other hosts drop what this one sends',
    break: on(`iptables-nft -I INPUT -s ${lab.host.address} -p udp --dport 8472 -j DROP`, 'others'),
    mend: on(`iptables-nft -D INPUT -s ${lab.host.address} -p udp --dport 8472 -j DROP`, 'others'),
    status: ['overlay-blocked'],
    doctor: ['tunnel-one-way (overlay-blocked)'],
    others: ['overlay-blocked'],
  },
  {
    name: 'a public IP that nothing translates to this host',
    break: at => joinAnew(at, NOWHERE),
    mend: async at => {
      await joinAnew(at, []);
      // Of a peer that has never answered silence says nothing: the next case begins when all know each other again.
      for (const host of at.lab.hosts) await waitForReached(at, host);
    },
    status: ['overlay-blocked'],
    doctor: ['behind-nat (tunnel-one-way overlay-blocked)'],
    options: NOWHERE,
  },
  {
    name: 'the underlay is down',
    break: on('ip link set eth0 down'),
    mend: on('ip link set eth0 up'),
    status: ['etcd-away', 'peer-unreachable'],
    doctor: ['underlay-down (etcd-away peer-unreachable)'],
    metric: ['selvedge_etcd_connected', '0'],
    others: ['peer-unreachable'],
  },
  {
    name: 'well: ICMP is filtered',
    break: async at => {
      await on('iptables-nft -I INPUT -p icmp -j DROP')(at);
      await at.lab.waitFor({
        what: 'probes to be lost',
        read: () => at.host.status(),
        until: status => status?.probes?.peers.reachable === 0,
      });
    },
    mend: async at => {
      await on('iptables-nft -D INPUT -p icmp -j DROP')(at);
      // The first that answers again makes the silence of the other one a word, for a moment.
      await waitForReached(at, at.host);
    },
    status: [],
    doctor: [],
    others: ['peer-unreachable'],
  },
];

await goThrough(t, lab, CASES);

/**
 * What is wrong with packets between hosts, as the agents' probes see it: the status turns on both sides, the doctor names the
 * cause and on which side it is, and all heals. Probes come every ten seconds, and three are lost before it is said: few cases.
 */
import t from 'tap';
import { sh, startCaseLab, type CaseLab } from '../support/doctor/case-lab.js';
import { goThrough, type Case } from '../support/doctor/cases.js';

const lab = await startCaseLab(t);

const on =
  (line: string, where: 'host' | 'others' = 'host') =>
  async (at: CaseLab) => {
    for (const host of where === 'host' ? [at.host] : at.others) await sh(at, host, line);
  };

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
        deadlineSeconds: 60,
        read: () => at.host.status(),
        until: status => status?.probes?.peers.reachable === 0,
      });
    },
    mend: on('iptables-nft -D INPUT -p icmp -j DROP'),
    status: [],
    doctor: [],
    others: ['peer-unreachable'],
  },
];

await goThrough(t, lab, CASES);

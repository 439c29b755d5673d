/** The way to the other hosts: which interface, and whether it is there. Pure. */
import type { IpAddress } from '../../address/ip.js';
import { containsIp, formatPrefix, parsePrefix, type Prefix } from '../../address/prefix.js';
import { problem } from '../../daemon/problems.js';
import { row } from '../check.js';
import { finding } from '../finding.js';
import { configOf, isHolder, leasesIn, statusOf, underlayOf } from '../view.js';

/** Addresses that are not routed between sites: RFC 1918, and RFC 6598 behind a provider's NAT. */
const PRIVATE: readonly Prefix[] = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'].flatMap(
  text => parsePrefix(text) ?? [],
);

function isPrivateIp(address: IpAddress): boolean {
  return PRIVATE.some(prefix => containsIp(prefix, address));
}

export const underlayChecks = [
  row('choice of the interface', ['network'], ({ network }, host) => {
    // An agent that runs has made its choice, perhaps by options that this command does not have.
    if (!('refusal' in network.chosen) || statusOf(host)?.underlay != null) return [];
    const cause = 'the interface has another name or no address yet, or the option is not the right one';
    return [finding('no-interface', network.chosen.refusal, cause, 'ip -br address; ip route')];
  }),

  row('state of the underlay', ['network'], ({ network }, host) => {
    const underlay = underlayOf(host);
    if (underlay === undefined) return [];
    const { device, address } = underlay;
    const state = network.states.get(device);
    const next = `ip -br link show ${device}; ip -br address show ${device}`;
    if (state === undefined) {
      const cause = 'it was removed or renamed, or its driver is gone: other hosts and etcd are not reached';
      return [finding('underlay-down', `the underlay ${device} does not exist`, cause, 'ip -br link')];
    }
    if (!state.isUp) {
      const cause = 'somebody or something has set it down: other hosts and etcd are not reached';
      return [finding('underlay-down', `the underlay ${device} is down`, cause, `ip link set ${device} up`)];
    }
    if (!state.hasCarrier) {
      const cause = 'cable, switch port or virtual network: other hosts and etcd are not reached';
      return [finding('underlay-down', `the underlay ${device} has no carrier`, cause, next)];
    }
    const entry = network.interfaces.find(({ name }) => name === device);
    if (entry?.addresses.includes(address) !== false) return [];
    const elsewhere = network.interfaces.find(({ addresses }) => addresses.includes(address))?.name;
    if (elsewhere !== undefined) {
      const seen = `the address ${address} of the underlay ${device} is on ${elsewhere} now`;
      const cause = `${device} became a port of a bridge or a bond: packets still pass, and nothing that happens to ${elsewhere} is noticed`;
      const restart = `set --iface=${elsewhere} (or none) where the agent's options are; systemctl restart selvedge`;
      return [finding('underlay-address', seen, cause, restart)];
    }
    const seen = `the underlay ${device} has the address ${address} no more; it has ${entry.addresses.join(', ') || 'none'}`;
    const cause = 'DHCP or an operator changed it; other hosts still send to the old one';
    return [
      finding('underlay-address', seen, cause, `ip address show ${device}; then: systemctl restart selvedge`),
    ];
  }),

  row('translation of addresses', ['agent', 'network'], ({ network }, host) => {
    const [status, publicIp] = [statusOf(host), underlayOf(host)?.publicIp];
    const reached = status?.probes?.peers;
    // A translation that works is nobody's business.
    if (publicIp === undefined || reached === undefined) return [];
    if (reached.reachable > 0 || reached['overlay-blocked'] === 0) return [];
    const port = configOf(host)?.backend.port ?? 8472;
    const answering = `${reached['overlay-blocked']} hosts answer on the underlay, none of them through the tunnel`;
    if (!network.interfaces.some(({ addresses }) => addresses.includes(publicIp))) {
      const seen = `${answering}, and the public IP ${publicIp} of this host is no address of its own`;
      const cause = `what the others send to ${publicIp} does not come here: nothing translates UDP ${port} of that address to this host, or the address is wrong`;
      const next = `tcpdump -ni any udp port ${port}; translate it there, or give another --public-ip`;
      return [finding('behind-nat', seen, cause, next)];
    }
    const others = status?.peers.map(peer => peer.publicIp) ?? [];
    if (!isPrivateIp(publicIp) || others.some(isPrivateIp)) return [];
    const seen = `${answering}, and the public IP ${publicIp} of this host is a private one, while those of all others are not`;
    const cause =
      'this host is behind a NAT: the others send to an address that does not exist where they are';
    const next = `give --public-ip the address by which the others reach this host, and translate UDP ${port} of it`;
    return [finding('behind-nat', seen, cause, next)];
  }),

  row('other hosts with our public IP', ['etcd', 'network'], (_, host) => {
    const publicIp = underlayOf(host)?.publicIp;
    const strangers = leasesIn(host).filter(lease => lease.publicIp === publicIp && !isHolder(host, lease));
    return strangers.map(({ key, subnets }) =>
      problem(
        'public-ip-shared',
        `the lease ${key} has our public IP ${publicIp}, and is not ours`,
        `another host has the same public IP, or this host left the lease of ${formatPrefix(subnets.ipv4)} behind`,
        'selvedge leases; then give one host another --public-ip, or delete the key',
      ),
    );
  }),
];

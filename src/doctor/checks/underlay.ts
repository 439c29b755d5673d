/** The way to the other hosts: which interface, and whether it is there. Pure. */
import { formatPrefix } from '../../address/prefix.js';
import { problem } from '../../daemon/problems.js';
import { row } from '../check.js';
import { finding } from '../finding.js';
import { isHolder, leasesIn, statusOf, underlayOf } from '../view.js';

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

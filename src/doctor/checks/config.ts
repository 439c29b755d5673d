/** The network's document, and whether this host has room for the network. Pure. */
import { containsIp, containsPrefix, formatPrefix, type Prefix } from '../../address/prefix.js';
import { describe } from '../../dataplane/kinds/index.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry } from '../../dataplane/model.js';
import { etcdctl } from '../../subnet/etcdctl.js';
import { firstConfigCommand } from '../../daemon/etcdctl.js';
import { readConfigDocument } from '../../daemon/config-document.js';
import { problem } from '../../daemon/problems.js';
import { listLeases } from '../../subnet/lease-list.js';
import type { Lease } from '../../subnet/lease.js';
import { row } from '../check.js';
import { finding, listed } from '../finding.js';
import { leasesSetAside } from './agent.js';
import { bridgesOf, configOf, documentIn, ownSubnetOf, underlayOf } from '../view.js';

export const configChecks = [
  row('the config in etcd', ['etcd'], (_, host) => {
    const { etcd } = host.options;
    const key = `${etcd.prefix}/config`;
    const next = `${etcdctl(etcd)} get ${key}`;
    const text = documentIn(host);
    if (text === undefined) return [];
    if (text === null) {
      const cause = 'nobody has put it there yet, or --etcd-prefix is not the right one';
      return [problem('config-missing', `${key} does not exist`, cause, firstConfigCommand(key, etcd))];
    }
    const read = readConfigDocument(text);
    if (read.ok) return [];
    const seen = `${key} cannot be used: ${read.faults.join('; ')}`;
    return [problem('config-invalid', seen, 'a mistake in the document', next)];
  }),

  row('the leases in etcd', ['agent', 'etcd'], ({ agent, etcd }, host) => {
    const rules = configOf(host);
    if (agent.kind === 'answers' || etcd.kind !== 'read' || rules === undefined) return [];
    const { range, backend } = rules;
    // Judged as by somebody who is no host: no lease can have its MAC.
    const judge = (lease: Lease) => backend.judge(lease, { mac: undefined });
    const { leases } = listLeases(etcd.entries, `${host.options.etcd.prefix}/subnets/`, { range, judge });
    return leasesSetAside(
      leases.flatMap(({ key, state }) =>
        state.kind === 'set-aside' ? [{ key, code: state.code, reason: state.reason }] : [],
      ),
    );
  }),

  row("this host's routes against the network", ['network'], ({ network }, host) => {
    const config = configOf(host);
    if (config === undefined) return [];
    const own = ownSubnetOf(host);
    const overlay = config.backend.device;
    const bridges = own === undefined ? [] : bridgesOf(network.entries, own, overlay);
    const foreign = network.entries.filter(
      entry =>
        isStranger(entry, config.range.network) &&
        entry.device !== overlay &&
        !bridges.includes(entry.device ?? ''),
    );
    if (foreign.length === 0) return [];
    const seen = `inside the network ${formatPrefix(config.range.network)} and not ours: ${listed(foreign.map(describe))}`;
    const cause =
      'a VPN, another bridge or a static route uses the same addresses: containers there are not reached';
    return [finding('route-overlap', seen, cause, 'ip route; ip address')];
  }),

  row('the underlay against the network', ['network'], (_, host) => {
    const [config, underlay] = [configOf(host), underlayOf(host)];
    if (config === undefined || underlay === undefined) return [];
    const { network } = config.range;
    if (!containsIp(network, underlay.address)) return [];
    return [
      finding(
        'underlay-in-network',
        `the address ${underlay.address} of ${underlay.device} is in the network ${formatPrefix(network)}`,
        'hosts and containers have addresses of one range, so that packets between hosts go into the overlay',
        `choose another Network: ${etcdctl(host.options.etcd)} get ${host.options.etcd.prefix}/config`,
      ),
    ];
  }),
];

/** A route that takes a part of the network away. A wider one takes nothing: ours are longer. */
function isStranger(entry: Entry, network: Prefix): boolean {
  if (entry.kind !== 'route' || entry.protocol === SELVEDGE_ROUTE_PROTOCOL) return false;
  return containsPrefix(network, entry.destination);
}

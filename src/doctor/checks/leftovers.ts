/** What is ours and leads nowhere, where no agent takes it away. Pure. */
import { containsPrefix, formatPrefix } from '../../address/prefix.js';
import { describe } from '../../dataplane/kinds/index.js';
import { SELVEDGE_ROUTE_PROTOCOL, type RouteEntry } from '../../dataplane/model.js';
import { row } from '../check.js';
import { finding, listed } from '../finding.js';
import { configOf, leasesIn } from '../view.js';

export const leftoverChecks = [
  row('what an agent left', ['agent', 'etcd', 'network'], ({ agent, etcd, network }, host) => {
    const config = configOf(host);
    if (agent.kind !== 'down' || etcd.kind !== 'read' || config === undefined) return [];
    const leased = new Set(leasesIn(host).map(({ subnets }) => formatPrefix(subnets.ipv4)));
    // An etcd that has lost its data would make all of them stale.
    if (leased.size === 0) return [];
    const stale = network.entries.filter(
      (entry): entry is RouteEntry =>
        entry.kind === 'route' &&
        entry.protocol === SELVEDGE_ROUTE_PROTOCOL &&
        containsPrefix(config.range.network, entry.destination) &&
        !leased.has(formatPrefix(entry.destination)),
    );
    if (stale.length === 0) return [];
    return [
      finding(
        'stale-entries',
        `${stale.length} of our routes lead to subnets that nobody has leased: ${listed(stale.map(describe))}`,
        'their hosts left while no agent ran here; whoever gets such a subnet next is not reached from here',
        'systemctl start selvedge, which removes them; or selvedge doctor --fix',
        { kind: 'remove', entries: stale },
      ),
    ];
  }),
];

/** Rules of the host's firewall that stand in the overlay's way. Pure. */
import { findPortDrops, findRejectBefore } from '../../dataplane/firewall/obstacles.js';
import { firewallNamesOf } from '../../dataplane/firewall/model.js';
import { findSubnetDrops } from '../../dataplane/firewall/subnet-drops.js';
import { formatPrefix } from '../../address/prefix.js';
import { closedForwardChains } from '../../daemon/host-setup/input-chains.js';
import { problem } from '../../daemon/problems.js';
import { row, type Outcome } from '../check.js';
import type { FirewallFact } from '../facts.js';
import { finding, listed } from '../finding.js';
import { bridgesOf, configOf, ownSubnetOf, peerSubnetsOf, statusOf, underlayOf } from '../view.js';

/** Until a config is known: what flannel and the kernel take. */
const USUAL_PORT = 8472;

export const firewallChecks = [
  row('reading the firewall', ['firewall'], ({ firewall }) =>
    firewall.unread.map(why => ({ about: 'a part of the firewall', why })),
  ),

  row("the overlay's UDP port", ['firewall'], ({ firewall }, host) => {
    const config = configOf(host);
    const port = config === undefined ? USUAL_PORT : config.backend.port;
    if (port === undefined) return [];
    const drops = findPortDrops(firewall.iptables, firewall.nftRuleset, port, underlayOf(host)?.device);
    return drops.map(({ direction, chain, rule }) =>
      finding(
        'port-blocked',
        `${chain} drops UDP port ${port}: ${rule}`,
        direction === 'in'
          ? 'packets of all other hosts, or of those that the rule names, do not come in'
          : 'packets to all other hosts, or to those that the rule names, do not leave this host',
        `take the rule out where that firewall is configured; ${showChain(chain)}`,
      ),
    );
  }),

  row('forwarded packets of the overlay', ['firewall'], ({ firewall }, host) => {
    const { forwardChain } = firewallNamesOf(statusOf(host)?.agent.instance ?? host.options.instance);
    const config = configOf(host);
    const { network } = config?.range ?? {};
    const words = [
      config?.backend.device ?? 'flannel.1',
      ...(network ? [formatPrefix(network), network.address] : []),
    ];
    return [...rejectedBefore(firewall, forwardChain, words), ...dropped(firewall, forwardChain)];
  }),

  row('forwarded packets of single peers', ['firewall', 'network'], ({ firewall, network }, host) => {
    const device = configOf(host)?.backend.device;
    const own = ownSubnetOf(host);
    const subnets = [...peerSubnetsOf(host), ...(own === undefined ? [] : [own])];
    const bridges = own === undefined ? [] : bridgesOf(network.entries, own, device);
    return findSubnetDrops(firewall.iptables, firewall.nftRuleset, { subnets, device, bridges }).map(
      ({ chain, rule, subnets }) =>
        finding(
          'forward-rejected',
          `${chain} drops what goes to or comes from ${listed(subnets.map(formatPrefix))}: ${rule}`,
          'a rule names these addresses: containers there and here do not reach each other',
          `take the rule out where that firewall is configured; ${showChain(chain)}`,
        ),
    );
  }),
];

/** The command that prints a chain of `findPortDrops` or `findSubnetDrops`. */
function showChain(chain: string): string {
  const [program, name] = chain.split(' ');
  return program!.startsWith('iptables-') ? `${program} -S ${name}` : `nft -a list chain ${chain}`;
}

function rejectedBefore(
  { iptables, nftRuleset }: FirewallFact,
  chain: string,
  words: readonly string[],
): Outcome {
  const closed = closedForwardChains(nftRuleset, words).map(name =>
    finding(
      'forward-rejected',
      `${name} drops what is forwarded and is not let through by name, and nothing in its table names the overlay`,
      'an accept in another table does not help against it: what other hosts send to containers is lost',
      `nft list ruleset; let ${words[0]!} through where that firewall is configured`,
    ),
  );
  const rejected = iptables.flatMap(({ variant, filter }) => {
    const rule = filter && findRejectBefore(filter, chain, words);
    if (rule === undefined) return [];
    const seen = `FORWARD of iptables-${variant} takes all packets before our chain ${chain} is asked: -A FORWARD ${rule}`;
    const cause =
      'a firewall was loaded after the agent, or put its rule at the head: what other hosts send to containers is lost';
    const next = `iptables-${variant} -L FORWARD -n --line-numbers; put the rule behind the jump to ${chain}`;
    return [finding('forward-rejected', seen, cause, next)];
  });
  return [...rejected, ...closed];
}

/** Where an agent runs, it puts this right or tells why it cannot. */
function dropped({ iptables }: FirewallFact, chain: string): Outcome {
  return iptables
    .filter(({ filter }) => filter?.policies.get('FORWARD') === 'DROP' && !filter.rules.has(chain))
    .map(({ variant }) =>
      problem(
        'forward-dropped',
        `FORWARD of iptables-${variant} drops what comes from other hosts' containers, and has no chain ${chain}`,
        'no agent has put it there: none runs, or it was told not to (--iptables-forward-rules=false)',
        `systemctl status selvedge; iptables-${variant} -S FORWARD`,
      ),
    );
}

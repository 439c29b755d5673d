/** What is wrong with the packet filter, for operators. Pure. */
import type { FirewallKeeper, MasqueradeState, PartState } from '../dataplane/firewall/keeper.js';
import { problem } from './problems.js';
import type { Problem } from './status.js';

/** Everything that is wrong with it; what another program keeps undoing is told with all other contests. */
export function firewallProblems(keeper: FirewallKeeper | undefined): Problem[] {
  if (keeper === undefined) return [];
  const { masquerade, forward, errors } = keeper.view;
  return [
    ...(masquerade?.error === undefined ? [] : [masqueradeProblem(masquerade, masquerade.error)]),
    ...forward.flatMap(part => (part.error === undefined ? [] : [forwardProblem(part, part.error)])),
    ...errors.map(error =>
      problem(
        'firewall-trouble',
        `the firewall: ${error}`,
        'it could not be read, or an older rule not be removed; another program may hold its lock',
        'iptables-save; nft list ruleset',
      ),
    ),
  ];
}

function masqueradeProblem({ tool, withoutNft }: MasqueradeState, error: string): Problem {
  const byNft = withoutNft === undefined ? '' : ` (nor by nft: ${withoutNft})`;
  const seen = `containers do not reach the world under this host's address: ${error}${byNft}`;
  return tool === undefined
    ? problem(
        'masquerade-missing',
        seen,
        '--ip-masq is given, and there is no program that could do it',
        'install nftables or iptables, or take --ip-masq out and restart docker, which then masquerades',
      )
    : problem(
        'masquerade-missing',
        seen,
        `${tool} is too old, the kernel lacks what it needs, or the agent may not use it; what was there stays`,
        tool === 'nft' ? 'nft list ruleset' : `${tool}-save -t nat`,
      );
}

function forwardProblem({ tool }: PartState, error: string): Problem {
  return problem(
    'forward-dropped',
    `FORWARD of ${tool ?? 'iptables'} drops what comes from other hosts' containers: ${error}`,
    'Docker has set the policy DROP, and the rule that lets the overlay through could not be put there',
    `${tool ?? 'iptables'} -S FORWARD`,
  );
}

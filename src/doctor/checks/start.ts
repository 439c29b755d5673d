/** What would keep an agent from starting here, where none runs. Pure. */
import { containsPrefix, formatPrefix } from '../../address/prefix.js';
import type { Underlay } from '../../backends/backend.js';
import type { RunnableConfig } from '../../daemon/config-document.js';
import { OperatorError } from '../../daemon/operator-error.js';
import { checkBackend } from '../../daemon/start-up.js';
import { row } from '../check.js';
import type { HostFacts, NetworkFact } from '../facts.js';
import { finding } from '../finding.js';
import { configOf, underlayOf } from '../view.js';

export const startChecks = [
  row('what would keep an agent from starting', ['agent', 'network'], ({ agent, network }, host) => {
    const config = configOf(host);
    if (agent.kind !== 'down' || config === undefined) return [];
    const refusal = refusalOf(config, network, host);
    if (refusal === undefined) return [];
    const cause = 'an agent with these options ends at once, with exit code 2: only you can mend it';
    return [finding('agent-refuses', refusal, cause, 'journalctl -u selvedge -n 50; selvedge plan')];
  }),
];

function refusalOf(config: RunnableConfig, network: NetworkFact, host: HostFacts): string | undefined {
  const { backend, range } = config;
  const found = underlayOf(host);
  if (found?.mtu !== undefined) {
    const { device, address, publicIp, mtu } = found;
    const underlay: Underlay = { device, address, publicIp, mtu, routes: [] };
    try {
      checkBackend(backend, underlay, network.links);
    } catch (error) {
      if (error instanceof OperatorError) return error.message;
      throw error;
    }
  }
  const stranger = network.entries.find(
    entry =>
      entry.kind === 'address' &&
      entry.device === backend.device &&
      entry.prefix.family === 4 &&
      !containsPrefix(range.network, entry.prefix),
  );
  if (stranger?.kind !== 'address') return undefined;
  const has = `device ${stranger.device} has the address ${formatPrefix(stranger.prefix)}`;
  return `${has}, which is not in the network ${formatPrefix(range.network)}: it belongs to another overlay`;
}

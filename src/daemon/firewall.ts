/** What an agent wants of the packet filter, and how it leaves it. */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { Prefix } from '../address/prefix.js';
import type { Backend, Self } from '../backends/backend.js';
import { FirewallError, type Firewall } from '../dataplane/firewall/firewall.js';
import { FirewallKeeper } from '../dataplane/firewall/keeper.js';
import { firewallNamesOf, type FirewallWish } from '../dataplane/firewall/model.js';
import { planFirewall } from '../dataplane/firewall/plan.js';
import type { AgentOptions } from './options.js';
import { sleep } from './tasks.js';

/** @param onLook called whenever it was seen to */
export function createFirewallKeeper(
  options: AgentOptions,
  firewall: Firewall,
  log: Logger,
  onLook: () => void,
): FirewallKeeper {
  const names = firewallNamesOf(options.instance);
  return new FirewallKeeper({ firewall, names, log, now: () => performance.now(), sleep, onLook });
}

/** What this host needs with its lease. */
export function firewallWishOf(
  { ipMasq, ipMasqFullyRandom, forwardRules }: AgentOptions,
  network: Prefix,
  backend: Backend,
  { subnets, underlay }: Self,
): FirewallWish {
  return {
    network,
    subnet: subnets.ipv4,
    masquerade: ipMasq ? (ipMasqFullyRandom ? 'random-ports' : 'kernel-ports') : 'off',
    forwardDevices: forwardRules ? backend.forwardDevices(underlay) : [],
  };
}

/**
 * Removes all rules of the instance, and nothing else.
 * @param say is told each thing that goes, a line each
 * @returns the fault: that the packet filter cannot be read, or that it refuses a removal; undefined when nothing is left
 */
export async function removeFirewall(
  firewall: Firewall,
  { instance, dryRun }: { readonly instance: string; readonly dryRun: boolean },
  say: (line: string) => void,
): Promise<string | undefined> {
  const names = firewallNamesOf(instance);
  const held = await firewall.read(names, true);
  for (const change of planFirewall(undefined, held, names).removals) {
    say(`remove ${change.what}`);
    if (dryRun) continue;
    try {
      await firewall.apply(change);
    } catch (error) {
      if (error instanceof FirewallError) return error.message;
      throw error;
    }
  }
  const unread = [held.nft, ...held.iptables.map(each => each.held)].find(reading => reading?.ok === false);
  return unread?.ok === false ? `what is left in the firewall is not known: ${unread.error}` : undefined;
}

/** The port: what the keeper needs of a host's packet filter. `system-firewall.ts` is the real one. */
import type { HeldFirewall } from './held.js';
import type { FirewallNames } from './model.js';
import type { Change } from './plan.js';

/** A program could not be run, or refused; the message names it and what it said. */
export class FirewallError extends Error {
  override readonly name = 'FirewallError';
}

export interface Firewall {
  /**
   * Reads what concerns us. Trouble with a part is in its reading.
   * @param nat whether tables nat of iptables are looked at too: `nft` masquerades without them
   */
  read(names: FirewallNames, nat: boolean): Promise<HeldFirewall>;
  /** Makes one change, whole or not at all. @throws FirewallError */
  apply(change: Change): Promise<void>;
  /**
   * Asks nft and the kernel whether they would take a change, and makes none: at most a kernel module is loaded. iptables is not asked: there is nothing to
   * fall back on, and that question alone brings tables of legacy iptables into being.
   * @throws FirewallError what `apply` would be told
   */
  rehearse(change: Change): Promise<void>;
  /**
   * The tables of legacy iptables, which announce nothing: when the text is another than before, they have changed.
   * Empty while nobody uses them.
   */
  glance(): Promise<string>;
  /**
   * Calls when tables, chains or rules may have changed that concern us.
   * @returns ends it
   * @throws an Error when the kernel has no nftables
   */
  listen(names: FirewallNames, onChange: () => void): () => void;
}

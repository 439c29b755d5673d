/**
 * What in the kernel is ours, adopted from flanneld, or foreign. Pure.
 *
 * "Ours" is one predicate per instance. Foreign state is never changed; adopted state counts as ours, so that a host
 * taken over from flanneld ends with nothing stale. Each kind of entry says in its row of `kinds/` what that means for it.
 */
import type { Prefix } from '../address/prefix.js';
import type { IpAddress } from '../address/ip.js';

export interface Ownership {
  /** The instance's network: our routes lead into it. */
  readonly network: Prefix;
  /** Overlay devices that are ours. */
  readonly devices: ReadonlySet<string>;
  readonly underlay: string;
  /** Public IP of the accepted peer that holds exactly this prefix, if any. */
  readonly peerAt: (destination: Prefix) => IpAddress | undefined;
}

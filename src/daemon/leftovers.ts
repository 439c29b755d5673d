/** What an instance left in the kernel under a config that runs no more: taken away, and nothing else. */
import { samePrefix, type Prefix } from '../address/prefix.js';
import { entryOf, heldByKey, NexthopUsers, sparingUsedNexthops } from '../dataplane/diff.js';
import { describe, isOurs, keyOf, kindOf } from '../dataplane/kinds/index.js';
import type { Entry } from '../dataplane/model.js';
import type { Kernel } from '../dataplane/kernel.js';
import { readConfigDocument } from './config-document.js';
import { OperatorError } from './operator-error.js';
import type { Retired, SavedState } from './saved-state.js';

export interface Leftovers {
  readonly network: Prefix;
  /** Overlay devices; they go with all that is on them. */
  readonly devices: readonly string[];
  /** Name of the underlay device, or empty when it is not known. */
  readonly underlay: string;
}

export interface RemovalOptions {
  /** What must stay although it looks like a leftover, by kernel key. */
  readonly desired: ReadonlyMap<string, Entry>;
  readonly dryRun: boolean;
  /** Is told each thing that goes, a line each. */
  readonly say: (line: string) => void;
}

/**
 * Removes our routes into the network, and the devices if they are still VXLAN devices.
 * @throws OperatorError when the kernel refuses a removal
 */
export async function removeLeftovers(
  kernel: Kernel,
  { network, devices, underlay }: Leftovers,
  { desired, dryRun, say }: RemovalOptions,
): Promise<void> {
  const links = await kernel.readLinks();
  const overlay = new Set(devices);
  const ownership = { network, devices: overlay, underlay, peerAt: () => undefined };
  const entries = await kernel.readEntries(overlay);
  const leftovers = entries
    .filter(entry => isOurs(entry, ownership) && !desired.has(keyOf(entry)))
    .toSorted((a, b) => kindOf(b).order - kindOf(a).order)
    .map(held => ({ kind: 'remove' as const, held }));
  // With an object that somebody else's route goes by, that route would go.
  const users = new NexthopUsers(heldByKey(entries, ownership));
  const removals = sparingUsedNexthops(leftovers, id => users.of(id));
  for (const op of removals) say(`remove ${describe(entryOf(op))}`);
  const troubles = dryRun ? [] : (await kernel.apply(removals)).values();
  for (const trouble of troubles) {
    if (trouble.kind === 'refused') throw new OperatorError(trouble.message);
  }
  for (const link of links) {
    if (!overlay.has(link.name) || link.kind !== 'vxlan') continue;
    say(`remove device ${link.name}`);
    if (!dryRun) await kernel.removeLink(link.name);
  }
}

/** What the state names and the present config does not need any more. */
export function retiredBy(
  saved: SavedState,
  present: { readonly device: string | undefined; readonly network: Prefix },
): Retired {
  const before = saved.config === undefined ? undefined : readConfigDocument(saved.config);
  const devices = [saved.device, ...(saved.retired?.devices ?? [])].filter(device => device !== undefined);
  const networks = [
    ...(before?.ok === true ? [before.config.range.network] : []),
    ...(saved.retired?.networks ?? []),
  ];
  return {
    devices: devices.filter(device => device !== present.device),
    networks: networks.filter(network => !samePrefix(network, present.network)),
  };
}

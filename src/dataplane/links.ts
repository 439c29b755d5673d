/** What to do about a device: keep it, create it, change it in place, or make it anew. Pure. */
import type { HeldLink, LinkChange } from './kernel.js';
import type { Link } from './model.js';

export type LinkStep =
  | { readonly kind: 'keep' }
  | { readonly kind: 'create' }
  | { readonly kind: 'change'; readonly change: LinkChange }
  /** What differs cannot be changed on a live device. */
  | { readonly kind: 'recreate'; readonly why: string }
  /** Somebody else's device, or no underlay: nothing of ours to do. */
  | { readonly kind: 'refuse'; readonly why: string };

/**
 * Compares a wanted device with what bears its name. Which differences a live device bears was measured: MTU, local
 * address, learning and MAC can be changed, the rest cannot.
 * @param links all devices of the namespace
 */
export function planLink(wanted: Link, links: readonly HeldLink[]): LinkStep {
  const found = links.find(link => link.name === wanted.name);
  const underlay = links.find(link => link.name === wanted.underlay);
  if (underlay === undefined)
    return { kind: 'refuse', why: `its underlay ${wanted.underlay} does not exist` };
  if (found === undefined) return { kind: 'create' };
  const held = found.vxlan;
  if (held === undefined) {
    const what = found.kind === '' ? 'a device that is not virtual' : `a ${found.kind} device`;
    return { kind: 'refuse', why: `the name is taken by ${what}` };
  }
  const fixed = [
    ['VNI', held.vni, wanted.vni],
    ['port', held.port, wanted.port],
    ['underlay index', held.underlayIndex, underlay.index],
    ['GBP', held.gbp, wanted.gbp],
  ] as const;
  const differing = fixed.filter(([, has, wants]) => has !== wants);
  if (differing.length > 0) {
    return {
      kind: 'recreate',
      why: differing.map(([name, has, wants]) => `${name} is ${has}, not ${wants}`).join(', '),
    };
  }
  const change: LinkChange = {
    ...(found.mtu !== wanted.mtu && { mtu: wanted.mtu }),
    // Writing the MAC that is there already would flush all permanent neighbours.
    ...(found.mac !== wanted.mac && { mac: wanted.mac }),
    ...(held.local !== wanted.local && { local: wanted.local }),
    ...(held.learning !== wanted.learning && { learning: wanted.learning }),
    ...(!found.up && { up: true as const }),
  };
  return Object.keys(change).length === 0 ? { kind: 'keep' } : { kind: 'change', change };
}

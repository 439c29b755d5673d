/**
 * What a change of a device has certainly taken along, so that it can be put back before everything is read: with ten
 * thousand peers the reading takes longer than the putting back. Pure.
 *
 * The kernel flushes a device's permanent neighbours when its MAC is written, even if it is the same (net/core/neighbour.c,
 * neigh_changeaddr), and when its last IPv4 address goes (net/ipv4/fib_frontend.c, fib_disable_ip). When it is set down they
 * go, and its nexthop objects with their routes (net/ipv4/nexthop.c, nexthop_flush_dev); with the device itself, all.
 */
import { keyOf, kindOf, KINDS, sameEntry } from './kinds/index.js';
import type { Mended } from './link-keeper.js';
import type { Entry, NexthopEntry } from './model.js';

/** What was looked at after a change of devices. */
export interface Findings {
  /** The devices that have been touched just now. */
  readonly mended: readonly Mended[];
  /** All addresses that are there. */
  readonly addresses: readonly Entry[];
  /** Devices of which a nexthop object that must be there is not. */
  readonly withoutNexthops: ReadonlySet<string>;
}

/**
 * What is lost, in the order in which it is to be put back.
 * @param host what the host itself needs
 * @param wanted all desired entries
 */
export function lostEntries(
  { mended, addresses, withoutNexthops }: Findings,
  host: readonly Entry[],
  wanted: Iterable<Entry>,
): readonly Entry[] {
  const present = new Set(addresses.map(keyOf));
  const lost = host.filter(entry => entry.kind === 'address' && !present.has(keyOf(entry)));
  const addressed = new Set(addresses.map(({ device }) => device));
  const bare = lost.map(({ device }) => device).filter(device => !addressed.has(device));
  const made = new Set(mended.filter(({ isNew }) => isNew).map(({ device }) => device));
  const emptied = new Set([...made, ...withoutNexthops]);
  const flushed = new Set([
    ...mended.filter(({ isFlushed }) => isFlushed).map(({ device }) => device),
    ...bare,
    ...emptied,
  ]);
  if (flushed.size === 0) return lost;
  const onWhich: Partial<Record<Entry['kind'], ReadonlySet<string | undefined>>> = {
    fdb: made,
    neighbour: flushed,
    nexthop: emptied,
    route: emptied,
  };
  const byOrder: Entry[][] = KINDS.map(() => []);
  for (const entry of wanted)
    if (onWhich[entry.kind]?.has(entry.device) === true) byOrder[kindOf(entry).order]!.push(entry);
  return lost.concat(...byOrder);
}

/**
 * A nexthop object of each device, to be asked for: if that is gone the device has been down, and all of them are.
 * @param wanted all desired entries
 * @param held what the kernel holds as far as is known, by `keyOf`: what is not ours or yet to come says nothing
 */
export function nexthopSamples(
  wanted: Iterable<Entry>,
  held: ReadonlyMap<string, Entry>,
): ReadonlyMap<string, NexthopEntry> {
  const samples = new Map<string, NexthopEntry>();
  for (const entry of wanted) {
    if (entry.kind !== 'nexthop' || entry.device === undefined || samples.has(entry.device)) continue;
    const known = held.get(keyOf(entry));
    if (known !== undefined && sameEntry(entry, known)) samples.set(entry.device, entry);
  }
  return samples;
}

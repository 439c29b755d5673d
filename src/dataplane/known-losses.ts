/**
 * What a change of a device has certainly taken along, so that it can be put back before everything is read: with ten
 * thousand peers the reading takes longer than the putting back. Pure.
 *
 * The kernel flushes a device's permanent neighbours when its MAC is written, even if it is the same (net/core/neighbour.c,
 * neigh_changeaddr), and when its last IPv4 address goes (net/ipv4/fib_frontend.c, fib_disable_ip). When it is set down they
 * go, and its nexthop objects with their routes (net/ipv4/nexthop.c, nexthop_flush_dev); with the device itself, all.
 */
import type { Op } from './diff.js';
import { keyOf, sameEntry } from './kinds/index.js';
import type { Mended } from './link-keeper.js';
import type { Entry } from './model.js';

/** What was looked at after a change of devices. */
export interface Findings {
  /** The devices that have been touched just now. */
  readonly mended: readonly Mended[];
  /** All addresses that are there. */
  readonly addresses: readonly Entry[];
  /** Devices of which a nexthop object that must be there is not. */
  readonly withoutNexthops: ReadonlySet<string>;
}

/** On which devices the entries of a kind have gone, all of them, with what happened to the device. */
export type Gone = Readonly<Record<Entry['kind'], ReadonlySet<string | undefined>>>;

/** What is known of entries beside that. */
export interface Presence {
  /** Addresses that were there when the kernel was last read, and are not. */
  readonly lost: readonly Entry[];
  /**
   * The neighbours that are there on devices of which a sample was missing: none if it was more than that one which has
   * gone.
   */
  readonly neighbours: readonly Entry[];
}

/** What puts back what is lost, in the order in which that is to be done; found as it is asked for, once. */
export interface Losses {
  /** All that is no route. */
  readonly ways: Iterable<Op>;
  /** What needs those ways. */
  readonly routes: Iterable<Op>;
}

/**
 * @param lost addresses that were there when the kernel was last read, and are not
 */
export function goneWith({ mended, addresses, withoutNexthops }: Findings, lost: readonly Entry[]): Gone {
  const devicesOf = (which: (each: Mended) => boolean) => mended.filter(which).map(({ device }) => device);
  const addressed = new Set(addresses.map(({ device }) => device));
  const bare = lost.map(({ device }) => device).filter(device => !addressed.has(device));
  const made = new Set(devicesOf(({ isNew }) => isNew));
  const emptied = new Set([...made, ...devicesOf(({ wasDown }) => wasDown), ...withoutNexthops]);
  const flushed = new Set([...devicesOf(({ isFlushed }) => isFlushed), ...bare, ...emptied]);
  // An address stays on a device that goes down: who took it has taken it by itself.
  return { address: made, fdb: made, neighbour: flushed, nexthop: emptied, route: emptied };
}

/**
 * What was there on these devices and is not.
 * @param wanted all desired entries, by any number of iterators
 */
export function lossesOf(gone: Gone, { lost, neighbours }: Presence, wanted: () => Iterable<Entry>): Losses {
  const present = new Set(neighbours.map(keyOf));
  const isThere = (entry: Entry) => present.size > 0 && present.has(keyOf(entry));
  function* of(kind: Entry['kind']): Generator<Op> {
    if (gone[kind].size === 0) return;
    for (const entry of wanted())
      if (entry.kind === kind && gone[kind].has(entry.device) && !isThere(entry))
        yield { kind: 'create', entry };
  }
  function* ways(): Generator<Op> {
    for (const entry of lost) yield { kind: 'create', entry };
    yield* of('fdb');
    yield* of('neighbour');
    yield* of('nexthop');
  }
  return { ways: ways(), routes: of('route') };
}

/**
 * An entry of a kind on each device, to be asked for: where a nexthop object is gone that device has most likely been down, and
 * all of them are; where a neighbour is gone its MAC has most likely been written.
 * @param isOfKind tells that kind
 * @param devices of the overlay
 * @param wanted all desired entries
 * @param held what the kernel holds as far as is known, by `keyOf`: what is not ours or yet to come says nothing
 */
export function samplesOf<E extends Entry>(
  isOfKind: (entry: Entry) => entry is E,
  devices: ReadonlySet<string>,
  wanted: Iterable<Entry>,
  held: ReadonlyMap<string, Entry>,
): ReadonlyMap<string, E> {
  const samples = new Map<string, E>();
  if (devices.size === 0) return samples;
  for (const entry of wanted) {
    const { device } = entry;
    if (device === undefined || !isOfKind(entry) || !devices.has(device) || samples.has(device)) continue;
    const known = held.get(keyOf(entry));
    if (known === undefined || !sameEntry(entry, known)) continue;
    samples.set(device, entry);
    if (samples.size === devices.size) break;
  }
  return samples;
}

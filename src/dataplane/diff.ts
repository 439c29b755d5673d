/**
 * What to change so that the kernel holds what it should, in an order in which no packet is lost. Pure.
 */
import { isOurs, keyOf, kindOf, sameEntry } from './kinds/index.js';
import type { Entry } from './model.js';
import type { Ownership } from './ownership.js';

/**
 * One change. `create` is exclusive where the key may be somebody else's: the kernel refuses it when it exists after all.
 * `replace` changes what we know to be ours. `remove` of what is gone is success.
 */
export type Op =
  | { readonly kind: 'create'; readonly key: string; readonly entry: Entry }
  | { readonly kind: 'replace'; readonly key: string; readonly entry: Entry; readonly held: Entry }
  | { readonly kind: 'remove'; readonly key: string; readonly held: Entry };

/** The entry that an op puts or removes. */
export function entryOf(op: Op): Entry {
  return op.kind === 'remove' ? op.held : op.entry;
}

/** How many ops there are of each sort. */
export function countOps(ops: readonly Op[]): { created: number; replaced: number; removed: number } {
  const count = (kind: Op['kind']) => ops.filter(op => op.kind === kind).length;
  return { created: count('create'), replaced: count('replace'), removed: count('remove') };
}

/** A foreign entry where one of ours belongs. It is left alone. */
export interface Conflict {
  readonly key: string;
  readonly wanted: Entry;
  readonly found: Entry;
}

export interface Difference {
  readonly ops: readonly Op[];
  readonly conflicts: readonly Conflict[];
}

/**
 * Compares under the given keys.
 * @param keys which keys to look at: those of one peer, or all of both maps
 * @param desired what the kernel should hold, by `keyOf`
 * @param held what it holds, ours and foreign, by `keyOf`
 * @param prune whether what is ours and not desired may go; false until the first complete set of leases is known
 */
export function diff(
  keys: Iterable<string>,
  desired: ReadonlyMap<string, Entry>,
  held: ReadonlyMap<string, Entry>,
  ownership: Ownership,
  prune: boolean,
): Difference {
  const ops: Op[] = [];
  const conflicts: Conflict[] = [];
  for (const key of keys) {
    const wanted = desired.get(key);
    const found = held.get(key);
    if (wanted === undefined) {
      if (prune && found !== undefined && isOurs(found, ownership))
        ops.push({ kind: 'remove', key, held: found });
    } else if (found === undefined) {
      ops.push({ kind: 'create', key, entry: wanted });
    } else if (!sameEntry(wanted, found)) {
      if (isOurs(found, ownership)) ops.push({ kind: 'replace', key, entry: wanted, held: found });
      else conflicts.push({ key, wanted, found });
    }
  }
  return { ops: inSafeOrder(ops), conflicts };
}

/**
 * Removals without those of nexthop objects that a route still uses: the kernel would take the route along, without a
 * word, be it somebody else's or one of ours whose replacement was refused.
 * @param removals ops of the kind `remove`
 * @param held what the kernel holds before them, by `keyOf`
 */
export function sparingUsedNexthops(
  removals: readonly Op[],
  held: ReadonlyMap<string, Entry>,
): readonly Op[] {
  const nexthopOf = (op: Op) => (op.kind === 'remove' && op.held.kind === 'nexthop' ? op.held.id : undefined);
  if (removals.every(op => nexthopOf(op) === undefined)) return removals;
  const going = new Set(removals.map(op => op.key));
  const used = new Set<number | undefined>();
  for (const [key, entry] of held) {
    if (entry.kind === 'route' && entry.nexthopId !== undefined && !going.has(key)) used.add(entry.nexthopId);
  }
  return removals.filter(op => !used.has(nexthopOf(op)));
}

/** A map or set, whose keys are looked at. */
interface Keyed {
  readonly size: number;
  has(key: string): boolean;
  keys(): Iterable<string>;
}

/** Every key of these maps and sets, once. */
export function allKeys(...sources: readonly Keyed[]): string[] {
  const keys: string[] = [];
  sources.forEach((source, index) => {
    const earlier = sources.slice(0, index).filter(({ size }) => size > 0);
    for (const key of source.keys()) if (earlier.every(other => !other.has(key))) keys.push(key);
  });
  return keys;
}

/** Entries by `keyOf`; of several with one key the last. */
export function byKey(entries: Iterable<Entry>): Map<string, Entry> {
  return new Map(Array.from(entries, entry => [keyOf(entry), entry]));
}

/**
 * What the kernel holds, by `keyOf`.
 *
 * `ip route prepend` and `append` put several routes under one key, and a replace or a removal hits the first that fits.
 * So a foreign one stands for all of its key, wherever it is; of several of ours, the first, which packets take.
 * @param entries in the kernel's order
 */
export function heldByKey(entries: Iterable<Entry>, ownership: Ownership): Map<string, Entry> {
  const held = new Map<string, Entry>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const other = held.get(key);
    if (other === undefined || (isOurs(other, ownership) && !isOurs(entry, ownership))) held.set(key, entry);
  }
  return held;
}

/** More than twice the order of any kind. */
const LAST = 20;

/**
 * What a packet meets last is there first, and the route comes last. Additions before removals, so that a live peer's
 * packets always have somewhere to go.
 */
function inSafeOrder(ops: readonly Op[]): Op[] {
  const place = (op: Op) => (op.kind === 'remove' ? LAST - kindOf(op.held).order : kindOf(op.entry).order);
  // There are few places and many ops: no need to compare these with each other.
  const byPlace: Op[][] = Array.from({ length: LAST + 1 }, () => []);
  for (const op of ops) byPlace[place(op)]!.push(op);
  return byPlace.flat();
}

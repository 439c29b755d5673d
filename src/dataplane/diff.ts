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
  | { readonly kind: 'create'; readonly entry: Entry }
  | { readonly kind: 'replace'; readonly entry: Entry; readonly held: Entry }
  | { readonly kind: 'remove'; readonly held: Entry };

/** The entry that an op puts or removes. */
export function entryOf(op: Op): Entry {
  return op.kind === 'remove' ? op.held : op.entry;
}

/** The kernel key under which an op changes something. */
export function keyOfOp(op: Op): string {
  return keyOf(entryOf(op));
}

/** How many ops there are of each sort. */
export function countOps(batches: readonly (readonly Op[])[]): {
  created: number;
  replaced: number;
  removed: number;
} {
  const counts = { create: 0, replace: 0, remove: 0 };
  for (const ops of batches) for (const { kind } of ops) counts[kind]++;
  return { created: counts.create, replaced: counts.replace, removed: counts.remove };
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
 * @param keys which keys to look at, such as those of one peer
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
  const findings = new Findings(ownership, prune);
  for (const key of keys) findings.add(desired.get(key), held.get(key));
  return findings.difference();
}

/**
 * Compares everything, as `diff` does under the keys of both sides.
 * @param desired what the kernel should hold, by `keyOf`
 * @param held what it holds, by `keyOf`
 * @param prune whether what is ours and not desired may go
 * @returns what is to be removed comes last
 */
export function diffAll(
  desired: ReadonlyMap<string, Entry>,
  held: ReadonlyMap<string, Entry>,
  ownership: Ownership,
  prune: boolean,
): Difference {
  const findings = new Findings(ownership, prune);
  for (const [key, wanted] of desired) findings.add(wanted, held.get(key));
  for (const [key, found] of held) if (!desired.has(key)) findings.add(undefined, found);
  return findings.difference();
}

/**
 * The same, slice by slice, without an index of what is desired. What is to be removed comes last.
 * @param desired what the kernel should hold; of what it holds nothing alike, as at a first start, no key is made: that
 * takes longer than to compare it
 */
export function* diffSlices(
  desired: Iterable<Iterable<Entry>>,
  held: ReadonlyMap<string, Entry>,
  ownership: Ownership,
  prune: boolean,
): Generator<Difference> {
  const heldParts = new Map<string, Set<string | number>>();
  for (const entry of held.values()) {
    const parts = heldParts.get(entry.kind);
    const part = kindOf(entry).keyPart(entry);
    if (parts === undefined) heldParts.set(entry.kind, new Set([part]));
    else parts.add(part);
  }
  const wantedKeys = new Set<string>();
  for (const slice of desired) {
    const findings = new Findings(ownership, prune);
    findings.addAll(slice, held, heldParts, wantedKeys);
    yield findings.difference();
  }
  const findings = new Findings(ownership, prune);
  for (const [key, found] of held) if (!wantedKeys.has(key)) findings.add(undefined, found);
  yield findings.difference();
}

/** More than twice the order of any kind. */
const LAST = 20;

/** Ops and conflicts as they are found. */
class Findings {
  readonly #ownership: Ownership;
  readonly #prune: boolean;
  readonly #conflicts: Conflict[] = [];
  /** There are few places and many ops: no need to compare these with each other. */
  readonly #byPlace: Op[][] = Array.from({ length: LAST + 1 }, () => []);

  constructor(ownership: Ownership, prune: boolean) {
    this.#ownership = ownership;
    this.#prune = prune;
  }

  /** What is wanted and what is found under one key. */
  add(wanted: Entry | undefined, found: Entry | undefined): void {
    if (wanted === undefined) {
      if (this.#prune && found !== undefined && isOurs(found, this.#ownership))
        this.#byPlace[LAST - kindOf(found).order]!.push({ kind: 'remove', held: found });
    } else if (found === undefined) {
      this.#byPlace[kindOf(wanted).order]!.push({ kind: 'create', entry: wanted });
    } else if (!sameEntry(wanted, found)) {
      if (isOurs(found, this.#ownership))
        this.#byPlace[kindOf(wanted).order]!.push({ kind: 'replace', entry: wanted, held: found });
      else this.#conflicts.push({ key: keyOf(wanted), wanted, found });
    }
  }

  /**
   * All of these, with what is found under their keys.
   * @param heldParts of `held`, the parts of keys by kind
   * @param wantedKeys takes the keys under which there is something
   */
  addAll(
    entries: Iterable<Entry>,
    held: ReadonlyMap<string, Entry>,
    heldParts: ReadonlyMap<string, ReadonlySet<string | number>>,
    wantedKeys: Set<string>,
  ): void {
    for (const wanted of entries) {
      const parts = heldParts.get(wanted.kind);
      if (parts?.has(kindOf(wanted).keyPart(wanted)) !== true) {
        this.add(wanted, undefined);
        continue;
      }
      const key = keyOf(wanted);
      const found = held.get(key);
      if (found !== undefined) wantedKeys.add(key);
      this.add(wanted, found);
    }
  }

  /**
   * All, in an order in which what a packet meets last is there first, and the route comes last. Additions before
   * removals, so that a live peer's packets always have somewhere to go.
   */
  difference(): Difference {
    // Not `flat`, which asks of each of tens of thousands whether it is an array.
    return { ops: ([] as Op[]).concat(...this.#byPlace), conflicts: this.#conflicts };
  }
}

/**
 * Removals without those of nexthop objects that a route still uses: the kernel would take the route along, without a
 * word, be it somebody else's or one of ours whose replacement was refused.
 * @param removals ops of the kind `remove`
 * @param usersOf the keys of the routes that the kernel holds before them and that go by the object of this id
 */
export function sparingUsedNexthops(
  removals: readonly Op[],
  usersOf: (id: number) => ReadonlySet<string>,
): readonly Op[] {
  const nexthopOf = (op: Op) => (op.kind === 'remove' && op.held.kind === 'nexthop' ? op.held.id : undefined);
  if (removals.every(op => nexthopOf(op) === undefined)) return removals;
  const going = new Set(removals.map(keyOfOp));
  return removals.filter(op => {
    const id = nexthopOf(op);
    return id === undefined || [...usersOf(id)].every(key => going.has(key));
  });
}

const NO_KEYS: ReadonlySet<string> = new Set();

/** Which routes go by which nexthop object: keys by id. */
export class NexthopUsers {
  readonly #byId = new Map<number, Set<string>>();

  /** @param held by `keyOf` */
  constructor(held: ReadonlyMap<string, Entry>) {
    for (const [key, entry] of held) this.change(key, undefined, entry);
  }

  of(id: number): ReadonlySet<string> {
    return this.#byId.get(id) ?? NO_KEYS;
  }

  /** Under this key there was one entry, or none, and now is another. */
  change(key: string, before: Entry | undefined, after: Entry | undefined): void {
    const [from, to] = [nexthopIdOf(before), nexthopIdOf(after)];
    if (from === to) return;
    if (from !== undefined) {
      const users = this.#byId.get(from);
      users?.delete(key);
      if (users?.size === 0) this.#byId.delete(from);
    }
    if (to === undefined) return;
    const users = this.#byId.get(to);
    if (users === undefined) this.#byId.set(to, new Set([key]));
    else users.add(key);
  }
}

function nexthopIdOf(entry: Entry | undefined): number | undefined {
  return entry?.kind === 'route' ? entry.nexthopId : undefined;
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

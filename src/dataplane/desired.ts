/**
 * What the kernel should hold, by owner: the host itself, and each peer. Pure data with an index by kernel key.
 *
 * An owner's plan is lowered on its way in, see `lowering.ts`; when what that depends on changes, all plans are lowered
 * anew.
 */
import { keyOf } from './kinds/index.js';
import type { Entry } from './model.js';

/** From what a backend plans to what the kernel is given. */
export type Lowering = (planned: readonly Entry[]) => readonly Entry[];

export class DesiredEntries {
  readonly #lowering: Lowering;
  readonly #plans = new Map<string, readonly Entry[]>();
  readonly #byKey = new Map<string, Entry>();
  readonly #ownerOf = new Map<string, string>();
  readonly #keysOf = new Map<string, ReadonlySet<string>>();
  readonly #formerOwnerOf = new Map<string, string>();

  constructor(lowering: Lowering = planned => planned) {
    this.#lowering = lowering;
  }

  /** All desired entries by kernel key. */
  get byKey(): ReadonlyMap<string, Entry> {
    return this.#byKey;
  }

  /** How many owners want anything. */
  get owners(): number {
    return this.#plans.size;
  }

  /** By key, who dropped it last, for keys that nobody wants now: until then, that owner may live by what is there. */
  get formerOwners(): ReadonlyMap<string, string> {
    return this.#formerOwnerOf;
  }

  /** The keys of everything that this owner wants. */
  keysOf(owner: string): ReadonlySet<string> {
    return this.#keysOf.get(owner) ?? new Set();
  }

  /**
   * Replaces all that this owner wants; no entries take the owner out.
   * @param planned as a backend plans them
   * @returns the keys that may have to change in the kernel
   */
  set(owner: string, planned: readonly Entry[]): Set<string> {
    if (planned.length === 0) this.#plans.delete(owner);
    else this.#plans.set(owner, planned);
    return this.#put(owner, this.#lowering(planned));
  }

  /**
   * What the lowering depends on has changed: lowers all plans anew.
   * @returns the keys that may have to change in the kernel
   */
  lowerAgain(): Set<string> {
    const touched = new Set<string>();
    for (const [owner, planned] of this.#plans) {
      for (const key of this.#put(owner, this.#lowering(planned))) touched.add(key);
    }
    return touched;
  }

  /** The kernel holds nothing under this key any more: who wanted it is of no concern. */
  forgetFormerOwner(key: string): void {
    this.#formerOwnerOf.delete(key);
  }

  #put(owner: string, entries: readonly Entry[]): Set<string> {
    const touched = new Set(this.keysOf(owner));
    for (const key of touched) {
      // A host that moved to another subnet takes its MAC along: the new peer may have taken the key over already.
      if (this.#ownerOf.get(key) !== owner) continue;
      this.#ownerOf.delete(key);
      this.#byKey.delete(key);
      this.#formerOwnerOf.set(key, owner);
    }
    const keys = new Set<string>();
    for (const entry of entries) {
      const key = keyOf(entry);
      keys.add(key);
      touched.add(key);
      this.#byKey.set(key, entry);
      this.#ownerOf.set(key, owner);
      this.#formerOwnerOf.delete(key);
    }
    if (keys.size === 0) this.#keysOf.delete(owner);
    else this.#keysOf.set(owner, keys);
    return touched;
  }
}

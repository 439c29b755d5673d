/**
 * What the kernel should hold, by owner: the host itself, and each peer. Pure data with an index by kernel key.
 */
import { keyOf } from './kinds/index.js';
import type { Entry } from './model.js';

export class DesiredEntries {
  readonly #byKey = new Map<string, Entry>();
  readonly #ownerOf = new Map<string, string>();
  readonly #keysOf = new Map<string, ReadonlySet<string>>();
  readonly #formerOwnerOf = new Map<string, string>();

  /** All desired entries by kernel key. */
  get byKey(): ReadonlyMap<string, Entry> {
    return this.#byKey;
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
   * @returns the keys that may have to change in the kernel
   */
  set(owner: string, entries: readonly Entry[]): Set<string> {
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

  /** The kernel holds nothing under this key any more: who wanted it is of no concern. */
  forgetFormerOwner(key: string): void {
    this.#formerOwnerOf.delete(key);
  }
}

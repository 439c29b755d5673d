/**
 * What the kernel should hold, by owner: the host itself, and each peer. Pure data with an index by kernel key.
 */
import { keyOf } from './kinds/index.js';
import type { Entry } from './model.js';

export class DesiredEntries {
  readonly #byKey = new Map<string, Entry>();
  readonly #ownerOf = new Map<string, string>();
  readonly #keysOf = new Map<string, ReadonlySet<string>>();

  /** All desired entries by kernel key. */
  get byKey(): ReadonlyMap<string, Entry> {
    return this.#byKey;
  }

  /** Owners, in the order in which they came. */
  get owners(): Iterable<string> {
    return this.#keysOf.keys();
  }

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
    }
    const keys = new Set<string>();
    for (const entry of entries) {
      const key = keyOf(entry);
      keys.add(key);
      touched.add(key);
      this.#byKey.set(key, entry);
      this.#ownerOf.set(key, owner);
    }
    if (keys.size === 0) this.#keysOf.delete(owner);
    else this.#keysOf.set(owner, keys);
    return touched;
  }
}

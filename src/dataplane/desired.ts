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

/** What one owner wants. */
interface Owned {
  readonly planned: readonly Entry[];
  readonly entries: readonly Entry[];
  /** Of the entries, in their order. */
  readonly keys: readonly string[];
}

export class DesiredEntries {
  readonly #lowering: Lowering;
  readonly #owned = new Map<string, Owned>();
  readonly #byKey = new Map<string, Entry>();
  /** By key, what owners want who are not the last that wanted something there, the latest last. Few keys have any. */
  readonly #covered = new Map<string, readonly Entry[]>();
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
    return this.#owned.size;
  }

  /** By key, who dropped it last, for keys that nobody wants now: until then, that owner may live by what is there. */
  get formerOwners(): ReadonlyMap<string, string> {
    return this.#formerOwnerOf;
  }

  /** The keys of everything that this owner wants. */
  keysOf(owner: string): readonly string[] {
    return this.#owned.get(owner)?.keys ?? [];
  }

  /**
   * Replaces all that this owner wants; no entries take the owner out.
   * @param planned as a backend plans them
   * @returns the keys that may have to change in the kernel
   */
  set(owner: string, planned: readonly Entry[]): readonly string[] {
    const before = this.#owned.get(owner);
    if (before !== undefined) this.#drop(owner, before);
    const entries = this.#lowering(planned);
    const keys = entries.map(keyOf);
    keys.forEach((key, index) => {
      const present = this.#byKey.get(key);
      if (present !== undefined) this.#covered.set(key, [...(this.#covered.get(key) ?? []), present]);
      this.#byKey.set(key, entries[index]!);
      this.#formerOwnerOf.delete(key);
    });
    if (keys.length === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, { planned, entries, keys });
    return before === undefined ? keys : [...new Set([...before.keys, ...keys])];
  }

  /**
   * What the lowering depends on has changed: lowers all plans anew.
   * @returns the keys that may have to change in the kernel
   */
  lowerAgain(): Set<string> {
    const touched = new Set<string>();
    for (const [owner, { planned }] of this.#owned) {
      for (const key of this.set(owner, planned)) touched.add(key);
    }
    return touched;
  }

  /** The kernel holds nothing under this key any more: who wanted it is of no concern. */
  forgetFormerOwner(key: string): void {
    this.#formerOwnerOf.delete(key);
  }

  #drop(owner: string, { entries, keys }: Owned): void {
    keys.forEach((key, index) => {
      const entry = entries[index]!;
      const covered = this.#covered.get(key);
      if (this.#byKey.get(key) !== entry) {
        // Of a host that moved to another subnet the new peer has taken the key of the MAC over already.
        this.#setCovered(key, covered?.filter(each => each !== entry) ?? []);
      } else if (covered !== undefined) {
        // A host with two subnets has one MAC: the other peer wants the key as well.
        this.#byKey.set(key, covered.at(-1)!);
        this.#setCovered(key, covered.slice(0, -1));
      } else {
        this.#byKey.delete(key);
        this.#formerOwnerOf.set(key, owner);
      }
    });
  }

  #setCovered(key: string, entries: readonly Entry[]): void {
    if (entries.length === 0) this.#covered.delete(key);
    else this.#covered.set(key, entries);
  }
}

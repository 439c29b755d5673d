/**
 * What the kernel should hold, by owner: the host itself, and each peer. Pure data with an index by kernel key.
 *
 * An owner's plan is lowered on its way in, see `lowering.ts`; when what that depends on changes, all plans are lowered
 * anew. What a new owner wants is entered in the index when somebody asks for that next: at a start, that is after all is
 * in the kernel.
 */
import { keyOf } from './kinds/index.js';
import type { Entry } from './model.js';

/** From what a backend plans to what the kernel is given. */
export type Lowering = (planned: readonly Entry[]) => readonly Entry[];

/** The owner of what the host itself needs, whoever its peers are. */
export const HOST = Symbol('host');

/** The host, or a peer by its id. */
export type Owner = typeof HOST | string;

/** What one owner wants. */
interface Owned {
  readonly planned: readonly Entry[];
  readonly entries: readonly Entry[];
}

export class DesiredEntries {
  readonly #lowering: Lowering;
  readonly #owned = new Map<Owner, Owned>();
  readonly #byKey = new Map<string, Entry>();
  /** By key, what owners want who are not the last that wanted something there, the latest last. Few keys have any. */
  readonly #covered = new Map<string, readonly Entry[]>();
  /** Of new owners, not in the index yet, in the order in which they came. */
  #unindexed: (readonly Entry[])[] = [];
  readonly #formerOwnerOf = new Map<string, Owner>();

  constructor(lowering: Lowering = planned => planned) {
    this.#lowering = lowering;
  }

  /** All desired entries by kernel key. */
  get byKey(): ReadonlyMap<string, Entry> {
    this.makeIndex();
    return this.#byKey;
  }

  /** Enters what is not in the index yet, which else is done when that is asked for. */
  makeIndex(): void {
    if (this.#unindexed.length === 0) return;
    for (const entries of this.#unindexed) {
      for (const entry of entries) {
        const key = keyOf(entry);
        const present = this.#byKey.get(key);
        if (present !== undefined) this.#covered.set(key, [...(this.#covered.get(key) ?? []), present]);
        this.#byKey.set(key, entry);
        this.#formerOwnerOf.delete(key);
      }
    }
    this.#unindexed = [];
  }

  /** All desired entries. What two owners want alike may come twice; where they differ, the later counts. */
  all(): readonly Entry[] {
    const all = [...this.#byKey.values()];
    for (const entries of this.#unindexed) for (const entry of entries) all.push(entry);
    return all;
  }

  /** How many owners want anything. */
  get owners(): number {
    return this.#owned.size;
  }

  /** By key, who dropped it last, for keys that nobody wants now: until then, that owner may live by what is there. */
  get formerOwners(): ReadonlyMap<string, Owner> {
    if (this.#formerOwnerOf.size > 0) this.makeIndex();
    return this.#formerOwnerOf;
  }

  /** Everything that this owner wants. */
  entriesOf(owner: Owner): readonly Entry[] {
    return this.#owned.get(owner)?.entries ?? [];
  }

  /**
   * Replaces all that this owner wants; no entries take the owner out.
   * @param planned as a backend plans them
   * @returns what it wanted and what it wants: under these keys the kernel may have to change
   */
  set(owner: Owner, planned: readonly Entry[]): readonly Entry[] {
    const before = this.#owned.get(owner)?.entries;
    if (before !== undefined) this.#drop(owner, before);
    const entries = this.#lowering(planned);
    if (entries.length === 0) this.#owned.delete(owner);
    else {
      this.#owned.set(owner, { planned, entries });
      this.#unindexed.push(entries);
    }
    return before === undefined ? entries : [...before, ...entries];
  }

  /**
   * What the lowering depends on has changed: lowers all plans anew.
   * @returns the keys that may have to change in the kernel
   */
  lowerAgain(): Set<string> {
    const touched = new Set<string>();
    for (const [owner, { planned }] of this.#owned) {
      for (const entry of this.set(owner, planned)) touched.add(keyOf(entry));
    }
    return touched;
  }

  /** The kernel holds nothing under this key any more: who wanted it is of no concern. */
  forgetFormerOwner(key: string): void {
    this.#formerOwnerOf.delete(key);
  }

  #drop(owner: Owner, entries: readonly Entry[]): void {
    this.makeIndex();
    for (const entry of entries) {
      const key = keyOf(entry);
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
    }
  }

  #setCovered(key: string, entries: readonly Entry[]): void {
    if (entries.length === 0) this.#covered.delete(key);
    else this.#covered.set(key, entries);
  }
}

/**
 * What the kernel should hold, by owner: the host itself, and each peer. Pure data with an index by kernel key.
 *
 * An owner's plan is made and lowered, see `lowering.ts`, when somebody asks for its entries; when what that depends on
 * changes, plans are lowered anew. What a new owner wants is entered in the index when somebody asks for that: at a start, that is
 * after all is in the kernel. The peers of a start are not even listed before: each becomes an owner when the slice is
 * made that he is in, or when somebody asks for anything else.
 */
import { keyOf } from './kinds/index.js';
import type { Entry } from './model.js';

/** From what a backend plans to what the kernel is given. */
export type Lowering = (planned: readonly Entry[]) => readonly Entry[];

/**
 * What an owner wants, or how to plan that, which is done when it is needed: at a start with thousands of peers the kernel
 * is at work on some while the next are planned. Planning must give the same whenever it is done.
 */
export type Plan = readonly Entry[] | (() => readonly Entry[]);

/** The owner of what the host itself needs, whoever its peers are. */
export const HOST = Symbol('host');

/** The host, or a peer by its id. */
export type Owner = typeof HOST | string;

/** Owners who have come together, and of whom nobody has asked anything yet. */
interface Newcomers {
  readonly count: number;
  readonly at: (place: number) => readonly [Owner, Plan];
  /** The place of the first who is not taken in. */
  next: number;
}

/** What one owner wants. */
interface Owned {
  readonly plan: Plan;
  /** The plan as lowered; undefined until somebody asks. */
  entries: readonly Entry[] | undefined;
  /** Of these entries, in their order; undefined until somebody asks. Whoever looks at all peers asks for all of them. */
  keys: readonly string[] | undefined;
}

export class DesiredEntries {
  readonly #lowering: Lowering;
  readonly #owned = new Map<Owner, Owned>();
  readonly #byKey = new Map<string, Entry>();
  /** By key, what owners want who are not the last that wanted something there, the latest last. Few keys have any. */
  readonly #covered = new Map<string, readonly Entry[]>();
  /** Of new owners, not in the index yet, in the order in which they came. */
  #unindexed: Owned[] = [];
  /** Undefined when nobody waits to be taken in. */
  #newcomers: Newcomers | undefined;
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
    this.#takeIn();
    if (this.#unindexed.length === 0) return;
    for (const owned of this.#unindexed) {
      const keys = this.#keysIn(owned);
      for (const [i, entry] of this.#entriesIn(owned).entries()) {
        const key = keys[i]!;
        const present = this.#byKey.get(key);
        if (present !== undefined) this.#covered.set(key, [...(this.#covered.get(key) ?? []), present]);
        this.#byKey.set(key, entry);
        this.#formerOwnerOf.delete(key);
      }
    }
    this.#unindexed = [];
  }

  /**
   * All desired entries, those of so many owners at a time. What two owners want alike may come twice; where they
   * differ, the later counts.
   * @param owners at a time
   */
  *slices(owners: number): Generator<readonly Entry[]> {
    // The index may be made meanwhile: what was not in it at first is told all the same.
    const unindexed = this.#unindexed;
    if (this.#byKey.size > 0) yield [...this.#byKey.values()];
    for (let start = 0; start < unindexed.length + this.#waiting; start += owners) {
      this.#takeIn(start + owners - unindexed.length);
      yield this.#entriesOfAll(unindexed.slice(start, start + owners));
    }
  }

  /** Apart from `slices`: V8 is slow to optimise a generator. */
  #entriesOfAll(owners: readonly Owned[]): readonly Entry[] {
    const entries: Entry[] = [];
    for (const owned of owners) for (const entry of this.#entriesIn(owned)) entries.push(entry);
    return entries;
  }

  /** How many owners want anything. */
  get owners(): number {
    return this.#owned.size + this.#waiting;
  }

  /** By key, who dropped it last, for keys that nobody wants now: until then, that owner may live by what is there. */
  get formerOwners(): ReadonlyMap<string, Owner> {
    if (this.#formerOwnerOf.size > 0) this.makeIndex();
    return this.#formerOwnerOf;
  }

  /** Everything that this owner wants. */
  entriesOf(owner: Owner): readonly Entry[] {
    const owned = this.#find(owner);
    return owned === undefined ? [] : this.#entriesIn(owned);
  }

  /** The keys of all that. */
  keysOf(owner: Owner): readonly string[] {
    const owned = this.#find(owner);
    return owned === undefined ? [] : this.#keysIn(owned);
  }

  /**
   * Replaces all that this owner wants; no entries take the owner out.
   * @param plan as a backend plans
   */
  set(owner: Owner, plan: Plan): void {
    this.#takeIn();
    this.#enter(owner, plan);
  }

  /**
   * The same for many. Where nobody but the host wants anything, as at a start, each is taken in when his turn comes: to
   * list ten thousand keeps the kernel waiting for as long as it takes to program some hundred of them.
   * @param peers with different keys; read later, so that they must stay as they are
   */
  setAll<P extends { readonly key: string }>(peers: readonly P[], plan: (peer: P) => readonly Entry[]): void {
    this.#takeIn();
    if (this.#owned.size > (this.#owned.has(HOST) ? 1 : 0)) {
      for (const peer of peers) this.#enter(peer.key, () => plan(peer));
      return;
    }
    const at = (place: number) => {
      const peer = peers[place]!;
      return [peer.key, () => plan(peer)] as const;
    };
    this.#newcomers = { count: peers.length, at, next: 0 };
  }

  /**
   * What the lowering depends on has changed: lowers all plans anew. Makes no index for a list of entries that comes out
   * as before.
   * @returns the keys that may have to change in the kernel
   */
  lowerAgain(): Set<string> {
    const touched = new Set<string>();
    const lowered: [Owner, Plan, readonly Entry[]][] = [];
    // What nobody has asked for has not been lowered yet.
    this.#owned.forEach(({ plan, entries }, owner) => {
      if (entries !== undefined) lowered.push([owner, plan, entries]);
    });
    for (const [owner, plan, entries] of lowered) {
      // Of the host, which has no routes: an index of ten thousand peers would be made, and they are yet to be programmed.
      if (typeof plan !== 'function' && isSameList(this.#lowering(plan), entries)) continue;
      this.set(owner, plan);
      for (const entry of [...entries, ...this.entriesOf(owner)]) touched.add(keyOf(entry));
    }
    return touched;
  }

  /** The kernel holds nothing under this key any more: who wanted it is of no concern. */
  forgetFormerOwner(key: string): void {
    this.#formerOwnerOf.delete(key);
  }

  #find(owner: Owner): Owned | undefined {
    const owned = this.#owned.get(owner);
    if (owned !== undefined || this.#newcomers === undefined) return owned;
    this.#takeIn();
    return this.#owned.get(owner);
  }

  get #waiting(): number {
    const newcomers = this.#newcomers;
    return newcomers === undefined ? 0 : newcomers.count - newcomers.next;
  }

  /** @param most how many */
  #takeIn(most = Infinity): void {
    const newcomers = this.#newcomers;
    if (newcomers === undefined) return;
    for (let taken = 0; taken < most && newcomers.next < newcomers.count; taken++) {
      const [owner, plan] = newcomers.at(newcomers.next++);
      this.#enter(owner, plan);
    }
    if (newcomers.next === newcomers.count) this.#newcomers = undefined;
  }

  #enter(owner: Owner, plan: Plan): void {
    const before = this.#owned.get(owner);
    if (before !== undefined) this.#drop(owner, before);
    if (typeof plan !== 'function' && plan.length === 0) this.#owned.delete(owner);
    else {
      const owned = { plan, entries: undefined, keys: undefined };
      this.#owned.set(owner, owned);
      this.#unindexed.push(owned);
    }
  }

  #entriesIn(owned: Owned): readonly Entry[] {
    const { plan } = owned;
    return (owned.entries ??= this.#lowering(typeof plan === 'function' ? plan() : plan));
  }

  #keysIn(owned: Owned): readonly string[] {
    return (owned.keys ??= this.#entriesIn(owned).map(keyOf));
  }

  #drop(owner: Owner, owned: Owned): void {
    this.makeIndex();
    const keys = this.#keysIn(owned);
    for (const [i, entry] of this.#entriesIn(owned).entries()) {
      const key = keys[i]!;
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

function isSameList(a: readonly Entry[], b: readonly Entry[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry === b[i]);
}

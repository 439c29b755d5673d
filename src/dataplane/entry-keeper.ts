/**
 * Keeps entries: what is desired, what the kernel holds as far as we know, what it refused, and what stands in the way.
 * When to look, and at which keys, is its caller's affair.
 */
import type { Logger } from 'pino';
import { DesiredEntries, type Owner } from './desired.js';
import {
  allKeys,
  countOps,
  diff,
  diffAll,
  entryOf,
  keyOfOp,
  sparingUsedNexthops,
  type Conflict,
  type Difference,
  type Op,
} from './diff.js';
import { Failures } from './failures.js';
import { HeldEntries } from './held.js';
import type { Kernel, OpResult } from './kernel.js';
import { describe, keyOf, sameEntry } from './kinds/index.js';
import {
  areFew,
  findObstacles,
  lower,
  NO_OBSTACLES,
  obstacleNotes,
  sameObstacles,
  type NexthopObstacles,
  type NexthopRange,
} from './lowering.js';
import type { Entry } from './model.js';
import type { Ownership } from './ownership.js';
import { tellFew } from './tell-few.js';

export interface EntryKeeperOptions {
  readonly kernel: Kernel;
  readonly ownership: Ownership;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** With how many peers nexthop objects are used. */
  readonly nexthopRange: NexthopRange;
  /** What the kernel holds may be other than what we know: read everything again. */
  readonly onDoubt: () => void;
}

export class EntryKeeper {
  readonly desired: DesiredEntries;
  readonly failures = new Failures();
  readonly #options: EntryKeeperOptions;
  readonly #conflicts = new Map<string, Conflict>();
  readonly #held = new HeldEntries();
  #obstacles = NO_OBSTACLES;

  constructor(options: EntryKeeperOptions) {
    this.#options = options;
    this.desired = new DesiredEntries(planned => lower(planned, options.ownership, this.#obstacles));
  }

  /** What the kernel holds, by `keyOf`: as last read, with what has been changed since. */
  get held(): ReadonlyMap<string, Entry> {
    return this.#held.byKey;
  }

  get conflicts(): ReadonlyMap<string, Conflict> {
    return this.#conflicts;
  }

  get obstacles(): NexthopObstacles {
    return this.#obstacles;
  }

  /** The keys of what this owner wants and the kernel does not hold. */
  missing(owner: Owner): string[] {
    const { held } = this;
    const keys = this.desired.entriesOf(owner).map(keyOf);
    return keys.filter(key => {
      const found = held.get(key);
      const wanted = this.desired.byKey.get(key);
      return found === undefined || wanted === undefined || !sameEntry(wanted, found);
    });
  }

  /** Whether there are by now so many or so few peers that `take` will lead all routes in the other way. */
  get isOutgrown(): boolean {
    const { few } = this.#obstacles;
    return areFew(this.desired.owners, this.#options.nexthopRange, !few) !== few;
  }

  /**
   * The kernel has been read. Lowers all plans anew when other routes than before have to be classic.
   * @returns the keys under which therefore something else is desired
   */
  take(entries: readonly Entry[]): ReadonlySet<string> {
    const { kernel, ownership, nexthopRange, log } = this.#options;
    const { owners } = this.desired;
    const before = this.#obstacles;
    this.#obstacles = findObstacles(entries, ownership, !kernel.hasNexthops, owners, nexthopRange);
    this.#held.take(entries, ownership);
    if (sameObstacles(before, this.#obstacles)) return new Set();
    const changed = this.desired.lowerAgain();
    for (const note of obstacleNotes(this.#obstacles, this.desired.all())) log.info(note);
    return changed;
  }

  /**
   * Compares under these keys, and keeps the lists of conflicts and failures.
   * @param prune whether what is ours and not desired may go
   * @returns what is to be changed, without what was refused a moment ago
   */
  compare(keys: readonly string[], prune: boolean): readonly Op[] {
    return this.#heed(keys, diff(keys, this.desired.byKey, this.held, this.#options.ownership, prune));
  }

  /** The same with all that is desired, held or listed. */
  compareAll(prune: boolean): readonly Op[] {
    const { formerOwners } = this.desired;
    const listed = allKeys(this.#conflicts, this.failures.all, formerOwners);
    return this.#heed(listed, diffAll(this.desired.all(), this.held, this.#options.ownership, prune));
  }

  /** Makes the indexes of what is desired and held, which a start leaves for later. */
  keepBooks(): void {
    this.desired.makeIndex();
    this.#held.makeIndex();
  }

  /** @param keys which were looked at: all of them, or those in the lists */
  #heed(keys: readonly string[], { ops, conflicts }: Difference): readonly Op[] {
    const { now, log } = this.#options;
    const known = new Map(this.#conflicts);
    this.#forgetSettled(keys, ops);
    for (const conflict of conflicts) this.#conflicts.set(conflict.key, conflict);
    const isNew = ({ key, found }: Conflict) => {
      const before = known.get(key);
      return before === undefined || !sameEntry(before.found, found);
    };
    tellFew(
      conflicts.filter(isNew),
      conflict => {
        const [found, wanted] = [describe(conflict.found), describe(conflict.wanted)];
        const inTheWay = `it stands in the way of ${wanted}`;
        log.warn({ found, wanted }, `${found} is not ours and is left alone: ${inTheWay}`);
      },
      count => log.warn({ count }, `not ours, left alone, and in the way of ours: ${count} entries more`),
    );
    if (this.failures.all.size === 0) return ops;
    const at = now();
    return ops.filter(op => this.failures.mayTry(keyOfOp(op), at));
  }

  /** These keys are looked at: what is known of them from before holds no more. */
  #forgetSettled(keys: readonly string[], ops: readonly Op[]): void {
    const { failures, desired } = this;
    if (this.#conflicts.size + failures.all.size + desired.formerOwners.size === 0) return;
    const { held } = this;
    const needed = new Set(ops.map(keyOfOp));
    for (const key of keys) {
      this.#conflicts.delete(key);
      // What is as it should be by now, not wanted any more, or somebody else's is not to be tried again.
      if (!needed.has(key)) failures.clear(key);
      if (!held.has(key)) desired.forgetFormerOwner(key);
    }
  }

  /**
   * Puts first; then, with their results known, the removals that take nothing away from a live peer.
   * @returns the ops that the kernel has carried out
   */
  async apply(ops: readonly Op[]): Promise<Op[]> {
    // Removals are last.
    if (ops.at(-1)?.kind !== 'remove') return this.#send(ops);
    const puts = await this.#send(ops.filter(op => op.kind !== 'remove'));
    const may = ops.filter(op => op.kind === 'remove' && this.#mayRemove(keyOfOp(op)));
    const removals = await this.#send(sparingUsedNexthops(may, this.held));
    return [...puts, ...removals];
  }

  /**
   * Not what has come to be wanted meanwhile, nor what its last owner may still live by: while what replaces it was
   * refused, the old stays, until a full pass finds the new in place. An owner that is gone wants nothing, and so holds
   * nothing back.
   */
  #mayRemove(key: string): boolean {
    if (this.desired.byKey.has(key)) return false;
    const owner = this.desired.formerOwners.get(key);
    return owner === undefined || this.missing(owner).length === 0;
  }

  /** @returns the ops that the kernel has carried out */
  async #send(ops: readonly Op[]): Promise<Op[]> {
    if (ops.length === 0) return [];
    const results = await this.#options.kernel.apply(ops);
    const accepted: Entry[] = [];
    const refused: Refusal[] = [];
    const done = ops.filter((op, index) => {
      const result = results[index] ?? { kind: 'unknown' };
      if (result.kind !== 'done') this.#heedRefusal(op, result, refused);
      else if (this.#forget(op)) accepted.push(entryOf(op));
      return result.kind === 'done';
    });
    this.#held.record(done);
    this.#options.log.debug(countOps(done), 'kernel entries changed');
    this.#tellResults(accepted, refused);
    return done;
  }

  /** What was listed of an op before it was carried out. @returns whether it had been refused */
  #forget(op: Op): boolean {
    if (op.kind === 'remove') this.desired.forgetFormerOwner(keyOfOp(op));
    return this.failures.all.size > 0 && this.failures.clear(keyOfOp(op));
  }

  /** @param news takes a refusal that is not known yet */
  #heedRefusal(op: Op, result: Exclude<OpResult, { kind: 'done' }>, news: Refusal[]): void {
    const { now, onDoubt } = this.#options;
    onDoubt();
    if (result.kind === 'refused' && this.failures.add(keyOfOp(op), result.message, now()))
      news.push({ entry: entryOf(op), code: result.code, message: result.message });
  }

  #tellResults(accepted: readonly Entry[], refused: readonly Refusal[]): void {
    const { log } = this.#options;
    tellFew(
      accepted.map(describe),
      entry => log.info({ entry }, `${entry}: accepted by the kernel at last`),
      count => log.info({ count }, `accepted by the kernel at last: ${count} entries more`),
    );
    tellFew(
      refused,
      ({ entry, code, message }) => log.warn({ entry: describe(entry), code }, message),
      count => log.warn({ count }, `refused by the kernel: ${count} entries more`),
    );
  }
}

interface Refusal {
  readonly entry: Entry;
  readonly code: string;
  readonly message: string;
}

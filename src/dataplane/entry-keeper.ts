/**
 * Keeps entries: what is desired, what the kernel holds as far as we know, what it refused, and what stands in the way.
 * When to look, and at which keys, is its caller's affair.
 */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DesiredEntries, HOST, type Owner } from './desired.js';
import {
  allKeys,
  countOps,
  diff,
  diffAll,
  diffSlices,
  entryOf,
  keyOfOp,
  sparingUsedNexthops,
  type Conflict,
  type Difference,
  type Op,
} from './diff.js';
import { Failures } from './failures.js';
import { HeldEntries } from './held.js';
import type { Losses } from './known-losses.js';
import type { Kernel, OpTrouble } from './kernel.js';
import { describe, sameEntry } from './kinds/index.js';
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
import type { Entry, RouteEntry } from './model.js';
import type { Ownership } from './ownership.js';
import { tellFew } from './tell-few.js';

/** Of so many peers the entries fill one datagram, which is what the kernel is given at a time. */
const OWNERS_AT_A_TIME = 100;

/** So many entries fill it. */
const OPS_AT_A_TIME = 400;

/**
 * After so many of these the event loop gets its turn: what goes with a device is announced by the ten thousand, and to read
 * that takes longer than to write a slice.
 */
const SLICES_A_TURN = 5;

/**
 * So many datagrams are made ready while the kernel is at work; of more, the receive buffer could not hold the answers. What
 * is waiting the kernel is given in one, of eleven at most (the send buffer is not larger): then it has enough to do also
 * while this thread collects garbage, or does an agent's other work.
 */
const DATAGRAMS_AHEAD = 20;

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
    const { byKey } = this.desired;
    return this.desired.keysOf(owner).filter(key => {
      const found = held.get(key);
      const wanted = byKey.get(key);
      return found === undefined || wanted === undefined || !sameEntry(wanted, found);
    });
  }

  /** The same of the host. No peer wants entries of such a kind, so that no index is needed. */
  missingOfHost(): string[] {
    const wanted = this.desired.entriesOf(HOST);
    return this.desired.keysOf(HOST).filter((key, i) => {
      const found = this.#held.find(key, wanted[i]!.kind);
      return found === undefined || !sameEntry(wanted[i]!, found);
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
    for (const note of obstacleNotes(this.#obstacles, flat(this.desired.slices(OWNERS_AT_A_TIME))))
      log.info(note);
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
    const { byKey, formerOwners } = this.desired;
    const listed = allKeys(this.#conflicts, this.failures.all, formerOwners);
    return this.#heed(listed, diffAll(byKey, this.held, this.#options.ownership, prune));
  }

  /**
   * Compares as `compareAll` does and carries it out, some owners at a time: while the kernel works at the entries of
   * some, those of the next are compared and written. For a start, when most is yet to be put into the kernel.
   */
  async fill(prune: boolean): Promise<void> {
    // Whether what is listed still holds is known when all has been compared.
    if (this.#conflicts.size + this.failures.all.size + this.desired.formerOwners.size > 0) {
      await this.apply(this.compareAll(prune));
      return;
    }
    const conflicts: Conflict[] = [];
    const sent: Promise<Sent>[] = [];
    const slices = this.desired.slices(OWNERS_AT_A_TIME);
    for (const difference of diffSlices(slices, this.held, this.#options.ownership, prune)) {
      conflicts.push(...difference.conflicts);
      // Removals come last, and the results of all else decide on them.
      if (isRemoval(difference.ops)) await Promise.all(sent);
      const sending = isRemoval(difference.ops)
        ? this.#sendRemovals(difference.ops)
        : this.#send(difference.ops);
      // Its failure is heard of when it is waited for.
      sending.catch(() => undefined);
      sent.push(sending);
      await sent.at(-DATAGRAMS_AHEAD);
      // The event loop tells us, and the thread that sends, that something has been done.
      await turnOfEventLoop();
    }
    this.#list(conflicts, new Map());
    this.#tellResults(await Promise.all(sent));
  }

  /** Makes the indexes of what is desired and held, which a start leaves for later. */
  keepBooks(): void {
    this.desired.makeIndex();
    this.#held.makeIndexes();
  }

  /** @param keys which were looked at: all of them, or those in the lists */
  #heed(keys: readonly string[], { ops, conflicts }: Difference): readonly Op[] {
    const known = new Map(this.#conflicts);
    this.#forgetSettled(keys, ops);
    this.#list(conflicts, known);
    if (this.failures.all.size === 0) return ops;
    const at = this.#options.now();
    return ops.filter(op => this.failures.mayTry(keyOfOp(op), at));
  }

  /** Lists conflicts, and tells those that are not known. */
  #list(conflicts: readonly Conflict[], known: ReadonlyMap<string, Conflict>): void {
    const { log } = this.#options;
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
   * @param troubles whether what is refused, or may be, is listed and looked at again; not when everything is read next
   * @returns the ops that the kernel has carried out
   */
  async apply(ops: readonly Op[], troubles: Troubles = 'heeded'): Promise<readonly Op[]> {
    const puts = isRemoval(ops) ? ops.filter(op => op.kind !== 'remove') : ops;
    const sent = [await this.#send(puts, troubles)];
    if (isRemoval(ops)) {
      const removals = ops.filter(op => op.kind === 'remove');
      sent.push(await this.#sendRemovals(removals, troubles));
    }
    this.#tellResults(sent);
    return sent.flatMap(({ done }) => done);
  }

  /**
   * Puts back what is lost, or altered, without a look at what is there. Where something is there after all it stays as it
   * is, whosever it is, but for what only we write; and no route is made by a nexthop object that could not be made. What
   * the kernel refuses is not listed: its caller reads everything next, and then it is tried again.
   * @param losses ops of the kinds `create` and `replace`
   * @returns the ops that the kernel has carried out
   */
  async putBack({ ways, routes }: Losses): Promise<readonly Op[]> {
    const unmade = new Set<number | undefined>();
    const first = await this.#sendAsFound(ways, (ops, { done }) => noteUnmade(ops, done, unmade));
    const then = await this.#sendAsFound(withoutThoseBy(unmade, routes));
    const sent = [...first, ...then];
    this.#tellResults(sent);
    return sent.flatMap(({ done }) => done);
  }

  /** Some at a time: while the kernel works at them, the next are looked for and written. */
  async #sendAsFound(
    ops: Iterable<Op>,
    onSent: (ops: readonly Op[], sent: Sent) => void = () => undefined,
  ): Promise<readonly Sent[]> {
    const sent: Promise<Sent>[] = [];
    for (const slice of slicesOf(ops, OPS_AT_A_TIME)) {
      const sending = this.#send(slice, 'unheeded').then(result => (onSent(slice, result), result));
      sending.catch(() => undefined);
      sent.push(sending);
      await sent.at(-DATAGRAMS_AHEAD);
      if (sent.length % SLICES_A_TURN === 0) await turnOfEventLoop();
    }
    return Promise.all(sent);
  }

  #sendRemovals(removals: readonly Op[], troubles?: Troubles): Promise<Sent> {
    const may = removals.filter(op => this.#mayRemove(keyOfOp(op)));
    const sent = sparingUsedNexthops(may, id => this.#held.nexthopUsers.of(id));
    // What is held back was not refused, and is looked at by every full pass: it is not due at any moment of its own.
    if (this.failures.all.size > 0) {
      const kept = new Set(sent.map(keyOfOp));
      for (const key of removals.map(keyOfOp)) if (!kept.has(key)) this.failures.clear(key);
    }
    return this.#send(sent, troubles);
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

  async #send(ops: readonly Op[], troubles: Troubles = 'heeded'): Promise<Sent> {
    if (ops.length === 0) return NOTHING_SENT;
    const found = await this.#options.kernel.apply(ops);
    const done = found.size === 0 ? ops : ops.filter((_, place) => !found.has(place));
    const refused = troubles === 'heeded' ? this.#heedTroubles(ops, found) : [];
    const sent = { done, accepted: this.#forgetTroubleOf(done), refused };
    this.#held.record(done);
    return sent;
  }

  /** These have been carried out: nothing that was listed of them holds any more. @returns what had been refused before */
  #forgetTroubleOf(done: readonly Op[]): readonly Entry[] {
    const { failures, desired } = this;
    if (desired.formerOwners.size > 0) {
      for (const op of done) if (op.kind === 'remove') desired.forgetFormerOwner(keyOfOp(op));
    }
    return failures.all.size === 0 ? [] : done.filter(op => failures.clear(keyOfOp(op))).map(entryOf);
  }

  /** @returns the refusals that were not known yet */
  #heedTroubles(ops: readonly Op[], troubles: ReadonlyMap<number, OpTrouble>): readonly Refusal[] {
    const { now, onDoubt } = this.#options;
    const news: Refusal[] = [];
    for (const [place, trouble] of troubles) {
      if (trouble.kind === 'unknown') {
        onDoubt();
        continue;
      }
      const { code, message } = trouble;
      const op = ops[place]!;
      const isNews = this.failures.add(keyOfOp(op), message, now());
      if (isNews) news.push({ entry: entryOf(op), code, message });
      // What the kernel has refused before, in the same words, says nothing new of what it holds.
      if (isNews || code === 'EEXIST') onDoubt();
    }
    return news;
  }

  #tellResults(sent: readonly Sent[]): void {
    const { log } = this.#options;
    // Else there may be tens of thousands to count for nobody.
    if (log.isLevelEnabled('debug'))
      log.debug(countOps(sent.map(({ done }) => done)), 'kernel entries changed');
    tellFew(
      sent.flatMap(({ accepted }) => accepted.map(describe)),
      entry => log.info({ entry }, `${entry}: accepted by the kernel at last`),
      count => log.info({ count }, `accepted by the kernel at last: ${count} entries more`),
    );
    tellFew(
      sent.flatMap(({ refused }) => refused),
      ({ entry, code, message }) => log.warn({ entry: describe(entry), code }, message),
      count => log.warn({ count }, `refused by the kernel: ${count} entries more`),
    );
  }
}

type Troubles = 'heeded' | 'unheeded';

/** What became of ops that were sent. */
interface Sent {
  readonly done: readonly Op[];
  /** Entries of these that had been refused before. */
  readonly accepted: readonly Entry[];
  /** Those that were not known yet. */
  readonly refused: readonly Refusal[];
}

const NOTHING_SENT: Sent = { done: [], accepted: [], refused: [] };

interface Refusal {
  readonly entry: Entry;
  readonly code: string;
  readonly message: string;
}

/** Adds the ids of the nexthop objects that were to be made and have not been. */
function noteUnmade(ops: readonly Op[], done: readonly Op[], unmade: Set<number | undefined>): void {
  if (done.length === ops.length) return;
  const made = new Set(done);
  for (const op of ops) if (!made.has(op)) unmade.add(nexthopMadeBy(op));
}

/** The id of the nexthop object that is made by this op, if it makes one. */
export function nexthopMadeBy(op: Op): number | undefined {
  return op.kind === 'create' && op.entry.kind === 'nexthop' ? op.entry.id : undefined;
}

/** Without the routes by objects of these ids, as of when each is asked for. */
export function* withoutThoseBy(ids: ReadonlySet<number | undefined>, routes: Iterable<Op>): Generator<Op> {
  for (const op of routes) {
    const { nexthopId } = entryOf(op) as RouteEntry;
    if (nexthopId === undefined || !ids.has(nexthopId)) yield op;
  }
}

function* slicesOf(ops: Iterable<Op>, size: number): Generator<readonly Op[]> {
  let slice: Op[] = [];
  for (const op of ops) {
    slice.push(op);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}

/** Whether there are removals among these, which are last. */
function isRemoval(ops: readonly Op[]): boolean {
  return ops.at(-1)?.kind === 'remove';
}

function* flat(slices: Iterable<readonly Entry[]>): Generator<Entry> {
  for (const slice of slices) yield* slice;
}

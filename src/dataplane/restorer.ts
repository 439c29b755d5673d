/**
 * Puts right what others have changed: what was announced, what went with a device, and what a reading has found amiss. Weighs
 * each repair against what another program keeps undoing, and counts and tells them.
 */
import type { Logger } from 'pino';
import { opsAgainst, type News } from './announced.js';
import type { Contests } from './contests.js';
import { HOST } from './desired.js';
import { entryOf, heldByKey, keyOfOp, type Op } from './diff.js';
import { nexthopMadeBy, withoutThoseBy, type EntryKeeper } from './entry-keeper.js';
import type { Kernel } from './kernel.js';
import { goneWith, lossesOf, samplesOf, type Losses } from './known-losses.js';
import type { Mended } from './link-keeper.js';
import { keyOf, sameEntry } from './kinds/index.js';
import type { Entry, NeighbourEntry, NexthopEntry } from './model.js';
import type { Ownership } from './ownership.js';
import { RecentChanges } from './recent-changes.js';
import { Repairs } from './repairs.js';

/** Whether an entry went because of a change of devices, and not because somebody took it. */
export type IsConsequence = (op: Op) => boolean;

/** That of no change of devices. */
export const NO_CONSEQUENCE: IsConsequence = () => false;

/** So many entries somebody may have taken one by one; of more, the device that they were on may be on its way out. */
const FEW = 100;

/** To ask for more than so many takes longer than to read a thousand. */
const FEW_ASKED_FOR = 100;

export interface RestorerOptions {
  readonly kernel: Kernel;
  readonly ownership: Ownership;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export class Restorer {
  readonly repairs: Repairs;
  readonly #options: RestorerOptions;
  readonly #entries: EntryKeeper;
  readonly #contests: Contests;
  readonly #asked: ReadonlySet<string>;
  readonly #recentChanges = new RecentChanges();
  #drift = 0;

  /**
   * @param contests shared with whoever keeps devices
   * @param asked keys under which something else is wanted than before, and not there yet: to bring that about is no repair
   */
  constructor(
    options: RestorerOptions,
    entries: EntryKeeper,
    contests: Contests,
    asked: ReadonlySet<string>,
  ) {
    this.#options = options;
    this.#entries = entries;
    this.#contests = contests;
    this.#asked = asked;
    this.repairs = new Repairs(options.log, contests);
  }

  /** How many entries were found other than they should be. */
  get drift(): number {
    return this.#drift;
  }

  /** These have been changed: what is announced of them now may be from before. */
  noteChanged(ops: readonly Op[]): void {
    this.#recentChanges.note(ops, this.#options.now());
  }

  /** The same of all. */
  noteFilled(): void {
    this.#recentChanges.noteMany(this.#options.now());
  }

  /**
   * Everything has been read and compared: carries out what is to be changed.
   * @param isRepair whether an op is one, and was not asked for
   */
  async carryOut(
    ops: readonly Op[],
    isRepair: (op: Op) => boolean,
    isConsequence: IsConsequence,
  ): Promise<void> {
    const { now } = this.#options;
    this.#drift += ops.filter(isRepair).length;
    const mayTry = (op: Op) =>
      !isRepair(op) || isConsequence(op) || this.#contests.mayRepair(keyOfOp(op), now());
    const done = await this.#entries.apply(ops.filter(mayTry));
    this.noteChanged(done);
    this.repairs.note(done.filter(isRepair), now(), isConsequence);
  }

  /**
   * A device has changed: puts back what has certainly gone with it.
   * @param isUnderlayNews whether the underlay was among what has changed: then its routes may have gone with it
   */
  async putBackKnownLosses(mended: readonly Mended[], isUnderlayNews: boolean): Promise<IsConsequence> {
    const { kernel, ownership, now } = this.#options;
    const { desired, held } = this.#entries;
    const { devices } = ownership;
    const addresses = await kernel.readEntries(devices, 'address');
    const present = new Set(addresses.map(keyOf));
    // One that has been missing for longer is put off, or refused: its loss has had its effects.
    const lost = desired
      .entriesOf(HOST)
      .filter(entry => entry.kind === 'address' && !present.has(keyOf(entry)) && held.has(keyOf(entry)));
    const withoutNexthops = new Set<string>();
    for (const [device, { id }] of samplesOf(isNexthop, devices, desired.byKey.values(), held))
      if (!(await kernel.hasNexthop(id))) withoutNexthops.add(device);
    const gone = goneWith({ mended, addresses, withoutNexthops }, lost);
    const flushed = await this.#findFlushed(withoutAny(devices, gone.neighbour));
    const doubtful = new Set([...withoutNexthops, ...flushed]);
    const neighbours = doubtful.size === 0 ? [] : await kernel.readEntries(doubtful, 'neighbour');
    const isConsequence: IsConsequence = op => {
      const { kind, device } = entryOf(op);
      return gone[kind].has(device) || (isUnderlayNews && kind === 'route' && device === ownership.underlay);
    };
    const mayTry = (op: Op) =>
      (this.#asked.size === 0 || !this.#asked.has(keyOfOp(op))) &&
      (isConsequence(op) || this.#contests.mayRepair(keyOfOp(op), now()));
    const allGone = { ...gone, neighbour: new Set([...gone.neighbour, ...flushed]) };
    const losses = lossesOf(allGone, { lost, neighbours }, () => desired.byKey.values());
    await this.#putBack(losses, mayTry, isConsequence);
    return isConsequence;
  }

  /**
   * A MAC that is written again, to what it was, takes the neighbours along and leaves nothing else to be seen. Who does so has
   * taken them: it is no consequence of a change, and may become a contest.
   * @returns those of the devices of which a neighbour that must be there is not
   */
  async #findFlushed(devices: ReadonlySet<string>): Promise<readonly string[]> {
    const { desired, held } = this.#entries;
    const flushed: string[] = [];
    for (const [device, sample] of samplesOf(isNeighbour, devices, desired.byKey.values(), held))
      if ((await this.#options.kernel.findNeighbour(sample)) === undefined) flushed.push(device);
    return flushed;
  }

  /**
   * By what was announced alone; what is gone and was changed by us a moment ago is looked up, since the announcement may be
   * why. What is fought over or refused at present is left to a reading, and what we changed a moment ago and is not gone. What
   * was found to be another program's is not replaced: it may have become that after it was announced as ours.
   * @returns whether all of it is right by now; if not, that reading must not wait
   */
  async putRight({ entries: announced, isAll }: News): Promise<boolean> {
    const { desired, failures, conflicts } = this.#entries;
    const { ownership, now } = this.#options;
    if (announced.size > FEW && !(await this.#haveDevices())) return false;
    const at = now();
    const mayTry = (op: Op, key = keyOfOp(op)) =>
      !(op.kind === 'replace' && conflicts.has(key)) &&
      this.#contests.mayRepair(key, at) &&
      failures.mayTry(key, at) &&
      !this.#asked.has(key);
    const doubtful: Op[] = [];
    const mayTryAtOnce = (op: Op) => {
      const key = keyOfOp(op);
      if (!mayTry(op, key)) return false;
      if (!this.#recentChanges.has(key, at)) return true;
      if (op.kind === 'create') doubtful.push(op);
      return false;
    };
    const { ways, routes, isWhole } = opsAgainst(announced, desired.byKey, ownership);
    const done = await this.#putBack({ ways, routes }, mayTryAtOnce, NO_CONSEQUENCE);
    const known = new Set([...done, ...doubtful]);
    const unmade = new Set(ways.filter(op => !known.has(op)).map(nexthopMadeBy));
    const right = done.length + (await this.#putBackMissing(doubtful, unmade, mayTry));
    // What has gone may have stood in the way of what is wanted under another key.
    return isAll && isWhole && conflicts.size === 0 && right === ways.length + routes.length;
  }

  /**
   * Looks up entries and puts back those that are not there: that takes a fifth of what a reading of everything does, or less,
   * and nothing is compared.
   * @param ops that make them
   * @param unmade nexthop objects that could not be put back
   * @param mayTry asked again: something else may be wanted by the time when they have been looked up
   * @returns how many are right by now
   */
  async #putBackMissing(
    ops: readonly Op[],
    unmade: ReadonlySet<number | undefined>,
    mayTry: (op: Op) => boolean,
  ): Promise<number> {
    if (ops.length === 0) return 0;
    const held = await this.#lookUp(ops.map(entryOf));
    const missing: Op[] = [];
    // A route by these would lead wherever another program has them lead.
    const taken = new Set(unmade);
    let right = 0;
    for (const op of ops) {
      const found = held.get(keyOfOp(op));
      if (found === undefined) missing.push(op);
      else if (sameEntry(entryOf(op), found)) right++;
      else taken.add(nexthopMadeBy(op));
    }
    const ways = missing.filter(op => !isRoute(op));
    const routes = withoutThoseBy(taken, missing.filter(isRoute));
    const done = await this.#putBack({ ways, routes }, mayTry, NO_CONSEQUENCE);
    return right + done.length;
  }

  /** @returns by `keyOf`, what is there in the place of these, and perhaps more of their kinds */
  async #lookUp(entries: readonly Entry[]): Promise<ReadonlyMap<string, Entry>> {
    const { kernel, ownership } = this.#options;
    const found: (readonly Entry[])[] = [];
    for (const kind of new Set(entries.map(entry => entry.kind))) {
      const few = await this.#findFew(entries.filter(entry => entry.kind === kind));
      found.push(few ?? (await kernel.readEntries(ownership.devices, kind)));
    }
    return heldByKey(found.flat(), ownership);
  }

  /**
   * Neighbours one by one. Each that is deleted is announced twice, and so a few are heard of again after they were put back.
   * @returns undefined when they are to be looked for in a list
   */
  async #findFew(entries: readonly Entry[]): Promise<readonly Entry[] | undefined> {
    if (entries.length > FEW_ASKED_FOR) return undefined;
    const found: Entry[] = [];
    for (const entry of entries) {
      const there = isNeighbour(entry) ? await this.#options.kernel.findNeighbour(entry) : 'unknown';
      if (there === 'unknown') return undefined;
      if (there !== undefined) found.push(there);
    }
    return found;
  }

  /** Whether our devices are there, and up. What goes with one that is deleted is announced before that is. */
  async #haveDevices(): Promise<boolean> {
    const { kernel, ownership } = this.#options;
    const up = new Set((await kernel.readLinks()).filter(({ up: isUp }) => isUp).map(({ name }) => name));
    return [...ownership.devices].every(name => up.has(name));
  }

  /** @returns the ops that the kernel has carried out */
  async #putBack(
    { ways, routes }: Losses,
    mayTry: (op: Op) => boolean,
    isConsequence: IsConsequence,
  ): Promise<readonly Op[]> {
    const { now } = this.#options;
    // What is put off may be another program's by now, and a route by it would lead wherever that does.
    const putOff = new Set<number | undefined>();
    function* tried(ops: Iterable<Op>): Generator<Op> {
      for (const op of ops) {
        if (mayTry(op)) yield op;
        else putOff.add(nexthopMadeBy(op));
      }
    }
    const done = await this.#entries.putBack({
      ways: tried(ways),
      routes: withoutThoseBy(putOff, tried(routes)),
    });
    this.#drift += done.length;
    this.noteChanged(done);
    this.repairs.note(done, now(), isConsequence);
    return done;
  }
}

const isRoute = (op: Op) => entryOf(op).kind === 'route';
const isNexthop = (entry: Entry): entry is NexthopEntry => entry.kind === 'nexthop';
const isNeighbour = (entry: Entry): entry is NeighbourEntry => entry.kind === 'neighbour';

function withoutAny(names: ReadonlySet<string>, others: ReadonlySet<unknown>): ReadonlySet<string> {
  return new Set([...names].filter(name => !others.has(name)));
}

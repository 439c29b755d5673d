/** What was put right: counted, told in the log, weighed against what other programs undo, and the latest of it kept. */
import type { Logger } from 'pino';
import { describeContest, type Contest, type Contests } from './contests.js';
import { countOps, entryOf, keyOfOp, type Op } from './diff.js';
import { describe } from './kinds/index.js';
import type { Repair, RepairKind } from './reconciler-view.js';
import { tellFew, TOLD_IN_FULL } from './tell-few.js';

/** So many of the latest are shown. */
const SHOWN = 5;

export class Repairs {
  readonly #log: Logger;
  readonly #contests: Contests;
  readonly #byKind = { address: 0, fdb: 0, neighbour: 0, nexthop: 0, route: 0, device: 0 };
  #latest: readonly Repair[] = [];

  /** @param contests shared with whoever keeps devices */
  constructor(log: Logger, contests: Contests) {
    this.#log = log;
    this.#contests = contests;
  }

  get byKind(): Readonly<Record<RepairKind, number>> {
    return this.#byKind;
  }

  get total(): number {
    return Object.values(this.#byKind).reduce((sum, count) => sum + count, 0);
  }

  /** The newest first, a few at most. */
  get latest(): readonly Repair[] {
    return this.#latest;
  }

  /** So many devices were put right; who did it has told of them. */
  noteDevices(count: number): void {
    this.#byKind.device += count;
  }

  /**
   * The kernel has carried these out.
   * @param at milliseconds of a clock that never goes back
   * @param isConsequence whether an entry went because of a change of devices, and not because somebody took it
   */
  note(ops: readonly Op[], at: number, isConsequence: (op: Op) => boolean): void {
    for (const op of ops) this.#byKind[entryOf(op).kind]++;
    const latest = ops.slice(-SHOWN).map(op => ({ at, what: describeOp(op) }));
    this.#latest = [...latest.reverse(), ...this.#latest].slice(0, SHOWN);
    const [taken, gone] = [ops.filter(op => !isConsequence(op)), ops.filter(isConsequence)];
    this.#tell([...gone, ...this.#withoutContested(taken, at)]);
  }

  /** Everything is about to be looked at anew: tells the contests that are over. */
  endContests(at: number): void {
    for (const { what, repairs } of this.#contests.startPass(at))
      this.#log.info({ what, repairs }, `${what} is left alone by now: it was put right ${repairs} times`);
  }

  #tell(ops: readonly Op[]): void {
    if (ops.length === 0) return;
    const first = ops.slice(0, TOLD_IN_FULL).map(describeOp);
    const what = ops.length === 1 ? 'entry' : 'entries';
    this.#log.info({ ...countOps([ops]), first }, `repaired ${ops.length} kernel ${what}`);
  }

  /** Counts these as rounds of contests, and tells those. @returns the repairs that belong to none */
  #withoutContested(ops: readonly Op[], at: number): readonly Op[] {
    const log = this.#log;
    const news: Contest[] = [];
    const others: Op[] = [];
    for (const op of ops) {
      const key = keyOfOp(op);
      const contest = this.#contests.note(key, () => describe(entryOf(op)), at);
      if (contest !== undefined) news.push(contest);
      if (!this.#contests.isOpen(key)) others.push(op);
    }
    tellFew(
      news,
      contest => log.warn({ what: contest.what, repairs: contest.repairs }, describeContest(contest)),
      count => log.warn({ count }, `another program keeps undoing ${count} entries more`),
    );
    return others;
  }
}

function describeOp(op: Op): string {
  return `${op.kind} ${describe(entryOf(op))}`;
}

/**
 * What has to be put right again and again, because another program keeps undoing it. Pure: the clock is an argument.
 *
 * The first repairs are at once: most damage is a mistake of somebody's, and made once. Of two programs that both do so
 * for ever, each as fast as it can, neither serves anybody; so we yield, ever longer, and say so.
 */

/** More repairs of one thing than this are a contest. */
const MOST_AT_ONCE = 5;
/** More than that within this time, and the next ones are put off. */
const FAST_MS = 10_000;
const PAUSE_MS = { first: 1_000, longest: 60_000 };
/** Nothing to put right for so long: what comes next is a new matter. */
const QUIET_MS = 300_000;

/** Something that is fought over, or was put right lately. Moments are milliseconds of the clock given to `note`. */
export interface Contest {
  /** As operators know it: `route 10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink`. Empty until it is a contest. */
  readonly what: string;
  readonly repairs: number;
  /** When the first of them was made. */
  readonly since: number;
  readonly lastAt: number;
  /** The last few moments, for telling fast from slow. */
  readonly recent: readonly number[];
  readonly pauseMs: number;
}

export class Contests {
  readonly #byKey = new Map<string, Contest>();
  #postponedUntil = Infinity;

  /** What is fought over at present, the oldest first. */
  get open(): readonly Contest[] {
    return [...this.#byKey.values()].filter(isOpen);
  }

  /** When the first of what `mayRepair` has put off since `startPass` is due, milliseconds; infinite without any. */
  get nextRepair(): number {
    return this.#postponedUntil;
  }

  /** Everything is about to be looked at anew. @returns contests that are over */
  startPass(now: number): Contest[] {
    this.#postponedUntil = Infinity;
    const over: Contest[] = [];
    for (const [key, contest] of this.#byKey) {
      if (now - contest.lastAt < QUIET_MS) continue;
      this.#byKey.delete(key);
      if (isOpen(contest)) over.push(contest);
    }
    return over;
  }

  /** Whether this is fought over. */
  isOpen(key: string): boolean {
    const contest = this.#byKey.get(key);
    return contest !== undefined && isOpen(contest);
  }

  /** Whether this may be put right now; if not, it is due at `nextRepair` or later. */
  mayRepair(key: string, now: number): boolean {
    const contest = this.#byKey.get(key);
    const notBefore = contest === undefined ? -Infinity : contest.lastAt + contest.pauseMs;
    if (notBefore <= now) return true;
    this.#postponedUntil = Math.min(this.#postponedUntil, notBefore);
    return false;
  }

  /**
   * It has been put right.
   * @param describe asked for words when it is a contest: most repairs are made once
   * @returns the contest when it is worth a line in the log: when it becomes one, and at powers of two
   */
  note(key: string, describe: () => string, now: number): Contest | undefined {
    const before = this.#byKey.get(key);
    const recent = before === undefined ? [now] : recentOf(before, now);
    const repairs = (before?.repairs ?? 0) + 1;
    const contest: Contest = {
      what: repairs > MOST_AT_ONCE ? describe() : '',
      repairs,
      since: before?.since ?? now,
      lastAt: now,
      recent,
      pauseMs: pauseAfter(before?.pauseMs ?? 0, recent.length),
    };
    this.#byKey.set(key, contest);
    const isNews = contest.repairs === MOST_AT_ONCE + 1 || Number.isInteger(Math.log2(contest.repairs));
    return isOpen(contest) && isNews ? contest : undefined;
  }
}

/** A contest in a line for the log. */
export function describeContest({ what, repairs, since, lastAt }: Contest): string {
  const seconds = Math.round((lastAt - since) / 1000);
  return `another program keeps undoing ${what}: put right ${repairs} times in ${seconds} s`;
}

/** The last few moments with this one. */
function recentOf(before: Contest, now: number): readonly number[] {
  return [...before.recent, now].filter(at => now - at < FAST_MS).slice(-MOST_AT_ONCE - 1);
}

function isOpen({ repairs }: Contest): boolean {
  return repairs > MOST_AT_ONCE;
}

function pauseAfter(before: number, recentRepairs: number): number {
  if (before > 0) return Math.min(before * 2, PAUSE_MS.longest);
  return recentRepairs > MOST_AT_ONCE ? PAUSE_MS.first : 0;
}

/**
 * When not to believe that leases are gone. Pure: the clock is an argument.
 *
 * A store that was wiped, restored or exchanged, or that expired leases while hosts could not reach it, says that peers
 * are gone which are alive and well. Whoever believes it cuts off every container. So for a grace time nobody is
 * removed: the hosts come back and register again meanwhile.
 */
import type { MirrorBatch, MirrorHistory } from './mirror.js';

export interface DoubtState {
  /** Why, for people. */
  readonly reason: string;
  /** Since when and until when, milliseconds of the clock given. */
  readonly since: number;
  readonly until: number;
  /** It rests on the first list alone: whoever then holds nothing of former peers has nothing to lose by it. */
  readonly isOfFirstList: boolean;
}

/** Keys, as a set or a map has them. */
export interface KnownKeys {
  readonly size: number;
  has(key: string): boolean;
}

export type JudgedBatch = Pick<MirrorBatch, 'cause' | 'history' | 'changes'>;

/** What else is known when a batch comes. */
export interface Circumstances {
  /** Keys of the peers known so far. */
  readonly peers: KnownKeys;
  readonly ownKey: string | undefined;
  /** By our own clock our lease is over: nobody renewed it, so nobody renewed others' that were cut off as we were. */
  readonly ownExpired: boolean;
  /** The store was out of reach a moment ago. */
  readonly afterGap: boolean;
}

/** What this host kept of an earlier run. */
export interface FormerRun {
  /** Key of the lease that it had; undefined for a host that had none here. */
  readonly leaseKey: string | undefined;
  /** Whether the first list continues what that run knew. */
  readonly history: MirrorHistory;
}

/** More of the known peers than this missing after a gap is more than hosts that left meanwhile. */
const SUSPICIOUS_SHARE = 1 / 4;

export class Doubt {
  readonly #graceMs: number;
  /** Peers that went since the last gap. What happened in a long one is told in several answers, each of a few. */
  readonly #gone = new Set<string>();
  #state: DoubtState | undefined;

  /** @param graceSeconds how long deletions are not believed */
  constructor(graceSeconds: number) {
    this.#graceMs = graceSeconds * 1000;
  }

  /** The present doubt, or undefined when the store is believed. */
  get state(): DoubtState | undefined {
    return this.#state;
  }

  /**
   * Judges a batch before it is taken in.
   * @returns whether deletions are in doubt, those of this batch included
   */
  judge(batch: JudgedBatch, circumstances: Circumstances, now: number): boolean {
    this.#countGone(batch, circumstances);
    const reason = reasonIn(batch, circumstances, this.#gone);
    if (reason !== undefined) this.#begin(reason, now);
    return this.#state !== undefined;
  }

  /**
   * Judges the first list after a start, when there is nothing to compare it with but what this host kept of an earlier run.
   * @param listed all keys of the list
   * @returns whether the list is in doubt
   */
  judgeFirst(listed: KnownKeys, { leaseKey, history }: FormerRun, now: number): boolean {
    const isGone = leaseKey !== undefined && !listed.has(leaseKey);
    const reason = isGone ? 'the lease that we had is gone' : reasonOf(history);
    if (reason === undefined) return false;
    this.#begin(reason, now, true);
    return true;
  }

  /** The doubt is over before its time. */
  end(): void {
    this.#state = undefined;
  }

  /** @returns whether a doubt has just ended */
  endIfDue(now: number): boolean {
    if (this.#state === undefined || now < this.#state.until) return false;
    this.#state = undefined;
    return true;
  }

  #countGone({ changes }: JudgedBatch, { peers, afterGap }: Circumstances): void {
    if (!afterGap) this.#gone.clear();
    for (const change of changes) {
      if (change.kind === 'put') this.#gone.delete(change.entry.key);
      else if (peers.has(change.key)) this.#gone.add(change.key);
    }
  }

  /** A doubt that stands lasts longer. */
  #begin(reason: string, now: number, isOfFirstList = false): void {
    const since = this.#state?.since ?? now;
    this.#state = { reason, since, until: now + this.#graceMs, isOfFirstList };
  }
}

function reasonIn(
  { cause, history, changes }: JudgedBatch,
  circumstances: Circumstances,
  gone: ReadonlySet<string>,
): string | undefined {
  const { peers, ownKey, ownExpired, afterGap } = circumstances;
  if (history !== 'same') return reasonOf(history);
  const deleted = changes.filter(change => change.kind === 'delete').map(change => change.key);
  if (deleted.length === 0) return undefined;
  const ownIsMissing = cause === 'relist' && ownKey !== undefined && deleted.includes(ownKey);
  if (ownExpired || ownIsMissing) return 'our own lease expired while etcd was out of reach';
  if (cause !== 'relist' && !afterGap) return undefined;
  // Those of this answer are peers yet, those of earlier ones are not.
  const known = peers.size + [...gone].filter(key => !peers.has(key)).length;
  if (gone.size <= known * SUSPICIOUS_SHARE) return undefined;
  return `${gone.size} of ${known} peers were missing after a gap`;
}

function reasonOf(history: MirrorHistory): string | undefined {
  switch (history) {
    case 'other-cluster':
      return 'etcd is another cluster than before';
    case 'revision-went-back':
      return 'etcd was restored to an older revision';
    case 'same':
      return undefined;
  }
}

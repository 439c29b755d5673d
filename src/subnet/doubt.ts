/**
 * When not to believe that leases are gone. Pure: the clock is an argument.
 *
 * A store that was wiped, restored or exchanged, or that expired leases while hosts could not reach it, says that peers
 * are gone which are alive and well. Whoever believes it cuts off every container. So for a grace time nobody is
 * removed: the hosts come back and register again meanwhile.
 *
 * Only the loss of what a host lives by counts: our own key and peers. A reservation that nobody has come for is no peer,
 * and a key without an etcd lease cannot expire: when a watch says that it is gone, somebody deleted it.
 */
import type { Lease } from './lease.js';
import type { MirrorBatch, MirrorHistory } from './mirror.js';
import { isReservation } from './reservation.js';

export interface DoubtState {
  /** Why, for people. */
  readonly reason: string;
  /** Since when and until when, milliseconds of the clock given. */
  readonly since: number;
  readonly until: number;
  /** It rests on the first list alone: whoever then holds nothing of former peers has nothing to lose by it. */
  readonly isOfFirstList: boolean;
}

/** Peers by key, with the etcd lease that keeps each. */
export type KnownPeers = ReadonlyMap<string, Pick<Lease, 'leaseId'>>;

export type JudgedBatch = Pick<MirrorBatch, 'cause' | 'history' | 'changes'>;

/** What else is known when a batch comes. */
export interface Circumstances {
  /** The peers known so far. */
  readonly peers: KnownPeers;
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
    const lost = lostKeys(batch, circumstances);
    this.#countGone(batch, lost, circumstances);
    const reason = reasonIn(batch, lost, circumstances, this.#gone);
    if (reason !== undefined) this.#begin(reason, now);
    return this.#state !== undefined;
  }

  /**
   * Judges the first list after a start, when there is nothing to compare it with but what this host kept of an earlier run.
   * @param listed all keys of the list
   * @returns whether the list is in doubt
   */
  judgeFirst(listed: ReadonlySet<string>, { leaseKey, history }: FormerRun, now: number): boolean {
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

  #countGone({ changes }: JudgedBatch, lost: LostKeys, { afterGap }: Circumstances): void {
    if (!afterGap) this.#gone.clear();
    for (const change of changes) {
      if (change.kind === 'put') this.#gone.delete(change.entry.key);
      else if (lost.peers.has(change.key)) this.#gone.add(change.key);
    }
  }

  /** A doubt that stands lasts longer. */
  #begin(reason: string, now: number, isOfFirstList = false): void {
    const since = this.#state?.since ?? now;
    this.#state = { reason, since, until: now + this.#graceMs, isOfFirstList };
  }
}

/** What of a batch's deletions may be a loss that nobody intended. */
interface LostKeys {
  readonly own: boolean;
  readonly peers: ReadonlySet<string>;
}

function lostKeys({ cause, changes }: JudgedBatch, { peers, ownKey }: Circumstances): LostKeys {
  const deleted = changes.filter(change => change.kind === 'delete').map(({ key }) => key);
  const mayBeLost = (key: string) => {
    const peer = peers.get(key);
    return peer !== undefined && (cause === 'relist' || !isReservation(peer));
  };
  return {
    own: ownKey !== undefined && deleted.includes(ownKey),
    peers: new Set(deleted.filter(mayBeLost)),
  };
}

function reasonIn(
  { cause, history }: JudgedBatch,
  lost: LostKeys,
  { peers, ownExpired, afterGap }: Circumstances,
  gone: ReadonlySet<string>,
): string | undefined {
  if (history !== 'same') return reasonOf(history);
  if (!lost.own && lost.peers.size === 0) return undefined;
  if (ownExpired || (lost.own && cause === 'relist'))
    return 'our own lease expired while etcd was out of reach';
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

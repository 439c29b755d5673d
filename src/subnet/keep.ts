/** Keeping a lease: renewals, and the key put right when somebody else changed it, until the lease is lost. */
import { notAHostAddress } from '../address/ip.js';
import { formatPrefix } from '../address/prefix.js';
import { Contest, isWorthALine } from './contest.js';
import { parseLease, type Lease } from './lease.js';
import { RETRY_MS, type ManagerEvents, type ManagerOptions } from './manager-options.js';
import type { Deletion, News } from './news.js';
import { findElder, hasOurId, type LeaseWish, type Loss, type OwnLease } from './own-lease.js';
import { hangOnOwnTime } from './own-time.js';
import { answerMs, renewalMs } from './renewal.js';
import { isReservation } from './reservation.js';
import { StoreError, type KeyValue } from './store.js';

/** Older than any revision of etcd's: whatever the key says now is to be judged. */
const NO_REVISION = 0n;
/** An etcd lease may have ended after this part of its time, by clocks that do not agree with etcd's. */
const SURE_OF_TTL = 0.9;

/** When the etcd lease was last known to have all its time before it, by both clocks, and that time. */
interface Proof {
  readonly at: number;
  readonly wallAt: number;
  readonly seconds: number;
}

export class LeaseKeeper {
  readonly #options: ManagerOptions;
  readonly #events: ManagerEvents;
  readonly #news: News;
  /** Outlives a lease: who contests one contests the next. */
  readonly #contest = new Contest();
  /** Since when renewals fail. */
  #failingSince: number | undefined;
  #proof: Proof | undefined;
  /** The etcd lease whose time is as near to ours as etcd grants it. */
  #fitLeaseId: string | undefined;
  /** Its key is ours since just now: the mirror has yet to show who else came at the same time. */
  #isNew = false;

  constructor(options: ManagerOptions, events: ManagerEvents, news: News) {
    this.#options = options;
    this.#events = events;
    this.#news = news;
  }

  /** Renews until the lease is lost, or `signal` aborts: then undefined is returned. */
  async keep(lease: OwnLease, wish: LeaseWish, signal: AbortSignal): Promise<Loss | undefined> {
    const { now, random, sleep } = this.#options;
    let own = lease;
    let retry = RETRY_MS.first;
    let renewAt = this.#begin(own);
    let isSpread = own.granted !== undefined;
    this.#failingSince = undefined;
    while (!signal.aborted) {
      if (this.#news.takeOtherHistory()) {
        own = { ...own, modRevision: NO_REVISION };
        renewAt = -Infinity;
      }
      try {
        const seen = await this.#inspect(own, wish);
        if (typeof seen === 'string') return seen;
        if (seen.leaseId !== own.leaseId) {
          this.#noteMove(seen);
          this.#proof = undefined;
          renewAt = -Infinity;
        }
        own = seen;
        if (now() >= renewAt) {
          const lives = await this.#renew(own);
          // Else somebody revoked it, or etcd is another one now: the mirror will tell.
          if (!lives && this.#mayHaveExpired(own)) return 'expired';
          const longest = renewalMs(this.#proof?.seconds ?? this.#options.ttlSeconds);
          // Once over the whole interval: hosts that were started together shall not renew together.
          renewAt = now() + longest * (isSpread ? 0.9 + 0.1 * random() : random());
          isSpread = true;
          const fitted = lives ? await this.#fitTime(own) : own;
          if (fitted !== own) {
            own = fitted;
            renewAt = this.#begin(own);
            this.#events.onMoved(own);
          }
        }
        retry = RETRY_MS.first;
        const { notBefore } = this.#contest;
        const wakeAt = notBefore > now() ? Math.min(renewAt, notBefore) : renewAt;
        await this.#news.wait(wakeAt - now(), signal);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#noteFailure(error, own);
        // Only a renewal proves that the trouble is over.
        renewAt = -Infinity;
        await sleep(retry * (0.5 + random()), signal);
        retry = Math.min(retry * 2, RETRY_MS.longest);
      }
    }
    return undefined;
  }

  /** Compares our key as the mirror has it with what we wrote, and puts it right where that is ours to do. */
  async #inspect(own: OwnLease, wish: LeaseWish): Promise<OwnLease | Loss> {
    const current = this.#options.entries().get(own.key);
    // A key that is missing without a deletion is one that the mirror, behind our own write, has yet to see.
    if (current === undefined) {
      const deletion = this.#news.takeDeletion();
      return deletion === undefined ? own : this.#lookInto(deletion, own);
    }
    const { modRevision, leaseId } = current;
    if (modRevision < own.modRevision) return own;
    if (modRevision > own.modRevision && !this.#isStillOurs(current, own, wish)) return 'taken';
    if (this.#isNew) {
      // The mirror tells in the order of revisions: with our own key it has all that was written before.
      const elder = findElder(this.#options.entries(), this.#options.keyPrefix, own, wish);
      if (elder !== undefined) return (await this.#giveWay(elder, current)) ? 'taken' : own;
      this.#isNew = false;
    }
    if (modRevision === own.modRevision) return own;
    if (current.value === own.value) return { ...own, modRevision, leaseId };
    // Until then our revision stays the older one, so that the change is looked at again.
    if (this.#options.now() < this.#contest.notBefore) return { ...own, leaseId: leaseToKeep(current, own) };
    return this.#putRight(current, own, wish);
  }

  /** Taken is what names another host; under another address even that is ours by its etcd lease, which nobody else knows. */
  #isStillOurs(current: KeyValue, own: OwnLease, wish: LeaseWish): boolean {
    const parsed = parseLease(current, this.#options.keyPrefix);
    if (!parsed.ok) return true;
    if (parsed.value.holder !== undefined && !hasOurId(parsed.value, wish)) return false;
    if (parsed.value.publicIp === wish.publicIp) return true;
    if (notAHostAddress(parsed.value.publicIp) !== undefined) return true;
    return !isReservation(current) && current.leaseId === own.leaseId;
  }

  /** @returns whether our key is gone; else it was changed a moment ago, and is to be looked at again */
  async #giveWay(elder: Lease, { key, modRevision }: KeyValue): Promise<boolean> {
    const { store, log } = this.#options;
    log.error(
      { key, elder: elder.key },
      `${elder.key} of ${elder.publicIp} overlaps ${key} and is older: ours is given back`,
    );
    return (await store.deleteIfUnchanged(key, modRevision)).done;
  }

  async #putRight(current: KeyValue, own: OwnLease, wish: LeaseWish): Promise<OwnLease | Loss> {
    const { store, log, now } = this.#options;
    const { key, modRevision } = current;
    const leaseId = leaseToKeep(current, own);
    // Nothing can be written under an etcd lease that is gone, and only a renewal tells that it is.
    if (leaseId !== current.leaseId && !(await this.#renew(own))) return this.#whatEnded(own);
    const written = await store.replaceIfUnchanged(key, own.value, leaseId, modRevision);
    const rewrites = this.#contest.count(now());
    const subnet = formatPrefix(own.subnet);
    let message = 'our lease was changed by somebody else: written anew';
    if (own.modRevision === NO_REVISION)
      message = `etcd was restored with an older lease of ours for ${subnet}: written anew`;
    else if (rewrites > 1)
      message = `our lease of ${subnet} was changed by somebody else ${rewrites} times: does another host have the public IP ${wish.publicIp}?`;
    log[isWorthALine(rewrites) ? 'warn' : 'debug']({ key, found: current.value, rewrites }, message);
    this.#events.onContested(rewrites);
    return written.done ? { ...own, modRevision: written.modRevision, leaseId } : own;
  }

  async #lookInto(deletion: Deletion, own: OwnLease): Promise<OwnLease | Loss> {
    const { store } = this.#options;
    try {
      if ((await store.read(own.key)) !== undefined) return own;
      if (deletion === 'wiped' || !this.#mayHaveExpired(own)) return deletion;
      return (await store.readLease(own.leaseId)) === undefined ? 'expired' : 'deleted';
    } catch (error) {
      this.#news.putBackDeletion(deletion);
      throw error;
    }
  }

  /**
   * What became of an etcd lease that is gone while the key is not. etcd says the same of one that was revoked and of one that
   * expired, whatever it is asked, so that only time tells: what is gone well before its time was revoked. Later, or when
   * nothing proves that it had any time left, it counts as expired, for with `--on-revoke=exit` a host that stays by mistake can
   * be told again, and one that leaves by mistake is gone.
   */
  #whatEnded(own: OwnLease): Loss {
    if (own.modRevision === NO_REVISION) return 'wiped';
    return this.#mayHaveExpired(own) ? 'expired' : 'deleted';
  }

  /** By our own clocks; a host that slept knows of it by the one on the wall only. */
  #mayHaveExpired(own: OwnLease): boolean {
    const { now, wallNow } = this.#options;
    if (isReservation(own)) return false;
    if (this.#proof === undefined) return true;
    const { at, wallAt, seconds } = this.#proof;
    return Math.max(now() - at, wallNow() - wallAt) >= seconds * 1000 * SURE_OF_TTL;
  }

  /** @returns when to renew first: a lease that was granted just now need not be proven, one of before at once */
  #begin({ granted, leaseId }: OwnLease): number {
    const { now, wallNow, random } = this.#options;
    this.#proof = undefined;
    this.#isNew = granted !== undefined;
    if (granted === undefined) return -Infinity;
    this.#fitLeaseId = leaseId;
    const { at, seconds } = granted;
    const age = now() - at;
    this.#proof = { at, wallAt: wallNow() - age, seconds };
    this.#events.onRenewed(seconds - age / 1000);
    return at + renewalMs(seconds) * random();
  }

  /** @returns false when the etcd lease is gone */
  async #renew(own: OwnLease): Promise<boolean> {
    const { store, ttlSeconds, now, wallNow } = this.#options;
    const isReserved = isReservation(own);
    // Counted from before the call: etcd counts from a later moment.
    const [at, wallAt] = [now(), wallNow()];
    const answer = answerMs(this.#proof?.seconds ?? ttlSeconds);
    const secondsLeft = isReserved ? undefined : await store.keepAlive(own.leaseId, answer);
    if (!isReserved && secondsLeft === undefined) {
      this.#news.noteEnded(own.leaseId);
      return false;
    }
    this.#proof = secondsLeft === undefined ? undefined : { at, wallAt, seconds: secondsLeft };
    this.#noteSuccess(own);
    this.#events.onRenewed(secondsLeft);
    return true;
  }

  /** Sees to it that the etcd lease has the time that this host wants. */
  async #fitTime(own: OwnLease): Promise<OwnLease> {
    const seconds = this.#proof?.seconds;
    const isFit = seconds === this.#options.ttlSeconds || own.leaseId === this.#fitLeaseId;
    if (seconds === undefined || isFit) return own;
    const fitted = await hangOnOwnTime(this.#options, own, seconds);
    // Else the mirror will tell what became of the key, and the next renewal tries again.
    if (fitted !== undefined) this.#fitLeaseId = fitted.leaseId;
    return fitted ?? own;
  }

  /** An operator made our key a reservation, or an ordinary lease again. */
  #noteMove(own: OwnLease): void {
    const subnet = formatPrefix(own.subnet);
    const now = isReservation(own)
      ? 'is a reservation now: it never expires'
      : 'hangs on another etcd lease now';
    this.#options.log.info({ key: own.key }, `our lease of ${subnet} ${now}`);
    this.#events.onMoved(own);
  }

  #noteFailure(error: StoreError, own: OwnLease): void {
    const { log, now } = this.#options;
    const level = this.#failingSince === undefined ? 'warn' : 'debug';
    log[level]({ kind: error.kind }, `lease of ${formatPrefix(own.subnet)} not renewed: ${error.message}`);
    this.#failingSince ??= now();
    this.#events.onRenewalFailed(error);
  }

  #noteSuccess(own: OwnLease): void {
    const { log, now } = this.#options;
    if (this.#contest.endIfQuiet(now())) this.#events.onContested(0);
    if (this.#failingSince === undefined) return;
    const seconds = Math.round((now() - this.#failingSince) / 1000);
    this.#failingSince = undefined;
    log.info({ seconds }, `lease of ${formatPrefix(own.subnet)} renewed again after ${seconds} s`);
  }
}

/** The etcd lease that the key has; a put by hand leaves it none, which would make the key stay for ever: then ours. */
function leaseToKeep(current: KeyValue, own: OwnLease): string {
  return isReservation(current) ? own.leaseId : current.leaseId;
}

/** One search for a lease: our own of before, a subnet that we had, or a free one. */
import { formatPrefix, overlaps, samePrefix, type Prefix } from '../address/prefix.js';
import { allocateSubnet, countSubnets, isInRange } from './allocate.js';
import { formatLeaseValue, formatSubnetKey, type Lease } from './lease.js';
import { RETRY_MS, type ManagerEvents, type ManagerOptions } from './manager-options.js';
import type { News } from './news.js';
import { causeOf } from './outage.js';
import { findOwnLease, type LeaseWish, type OwnLease, type SubnetChoice } from './own-lease.js';
import { revokeIfPossible } from './revoke.js';
import type { SubnetRange } from './network-config.js';
import { StoreError, type StoreLease } from './store.js';
import { takenSubnets } from './subnet-usage.js';

/** With no subnet free: how long to wait for one when no change comes by itself. */
const EXHAUSTED_RETRY_MS = 30_000;

export class Acquisition {
  readonly #options: ManagerOptions;
  readonly #events: ManagerEvents;
  readonly #news: News;
  readonly #wish: LeaseWish;
  /** One grant serves all attempts: a lost race costs no etcd lease. */
  #grant: StoreLease | undefined;
  /** A create without an answer: it may yet be carried out, under the present grant. */
  #unanswered: SubnetChoice | undefined;
  #isExhausted = false;
  /** Why the last attempt failed, while attempts fail. */
  #failure: string | undefined;
  /** Earlier subnets that the log says cannot be had. */
  readonly #passedOver = new Set<SubnetChoice>();

  constructor(options: ManagerOptions, events: ManagerEvents, news: News, wish: LeaseWish) {
    this.#options = options;
    this.#events = events;
    this.#news = news;
    this.#wish = wish;
  }

  /** @returns the lease, or undefined when `signal` aborted */
  async run(signal: AbortSignal): Promise<OwnLease | undefined> {
    try {
      return await this.#run(signal);
    } finally {
      await this.#giveUpGrant();
    }
  }

  async #run(signal: AbortSignal): Promise<OwnLease | undefined> {
    let wait = RETRY_MS.first;
    while (!signal.aborted) {
      try {
        const outcome = await this.#try();
        this.#failure = undefined;
        if (outcome !== 'exhausted' && outcome !== 'again') return outcome;
        if (outcome === 'exhausted') this.#reportExhausted(this.#wish.range);
        await this.#news.wait(outcome === 'exhausted' ? EXHAUSTED_RETRY_MS : RETRY_MS.first, signal);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        // The grant may have ended while no subnet was free.
        if (error.kind === 'invalid') this.#grant = undefined;
        this.#noteFailure(error);
        await this.#options.sleep(wait * (0.5 + this.#options.random()), signal);
        wait = Math.min(wait * 2, RETRY_MS.longest);
      }
    }
    return undefined;
  }

  async #try(): Promise<OwnLease | 'exhausted' | 'again'> {
    const { entries, keyPrefix } = this.#options;
    const { range } = this.#wish;
    const own = findOwnLease(entries().values(), keyPrefix, this.#wish);
    if (own !== undefined && this.#news.isEnded(own.leaseId)) return 'again';
    if (own !== undefined && isInRange(range, own.subnets.ipv4)) return this.#resume(own);
    const isGivenBack = own !== undefined && (await this.#giveBack(own));
    const taken = takenSubnets(entries().keys(), keyPrefix, isGivenBack ? own.key : undefined);
    const choice = this.#choose(taken);
    return choice === undefined ? 'exhausted' : this.#create(choice);
  }

  /** Each cause is worth one line. */
  #noteFailure(error: StoreError): void {
    const level = this.#failure === causeOf(error) ? 'debug' : 'warn';
    this.#failure = causeOf(error);
    this.#options.log[level]({ kind: error.kind, ...error.advice }, `no lease yet: ${error.message}`);
    this.#events.onAcquisitionFailed(error);
  }

  #reportExhausted(range: SubnetRange): void {
    if (this.#isExhausted) return;
    this.#isExhausted = true;
    const { total } = countSubnets(range, []);
    this.#options.log.error(
      { total: Number(total) },
      `no subnet is free: all ${total} between ${range.subnetMin} and ${range.subnetMax} are leased; ` +
        'waiting for one (give unused leases back, or widen SubnetMax)',
    );
    this.#events.onExhausted(total);
  }

  /** Goes on with the lease that is there. The key is rewritten only if it would say something else. */
  async #resume({ key, subnets, leaseId, ...own }: Lease): Promise<OwnLease | 'again'> {
    const { store, log, entries } = this.#options;
    const value = formatLeaseValue(this.#wish.attributes);
    // A create of ours that was carried out after all.
    if (leaseId === this.#grant?.id) this.#grant = undefined;
    const current = entries().get(key);
    this.#news.heed(key);
    let { modRevision } = own;
    if (current?.value !== value) {
      const written = await store.replaceIfUnchanged(key, value, leaseId, modRevision);
      if (!written.done) return 'again';
      log.info({ key }, 'own lease rewritten, because this host now says something else in it');
      modRevision = written.modRevision;
    }
    return { key, subnet: subnets.ipv4, value, modRevision, leaseId, origin: 'own' };
  }

  /** @returns whether its subnet is free again */
  async #giveBack(own: Lease): Promise<boolean> {
    const { store, log } = this.#options;
    const subnet = formatPrefix(own.subnets.ipv4);
    if (!this.#wish.isOurs(own)) {
      log.warn(
        { key: own.key },
        `lease ${subnet} bears our public IP but is not in the range of the config; left to expire`,
      );
      return false;
    }
    log.warn({ key: own.key }, `our lease ${subnet} is not in the range of the config: given back`);
    const { done } = await store.deleteIfUnchanged(own.key, own.modRevision);
    return done;
  }

  #choose(taken: readonly Prefix[]): SubnetChoice | undefined {
    const { range, preferred } = this.#wish;
    const isFree = (subnet: Prefix) => !taken.some(other => overlaps(other, subnet));
    if (this.#unanswered !== undefined && isFree(this.#unanswered.subnet)) return this.#unanswered;
    for (const choice of preferred) {
      if (isInRange(range, choice.subnet) && isFree(choice.subnet)) return choice;
      if (this.#passedOver.has(choice)) continue;
      this.#passedOver.add(choice);
      this.#options.log.info(
        { origin: choice.origin },
        `earlier subnet ${formatPrefix(choice.subnet)} is taken or out of range: another is chosen`,
      );
    }
    const subnet = allocateSubnet(range, taken, this.#options.randomBelow);
    return subnet && { subnet, origin: 'free' };
  }

  async #create(choice: SubnetChoice): Promise<OwnLease | 'again'> {
    const { store, keyPrefix, ttlSeconds, log } = this.#options;
    const { subnet, origin } = choice;
    const before = this.#unanswered;
    // The create of before could land late and give us a second subnet: it ends with its etcd lease.
    if (before !== undefined && !samePrefix(before.subnet, subnet)) await this.#giveUpGrant();
    this.#grant ??= await store.grantLease(ttlSeconds);
    const leaseId = this.#grant.id;
    const key = keyPrefix + formatSubnetKey({ ipv4: subnet });
    const value = formatLeaseValue(this.#wish.attributes);
    this.#news.heed(key);
    this.#unanswered = choice;
    const written = await store.createIfAbsent(key, value, leaseId);
    const modRevision = written.done ? written.modRevision : landedRevision(written.current, value, leaseId);
    if (modRevision === undefined) {
      // The answer is for this create only: one before it on the same key may still be under way.
      this.#unanswered = before && samePrefix(before.subnet, subnet) ? before : undefined;
      log.info({ key }, `${formatPrefix(subnet)} was taken by another host a moment ago: trying another`);
      return 'again';
    }
    this.#grant = undefined;
    return { key, subnet, value, modRevision, leaseId, origin };
  }

  /** Whatever was written under it, and whatever may yet be, is gone with it, at the latest after its TTL. */
  async #giveUpGrant(): Promise<void> {
    const grant = this.#grant;
    this.#grant = undefined;
    this.#unanswered = undefined;
    if (grant !== undefined) await revokeIfPossible(this.#options, grant.id);
  }
}

/** The revision of a key that an earlier create of ours wrote, although its answer never came. */
function landedRevision(
  current: { readonly value: string; readonly leaseId: string; readonly modRevision: bigint } | undefined,
  value: string,
  leaseId: string,
): bigint | undefined {
  return current?.value === value && current.leaseId === leaseId ? current.modRevision : undefined;
}

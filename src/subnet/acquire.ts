/** One search for a lease: our own of before, a subnet that we had, or a free one. */
import { formatPrefix, overlaps, samePrefix, type Prefix } from '../address/prefix.js';
import { allocateSubnet, countSubnets, isInRange } from './allocate.js';
import { Challenge } from './challenge.js';
import { describeHolder } from './holder.js';
import { formatLeaseValue, formatSubnetKey, type Lease } from './lease.js';
import { RETRY_MS, type ManagerEvents, type ManagerOptions } from './manager-options.js';
import type { News } from './news.js';
import { causeOf } from './outage.js';
import {
  findOwnLease,
  findRivals,
  hasOurId,
  isFit,
  type HeldLease,
  type LeaseWish,
  type OwnLease,
  type Rival,
  type SubnetChoice,
} from './own-lease.js';
import { isReservation, NO_LEASE } from './reservation.js';
import { revokeIfPossible } from './revoke.js';
import type { SubnetRange } from './network-config.js';
import { StoreError, type StoreLease } from './store.js';
import { takenSubnets } from './subnet-usage.js';

/** With no subnet free: how long to wait for one when no change comes by itself. */
const EXHAUSTED_RETRY_MS = 30_000;

/** A granted etcd lease, and when: milliseconds of the steady clock. */
type Grant = StoreLease & { readonly at: number };

export class Acquisition {
  readonly #options: ManagerOptions;
  readonly #events: ManagerEvents;
  readonly #news: News;
  readonly #wish: LeaseWish;
  readonly #challenge: Challenge;
  /** What a new lease says of its beginning: the same in all attempts, so that one whose answer was lost is known again. */
  readonly #since: string;
  /** One grant serves all attempts: a lost race costs no etcd lease. */
  #grant: Grant | undefined;
  /** A create without an answer: it may yet be carried out, under the present grant. */
  #unanswered: SubnetChoice | undefined;
  #isExhausted = false;
  /** Why the last attempt failed, while attempts fail. */
  #failure: string | undefined;
  /** Earlier subnets that the log says cannot be had. */
  readonly #passedOver = new Set<SubnetChoice>();
  /** Keys of rivals that are not to be had. */
  readonly #leftAlone = new Set<string>();

  constructor(options: ManagerOptions, events: ManagerEvents, news: News, wish: LeaseWish) {
    this.#options = options;
    this.#events = events;
    this.#news = news;
    this.#wish = wish;
    this.#challenge = new Challenge(options, events, news);
    this.#since = `${new Date(options.wallNow()).toISOString().slice(0, 19)}Z`;
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
        const outcome = await this.#try(signal);
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

  async #try(signal: AbortSignal): Promise<OwnLease | 'exhausted' | 'again'> {
    const { entries, keyPrefix } = this.#options;
    const own = findOwnLease(entries().values(), keyPrefix, this.#wish);
    if (own !== undefined && this.#news.isEnded(own.leaseId)) return 'again';
    const isOutlived = own !== undefined && this.#isOutlived(own);
    if (own !== undefined && !isOutlived && isFit(own, this.#wish)) return this.#resume(own);
    for (const rival of findRivals(entries().values(), keyPrefix, this.#wish)) {
      const outcome = this.#leftAlone.has(rival.lease.key) ? 'none' : await this.#face(rival, signal);
      if (outcome !== 'none') return outcome;
    }
    const isGivenBack = own !== undefined && (await this.#giveBack(own, whyUnfit(own, isOutlived)));
    if (isOutlived && !isGivenBack) return 'again';
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
  async #resume(lease: Lease): Promise<OwnLease | 'again'> {
    const { store, log, entries } = this.#options;
    const { key, subnets, leaseId } = lease;
    const since = this.#sinceOf(lease);
    const value = this.#valueSince(since);
    // A create of ours that was carried out after all.
    if (leaseId === this.#grant?.id) this.#grant = undefined;
    const current = entries().get(key);
    this.#news.heed(key);
    let { modRevision } = lease;
    if (current?.value !== value) {
      const written = await store.replaceIfUnchanged(key, value, leaseId, modRevision);
      if (!written.done) return 'again';
      log.info({ key }, 'own lease rewritten, because this host now says something else in it');
      modRevision = written.modRevision;
    }
    return { key, subnet: subnets.ipv4, since, value, modRevision, leaseId, origin: 'own' };
  }

  /**
   * A lease that is ours unless its holder lives.
   * @returns `none` when it is not to be had and the search goes on
   */
  async #face({ kind, lease }: Rival, signal: AbortSignal): Promise<OwnLease | 'again' | 'none'> {
    const { log } = this.#options;
    const subnet = formatPrefix(lease.subnets.ipv4);
    // Nothing refreshes a reservation. It is for a public IP, which is ours.
    const found = isReservation(lease) ? 'silent' : await this.#challenge.settle(lease, signal);
    if (found === 'changed') return 'again';
    if (found === 'silent' && this.#isWanted(lease)) return this.#takeOver(lease);
    if (found === 'lives' && kind === 'same-ip') {
      this.#events.onDuplicate(lease);
      await this.#challenge.rest(lease, signal);
      return 'again';
    }
    this.#leftAlone.add(lease.key);
    const why =
      found === 'lives'
        ? `is in use at ${lease.publicIp} by a host with our node id: is it, or are we, a clone?`
        : 'is silent, and not for us: another subnet is ours, or it is out of range or dual-stack; left to expire';
    log.warn({ key: lease.key, holder: lease.holder }, `lease ${subnet} ${why}`);
    return 'none';
  }

  /** A host that knows its subnet keeps that one, and not what another left behind under the same address. */
  #isWanted(lease: Lease): boolean {
    const { preferred, preferredKey } = this.#wish;
    const [known] = preferred;
    const isKnown =
      known === undefined || lease.key === preferredKey || samePrefix(known.subnet, lease.subnets.ipv4);
    return isKnown && isFit(lease, this.#wish);
  }

  /** By compare, and under a new etcd lease: with the old one its former holder could yet delete our key. */
  async #takeOver(lease: HeldLease): Promise<OwnLease | 'again'> {
    const { store, log } = this.#options;
    const { key, holder, subnets } = lease;
    if (this.#unanswered !== undefined) await this.#giveUpGrant();
    const granted = isReservation(lease) ? undefined : await this.#granted();
    const leaseId = granted?.id ?? NO_LEASE;
    const since = this.#sinceOf(lease);
    const value = this.#valueSince(since);
    this.#news.heed(key);
    const written = await store.replaceIfUnchanged(key, value, leaseId, lease.modRevision);
    if (!written.done) return 'again';
    this.#grant = undefined;
    const subnet = formatPrefix(subnets.ipv4);
    const why = granted === undefined ? 'it is reserved for our public IP' : 'nobody refreshes it any more';
    log.warn(
      { key, holder },
      `lease ${subnet} at ${lease.publicIp} taken over from ${describeHolder(holder)}: ${why}`,
    );
    const own = { key, subnet: subnets.ipv4, since, value, modRevision: written.modRevision, leaseId };
    return { ...own, origin: 'own', ...(granted && { granted: sinceGrant(granted) }) };
  }

  /**
   * Whether a lease of ours is one of before the last, as an etcd that was restored from an older snapshot has it: while
   * the subnet of the last one can be had, our containers keep that. A reservation is an admin's word, and newer.
   */
  #isOutlived(own: Lease): boolean {
    const { entries, keyPrefix } = this.#options;
    const { range, preferred, preferredKey } = this.#wish;
    const last = preferred.find(
      ({ subnet }) => preferredKey === keyPrefix + formatSubnetKey({ ipv4: subnet }),
    );
    if (last === undefined || own.key === preferredKey) return false;
    if (isReservation(own) || !mayGiveBack(own, this.#wish)) return false;
    const others = takenSubnets(entries().keys(), keyPrefix, own.key);
    return isInRange(range, last.subnet) && !others.some(other => overlaps(other, last.subnet));
  }

  /** @returns whether its subnet is free again */
  async #giveBack(own: Lease, why: string): Promise<boolean> {
    const { store, log } = this.#options;
    const subnet = formatPrefix(own.subnets.ipv4);
    if (!mayGiveBack(own, this.#wish)) {
      log.warn({ key: own.key }, `lease ${subnet} bears our public IP but ${why}; left to expire`);
      return false;
    }
    log.warn({ key: own.key }, `our lease ${subnet} ${why}: given back`);
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
      this.#options.log.warn(
        { origin: choice.origin },
        `earlier subnet ${formatPrefix(choice.subnet)} is taken or out of range: another is chosen`,
      );
    }
    const { keptKeys, keyPrefix, randomBelow } = this.#options;
    const subnet = allocateSubnet(range, [...taken, ...takenSubnets(keptKeys(), keyPrefix)], randomBelow);
    return subnet && { subnet, origin: 'free' };
  }

  async #create(choice: SubnetChoice): Promise<OwnLease | 'again'> {
    const { store, keyPrefix, log } = this.#options;
    const { subnet, origin, since = this.#since } = choice;
    const before = this.#unanswered;
    // The create of before could land late and give us a second subnet: it ends with its etcd lease.
    if (before !== undefined && !samePrefix(before.subnet, subnet)) await this.#giveUpGrant();
    const granted = await this.#granted();
    const leaseId = granted.id;
    const key = keyPrefix + formatSubnetKey({ ipv4: subnet });
    const value = this.#valueSince(since);
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
    return { key, subnet, since, value, modRevision, leaseId, origin, granted: sinceGrant(granted) };
  }

  #valueSince(since: string): string {
    const { attributes, node } = this.#wish;
    return formatLeaseValue({ ...attributes, holder: { ...node, since } });
  }

  /** Of a lease that was ours already, its own word; what we take from another begins now. */
  #sinceOf(lease: Lease): string {
    return (hasOurId(lease, this.#wish) ? lease.holder?.since : undefined) ?? this.#since;
  }

  async #granted(): Promise<Grant> {
    const { store, ttlSeconds, now } = this.#options;
    // Counted from before the call: etcd counts from a later moment.
    const at = now();
    return (this.#grant ??= { ...(await store.grantLease(ttlSeconds)), at });
  }

  /** Whatever was written under it, and whatever may yet be, is gone with it, at the latest after its TTL. */
  async #giveUpGrant(): Promise<void> {
    const grant = this.#grant;
    this.#grant = undefined;
    this.#unanswered = undefined;
    if (grant !== undefined) await revokeIfPossible(this.#options, grant.id);
  }
}

/**
 * A dual-stack key stays until it expires, for its IPv4 subnet alone must not come back before: a flanneld that knows the
 * one and lists the other, because history was compacted between, would crash comparing the two (pkg/lease, sameSubnet).
 */
function mayGiveBack(own: Lease, wish: LeaseWish): boolean {
  return hasOurId(own, wish) && own.subnets.ipv6 === undefined;
}

function whyUnfit({ subnets }: Lease, isOutlived: boolean): string {
  if (isOutlived) return 'is older than the one that we had last';
  return subnets.ipv6 === undefined
    ? 'is not in the range of the config'
    : `has the IPv6 subnet ${formatPrefix(subnets.ipv6)}, which we cannot serve`;
}

function sinceGrant({ at, ttlSeconds: seconds }: Grant): { readonly at: number; readonly seconds: number } {
  return { at, seconds };
}

/** The revision of a key that an earlier create of ours wrote, although its answer never came. */
function landedRevision(
  current: { readonly value: string; readonly leaseId: string; readonly modRevision: bigint } | undefined,
  value: string,
  leaseId: string,
): bigint | undefined {
  return current?.value === value && current.leaseId === leaseId ? current.modRevision : undefined;
}

/**
 * The host's own lease: acquire, keep, and acquire again when it is lost.
 *
 * A key is created only if absent and changed only by compare on the revision that we know to be ours. Our earlier lease
 * is kept alive by its own etcd lease, without rewriting the key, so that no other host hears of our restart.
 */
import type { Logger } from 'pino';
import type { IpAddress } from '../address/ip.js';
import { formatPrefix, overlaps, type Prefix } from '../address/prefix.js';
import { allocateSubnet, countSubnets, isInRange } from './allocate.js';
import {
  formatLeaseValue,
  formatSubnetKey,
  parseLease,
  parseSubnetKey,
  type Lease,
  type LeaseAttributes,
} from './lease.js';
import type { SubnetRange } from './network-config.js';
import { StoreError, type KeyChange, type KeyValue, type Store, type StoreLease } from './store.js';

/** How we came by a subnet. */
export type Origin = 'own' | 'state' | 'subnet-file' | 'free';

export interface OwnLease {
  readonly key: string;
  readonly subnet: Prefix;
  readonly value: string;
  readonly modRevision: bigint;
  /** The etcd lease, or `0` for a reservation: a key that never expires. */
  readonly leaseId: string;
  readonly origin: Origin;
}

/** What the host wants of the network. */
export interface LeaseWish {
  readonly range: SubnetRange;
  readonly publicIp: IpAddress;
  /** Subnets that the host had before, the best first. */
  readonly preferred: readonly { readonly subnet: Prefix; readonly origin: Origin }[];
  /** What the lease shall say. */
  readonly attributes: LeaseAttributes;
  /** Whether a lease under our public IP is beyond doubt this host's, so that it may be given back. */
  readonly isOurs: (lease: Lease) => boolean;
}

export interface ManagerOptions {
  readonly store: Store;
  /** `<prefix>/subnets/`. */
  readonly keyPrefix: string;
  readonly ttlSeconds: number;
  /** Everything under the prefix as the mirror has it, by key. */
  readonly entries: () => ReadonlyMap<string, KeyValue>;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  /** A whole number in [0, below), evenly distributed. */
  readonly randomBelow: (below: bigint) => bigint;
  /** Resolves after `ms` or, without an error, when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface ManagerEvents {
  /** A lease is ours; the subnet may differ from the one before. */
  onOwn(lease: OwnLease): void;
  /** The store has confirmed that the lease lives. @param secondsLeft undefined for a reservation */
  onRenewed(secondsLeft: number | undefined): void;
  /** No subnet is free. */
  onExhausted(total: bigint): void;
}

/** The lease is proven to live at least this often. */
const LONGEST_RENEWAL_MS = 60_000;
const RETRY_MS = { first: 250, longest: 5_000 };
/** With no subnet free: how long to wait for one when no change comes by itself. */
const EXHAUSTED_RETRY_MS = 30_000;

/** Longest time between two renewals: a third of the TTL, at most a minute. */
export function renewalMs(ttlSeconds: number): number {
  return Math.min((ttlSeconds * 1000) / 3, LONGEST_RENEWAL_MS);
}

/** What ended the keeping of a lease. */
type Loss = 'expired' | 'deleted' | 'taken';

export class LeaseManager {
  readonly #options: ManagerOptions;
  readonly #events: ManagerEvents;
  /** Wakes whoever waits for a change under the prefix. */
  #wake: () => void = () => undefined;
  #hasNews = false;
  #ownKey: string | undefined;
  #sawDeletion = false;
  /** An etcd lease of ours that is gone: a key that still names it is one that the mirror has yet to see go. */
  #endedLeaseId: string | undefined;
  #grant: StoreLease | undefined;

  constructor(options: ManagerOptions, events: ManagerEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Something under the prefix has changed; the mirror's entries show it. */
  noteChanges(changes: readonly KeyChange[]): void {
    for (const change of changes) {
      if (change.kind === 'delete' && change.key === this.#ownKey) this.#sawDeletion = true;
    }
    this.#hasNews = true;
    this.#wake();
  }

  /** Acquires a lease and keeps one until `signal` aborts. The key stays in the store. */
  async run(wish: LeaseWish, signal: AbortSignal): Promise<void> {
    let preferred = wish.preferred;
    while (!signal.aborted) {
      const own = await this.#acquire({ ...wish, preferred }, signal);
      if (own === undefined) break;
      const { log } = this.#options;
      const subnet = formatPrefix(own.subnet);
      log.info(
        { subnet, key: own.key, origin: own.origin },
        `leased ${subnet} (${ORIGIN_WORDS[own.origin]})`,
      );
      this.#events.onOwn(own);
      const loss = await this.#keep(own, wish, signal);
      if (loss === undefined) break;
      log.warn({ subnet, loss }, `lease of ${subnet} lost (${loss}): acquiring again`);
      preferred = [{ subnet: own.subnet, origin: own.origin }];
    }
    if (this.#grant !== undefined)
      await this.#options.store.revokeLease(this.#grant.id).catch(() => undefined);
  }

  /** @returns undefined when `signal` aborted */
  async #acquire(wish: LeaseWish, signal: AbortSignal): Promise<OwnLease | undefined> {
    let wait = RETRY_MS.first;
    let isExhausted = false;
    while (!signal.aborted) {
      try {
        const outcome = await this.#tryAcquire(wish);
        if (outcome !== 'exhausted' && outcome !== 'again') return outcome;
        if (outcome === 'exhausted' && !isExhausted) this.#reportExhausted(wish.range);
        isExhausted ||= outcome === 'exhausted';
        await this.#waitForChange(outcome === 'exhausted' ? EXHAUSTED_RETRY_MS : RETRY_MS.first, signal);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        // The grant may have ended while no subnet was free.
        if (error.kind === 'invalid') this.#grant = undefined;
        this.#options.log.warn({ kind: error.kind }, `no lease yet: ${error.message}`);
        await this.#options.sleep(wait * (0.5 + this.#options.random()), signal);
        wait = Math.min(wait * 2, RETRY_MS.longest);
      }
    }
    return undefined;
  }

  async #tryAcquire(wish: LeaseWish): Promise<OwnLease | 'exhausted' | 'again'> {
    const own = findOwnLease(this.#options.entries().values(), this.#options.keyPrefix, wish);
    if (own !== undefined && own.leaseId === this.#endedLeaseId) return 'again';
    if (own !== undefined && isInRange(wish.range, own.subnets.ipv4)) return this.#resume(own, wish);
    const isGivenBack = own !== undefined && (await this.#giveBack(own, wish));
    const taken = this.#takenSubnets(isGivenBack ? own.key : undefined);
    const choice = this.#choose(wish, taken);
    return choice === undefined ? 'exhausted' : this.#create(choice, wish);
  }

  #reportExhausted(range: SubnetRange): void {
    const { total } = countSubnets(range, []);
    this.#options.log.error(
      { total: Number(total) },
      `no subnet is free: all ${total} between ${range.subnetMin} and ${range.subnetMax} are leased; ` +
        'waiting for one (give unused leases back, or widen SubnetMax)',
    );
    this.#events.onExhausted(total);
  }

  /** Goes on with the lease that is there. The key is rewritten only if it would say something else. */
  async #resume(own: Lease, wish: LeaseWish): Promise<OwnLease | 'again'> {
    const { store, log } = this.#options;
    const value = formatLeaseValue(wish.attributes);
    const current = this.#options.entries().get(own.key);
    this.#heed(own.key);
    let { modRevision } = own;
    if (current?.value !== value) {
      const written = await store.replaceIfUnchanged(own.key, value, own.leaseId, own.modRevision);
      if (!written.done) return 'again';
      log.info({ key: own.key }, 'own lease rewritten, because this host now says something else in it');
      modRevision = written.modRevision;
    }
    return {
      key: own.key,
      subnet: own.subnets.ipv4,
      value,
      modRevision,
      leaseId: own.leaseId,
      origin: 'own',
    };
  }

  /** @returns whether its subnet is free again */
  async #giveBack(own: Lease, wish: LeaseWish): Promise<boolean> {
    const { store, log } = this.#options;
    const subnet = formatPrefix(own.subnets.ipv4);
    if (!wish.isOurs(own)) {
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

  /** From now on a deletion of this key is a loss. Called before the key is written, because it may go at once. */
  #heed(key: string): void {
    this.#ownKey = key;
    this.#sawDeletion = false;
  }

  #takenSubnets(except: string | undefined): Prefix[] {
    const taken: Prefix[] = [];
    for (const key of this.#options.entries().keys()) {
      if (key === except || !key.startsWith(this.#options.keyPrefix)) continue;
      const parsed = parseSubnetKey(key.slice(this.#options.keyPrefix.length));
      if (parsed.ok) taken.push(parsed.value.ipv4);
    }
    return taken;
  }

  #choose(wish: LeaseWish, taken: readonly Prefix[]): { subnet: Prefix; origin: Origin } | undefined {
    const isFree = (subnet: Prefix) => !taken.some(other => overlaps(other, subnet));
    for (const { subnet, origin } of wish.preferred) {
      if (isInRange(wish.range, subnet) && isFree(subnet)) return { subnet, origin };
      this.#options.log.info(
        { origin },
        `earlier subnet ${formatPrefix(subnet)} is taken or out of range: another is chosen`,
      );
    }
    const subnet = allocateSubnet(wish.range, taken, this.#options.randomBelow);
    return subnet && { subnet, origin: 'free' };
  }

  async #create(choice: { subnet: Prefix; origin: Origin }, wish: LeaseWish): Promise<OwnLease | 'again'> {
    const { store, keyPrefix, ttlSeconds, log } = this.#options;
    // One grant serves all attempts: a lost race costs no etcd lease.
    this.#grant ??= await store.grantLease(ttlSeconds);
    const leaseId = this.#grant.id;
    const key = keyPrefix + formatSubnetKey({ ipv4: choice.subnet });
    const value = formatLeaseValue(wish.attributes);
    this.#heed(key);
    const written = await store.createIfAbsent(key, value, leaseId);
    if (!written.done) {
      log.info(
        { key },
        `${formatPrefix(choice.subnet)} was taken by another host a moment ago: trying another`,
      );
      return 'again';
    }
    this.#grant = undefined;
    return {
      key,
      subnet: choice.subnet,
      value,
      modRevision: written.modRevision,
      leaseId,
      origin: choice.origin,
    };
  }

  /** Renews until the lease is lost or `signal` aborts. */
  async #keep(lease: OwnLease, wish: LeaseWish, signal: AbortSignal): Promise<Loss | undefined> {
    let own = lease;
    let retry = RETRY_MS.first;
    let renewAt = 0;
    while (!signal.aborted) {
      try {
        const seen = await this.#inspect(own, wish);
        if (typeof seen === 'string') return seen;
        own = seen;
        if (this.#options.now() >= renewAt) {
          if (!(await this.#renew(own))) return 'expired';
          renewAt = this.#options.now() + this.#renewalMs();
        }
        retry = RETRY_MS.first;
        await this.#waitForChange(renewAt - this.#options.now(), signal);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#options.log.debug({ kind: error.kind }, `lease not renewed: ${error.message}`);
        await this.#options.sleep(retry * (0.5 + this.#options.random()), signal);
        retry = Math.min(retry * 2, RETRY_MS.longest);
      }
    }
    return undefined;
  }

  /** Compares our key as the mirror has it with what we wrote, and puts it right where that is ours to do. */
  async #inspect(own: OwnLease, wish: LeaseWish): Promise<OwnLease | Loss> {
    const current = this.#options.entries().get(own.key);
    // A key that is missing without a deletion is one that the mirror, behind our own write, has yet to see.
    if (current === undefined) return this.#sawDeletion ? this.#isReallyGone(own) : own;
    if (current.modRevision <= own.modRevision) return own;
    const parsed = parseLease(current, this.#options.keyPrefix);
    if (parsed.ok && parsed.value.publicIp !== wish.publicIp) return 'taken';
    if (current.value === own.value)
      return { ...own, modRevision: current.modRevision, leaseId: current.leaseId };
    const { store, log } = this.#options;
    log.warn({ key: own.key, found: current.value }, 'our lease was changed by somebody else: written anew');
    const written = await store.replaceIfUnchanged(own.key, own.value, current.leaseId, current.modRevision);
    return written.done ? { ...own, modRevision: written.modRevision, leaseId: current.leaseId } : own;
  }

  async #isReallyGone(own: OwnLease): Promise<OwnLease | Loss> {
    // Taken back before the answer: a deletion that is told meanwhile is another one.
    this.#sawDeletion = false;
    try {
      return (await this.#options.store.read(own.key)) === undefined ? 'deleted' : own;
    } catch (error) {
      this.#sawDeletion = true;
      throw error;
    }
  }

  /** @returns false when the etcd lease is gone */
  async #renew(own: OwnLease): Promise<boolean> {
    if (own.leaseId === '0') {
      this.#events.onRenewed(undefined);
      return true;
    }
    const secondsLeft = await this.#options.store.keepAlive(own.leaseId);
    if (secondsLeft === undefined) {
      this.#endedLeaseId = own.leaseId;
      return false;
    }
    this.#events.onRenewed(secondsLeft);
    return true;
  }

  /** Spread, so that hosts started together do not stay together. */
  #renewalMs(): number {
    return renewalMs(this.#options.ttlSeconds) * (0.9 + 0.1 * this.#options.random());
  }

  async #waitForChange(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    if (!this.#hasNews) await this.#options.sleep(Math.max(0, ms), AbortSignal.any([signal, woken.signal]));
    this.#hasNews = false;
    this.#wake = () => undefined;
  }
}

/**
 * The host's own lease in the store: of those with its public IP one in the range, else any; the first in key order, as
 * flannel finds it.
 */
export function findOwnLease(
  entries: Iterable<KeyValue>,
  keyPrefix: string,
  host: { readonly publicIp: IpAddress; readonly range: SubnetRange },
): Lease | undefined {
  const own: Lease[] = [];
  for (const entry of entries) {
    if (!entry.key.startsWith(keyPrefix)) continue;
    const parsed = parseLease(entry, keyPrefix);
    if (parsed.ok && parsed.value.publicIp === host.publicIp) own.push(parsed.value);
  }
  own.sort((a, b) => (a.key < b.key ? -1 : 1));
  return own.find(lease => isInRange(host.range, lease.subnets.ipv4)) ?? own[0];
}

const ORIGIN_WORDS: Readonly<Record<Origin, string>> = {
  own: 'our own earlier lease',
  state: 'the subnet in our state directory',
  'subnet-file': 'the subnet in the subnet file',
  free: 'a free subnet',
};

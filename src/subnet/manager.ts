/**
 * The host's own lease: acquire, keep, and acquire again when it is lost.
 *
 * A key is created only if absent and changed only by compare on the revision that we know to be ours. Our earlier lease
 * is kept alive by its own etcd lease, without rewriting the key, so that no other host hears of our restart; unless that
 * was granted for another time than this host wants.
 */
import { formatPrefix, samePrefix } from '../address/prefix.js';
import { Acquisition } from './acquire.js';
import { describeHolder } from './holder.js';
import { LeaseKeeper } from './keep.js';
import { parseLease, type Lease } from './lease.js';
import type { ManagerEvents, ManagerOptions } from './manager-options.js';
import type { MirrorHistory } from './mirror.js';
import { News } from './news.js';
import { hasOurId, type LeaseWish, type Loss, type Origin, type OwnLease } from './own-lease.js';
import { revokeIfUnused } from './revoke.js';
import type { KeyChange } from './store.js';

export type { Awaiting, ManagerEvents, ManagerOptions } from './manager-options.js';
export {
  findOwnLease,
  type HeldLease,
  type LeaseWish,
  type Loss,
  type Origin,
  type OwnLease,
} from './own-lease.js';
export { renewalMs } from './renewal.js';

export class LeaseManager {
  readonly #options: ManagerOptions;
  readonly #events: ManagerEvents;
  readonly #news: News;

  constructor(options: ManagerOptions, events: ManagerEvents) {
    this.#options = options;
    this.#events = events;
    this.#news = new News(options.sleep);
  }

  /**
   * Something under the prefix has changed; the mirror's entries show it.
   * @param history other than `same` when etcd was wiped, restored or exchanged: our key is then judged anew
   */
  noteChanges(changes: readonly KeyChange[], history: MirrorHistory): void {
    this.#news.note(changes, history);
  }

  /** Acquires a lease and keeps one until `signal` aborts. The key stays in the store. */
  async run(firstWish: LeaseWish, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    const keeper = new LeaseKeeper(this.#options, this.#events, this.#news);
    let wish = firstWish;
    let before: OwnLease | undefined;
    for (;;) {
      const own = await new Acquisition(this.#options, this.#events, this.#news, wish).run(signal);
      if (own === undefined) return;
      const subnet = formatPrefix(own.subnet);
      const isAgain = before !== undefined && samePrefix(before.subnet, own.subnet);
      const words = isAgain ? 'the subnet that we had' : ORIGIN_WORDS[own.origin];
      log.info({ subnet, key: own.key, origin: own.origin }, `leased ${subnet} (${words})`);
      before = own;
      this.#events.onOwn(own);
      const loss = await keeper.keep(own, wish, signal);
      if (loss === undefined) return;
      this.#events.onLost(loss);
      if (signal.aborted) return;
      this.#logLoss(own, loss, wish);
      if (loss === 'taken') await revokeIfUnused(this.#options, own);
      wish = {
        ...wish,
        preferred: [{ subnet: own.subnet, origin: own.origin, since: own.since }],
        preferredKey: own.key,
      };
    }
  }

  #logLoss({ key, subnet }: OwnLease, loss: Loss, wish: LeaseWish): void {
    const { log, entries, keyPrefix } = this.#options;
    const what = `lease of ${formatPrefix(subnet)} lost (${loss})`;
    const current = loss === 'taken' ? entries().get(key) : undefined;
    const parsed = current && parseLease(current, keyPrefix);
    // A key of ours that is there yet was given back, because an older one overlaps it: that has been said.
    if (parsed?.ok !== true || isOurs(parsed.value, wish)) {
      log.warn({ key, loss }, `${what}: acquiring again`);
      return;
    }
    const { publicIp, holder } = parsed.value;
    const who = holder === undefined ? publicIp : `${describeHolder(holder)} at ${publicIp}`;
    log.error(
      { key, loss, publicIp, holder },
      `${what}: ${who} has it now, and it is left to that host; acquiring another`,
    );
  }
}

function isOurs(lease: Lease, wish: LeaseWish): boolean {
  return lease.publicIp === wish.publicIp && (lease.holder === undefined || hasOurId(lease, wish));
}

const ORIGIN_WORDS: Readonly<Record<Origin, string>> = {
  own: 'our own earlier lease',
  state: 'the subnet in our state directory',
  'subnet-file': 'the subnet in the subnet file',
  free: 'a free subnet',
};

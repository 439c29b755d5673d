/**
 * The host's own lease: acquire, keep, and acquire again when it is lost.
 *
 * A key is created only if absent and changed only by compare on the revision that we know to be ours. Our earlier lease
 * is kept alive by its own etcd lease, without rewriting the key, so that no other host hears of our restart; unless that
 * was granted for another time than this host wants.
 */
import { formatPrefix } from '../address/prefix.js';
import { Acquisition } from './acquire.js';
import { LeaseKeeper } from './keep.js';
import type { ManagerEvents, ManagerOptions } from './manager-options.js';
import type { MirrorHistory } from './mirror.js';
import { News } from './news.js';
import type { LeaseWish, Origin } from './own-lease.js';
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
    for (;;) {
      const own = await new Acquisition(this.#options, this.#events, this.#news, wish).run(signal);
      if (own === undefined) return;
      const subnet = formatPrefix(own.subnet);
      log.info(
        { subnet, key: own.key, origin: own.origin },
        `leased ${subnet} (${ORIGIN_WORDS[own.origin]})`,
      );
      this.#events.onOwn(own);
      const loss = await keeper.keep(own, wish, signal);
      if (loss === undefined) return;
      this.#events.onLost(loss);
      if (signal.aborted) return;
      log.warn({ subnet, loss }, `lease of ${subnet} lost (${loss}): acquiring again`);
      if (loss === 'taken') await revokeIfUnused(this.#options, own);
      wish = {
        ...wish,
        preferred: [{ subnet: own.subnet, origin: own.origin, since: own.since }],
        preferredKey: own.key,
      };
    }
  }
}

const ORIGIN_WORDS: Readonly<Record<Origin, string>> = {
  own: 'our own earlier lease',
  state: 'the subnet in our state directory',
  'subnet-file': 'the subnet in the subnet file',
  free: 'a free subnet',
};

/** Finding out whether the holder of a lease that may be our earlier one lives: looking, and looking again. */
import { formatPrefix } from '../address/prefix.js';
import { describeHolder } from './holder.js';
import type { ManagerEvents, ManagerOptions } from './manager-options.js';
import type { News } from './news.js';
import type { HeldLease } from './own-lease.js';
import { isSameHolder, judgeRival, sight, weigh, type Evidence } from './rival.js';

/** How soon is looked again, unless a short lease asks for sooner. */
const LOOK_MS = 3_000;
/** So many looks while a short lease grows too old. */
const LOOKS = 4;

export class Challenge {
  readonly #options: ManagerOptions;
  readonly #events: ManagerEvents;
  readonly #news: News;
  #evidence: Evidence | undefined;

  constructor(options: ManagerOptions, events: ManagerEvents, news: News) {
    this.#options = options;
    this.#events = events;
    this.#news = news;
  }

  /**
   * Waits until it is known whether the holder of this lease lives.
   * @returns `changed` when the key is another now or goes, or `signal` aborted: all is to be seen anew
   * @throws StoreError
   */
  async settle(lease: HeldLease, signal: AbortSignal): Promise<'lives' | 'silent' | 'changed'> {
    const { store, now } = this.#options;
    try {
      for (;;) {
        const asked = now();
        const read = await store.readLease(lease.leaseId);
        if (read === undefined || signal.aborted) return 'changed';
        const seen = sight(lease, read, asked, now());
        const before = this.#evidence;
        this.#evidence = weigh(before, seen);
        const verdict = judgeRival(this.#evidence, seen, now());
        if (verdict.kind !== 'unclear') return verdict.kind;
        if (before === undefined || !isSameHolder(before.mark.lease, lease)) {
          this.#logWait(lease, verdict.until);
        }
        this.#events.onAwaiting({ lease, until: verdict.until });
        const pause = Math.min(LOOK_MS, seen.windowMs / LOOKS, verdict.until - now());
        if (await this.#changes(lease, pause, signal)) return 'changed';
      }
    } finally {
      this.#events.onAwaiting(undefined);
    }
  }

  /**
   * Leaves a holder that lives alone for half the time after which it would count as gone (a minute, but for short leases),
   * give or take a quarter: so that it is noticed to be gone before its key is. Ends when the key changes.
   */
  async rest(lease: HeldLease, signal: AbortSignal): Promise<void> {
    const ms = (this.#evidence?.mark.windowMs ?? 0) / 2;
    await this.#changes(lease, ms * (0.75 + this.#options.random() / 2), signal);
  }

  /** Waits for `ms` at most. @returns true as soon as the key of this lease is not as it was, or `signal` aborts */
  async #changes({ key, modRevision }: HeldLease, ms: number, signal: AbortSignal): Promise<boolean> {
    const { now, entries } = this.#options;
    const end = now() + ms;
    while (!signal.aborted && entries().get(key)?.modRevision === modRevision) {
      if (now() >= end) return false;
      await this.#news.wait(end - now(), signal);
    }
    return true;
  }

  #logWait({ key, subnets, publicIp, holder }: HeldLease, until: number): void {
    const seconds = Math.ceil((until - this.#options.now()) / 1000);
    this.#options.log.info(
      { key, holder },
      `lease ${formatPrefix(subnets.ipv4)} is held by ${describeHolder(holder)} at ${publicIp}: waiting to see whether ` +
        `that host lives; without a sign of it within ${seconds} s it counts as gone`,
    );
  }
}

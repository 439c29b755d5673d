/**
 * Keeps the packet filter as wished: looks when something may have changed, and makes the difference. Trouble with it is
 * told and tried again; it holds nothing else up.
 */
import type { Logger } from 'pino';
import { Backoff } from '../backoff.js';
import { Contests, describeContest, type Contest } from '../contests.js';
import { FirewallError, type Firewall } from './firewall.js';
import type { HeldFirewall } from './held.js';
import type { FirewallNames, FirewallWish } from './model.js';
import { hostWithoutNft, planFirewall, type Change, type Part, type Tool } from './plan.js';

/** Announcements come in flocks, and of a program at work in many: one look serves those of this time. */
const SETTLE_MS = 100;
/** Legacy iptables announces nothing. */
const GLANCE_MS = 10_000;
/** Where nft fails it may work by then: it was updated, a module has come. */
const NFT_AGAIN_MS = 600_000;

export interface FirewallKeeperOptions {
  readonly firewall: Firewall;
  readonly names: FirewallNames;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Resolves after `ms` or when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Called after every look. */
  readonly onLook?: () => void;
}

/** A thing that is wanted of the packet filter, and how it stands. */
export interface PartState {
  /** Undefined when nothing is installed that could do it. */
  readonly tool: Tool | undefined;
  readonly isInPlace: boolean;
  readonly error: string | undefined;
}

export interface MasqueradeState extends PartState {
  /** Why nft does not do it; undefined when it does. */
  readonly withoutNft: string | undefined;
}

export interface FirewallView {
  /** Undefined when no masquerading is wanted, and before the first look. */
  readonly masquerade: MasqueradeState | undefined;
  /** One for each variant of iptables whose FORWARD chain drops. */
  readonly forward: readonly PartState[];
  /** What could not be read or removed, and why. */
  readonly errors: readonly string[];
  /** When it was looked at last; undefined before the first time. */
  readonly lookedAt: number | undefined;
  /** Changes that were made after the first look. */
  readonly repairs: number;
  /** What another program keeps undoing. */
  readonly contests: readonly Contest[];
}

type Outcome = 'done' | 'put off' | { readonly error: string };

export class FirewallKeeper {
  readonly #options: FirewallKeeperOptions;
  readonly #backoff = new Backoff();
  readonly #contests = new Contests();
  #wish: FirewallWish | undefined;
  #doubt = false;
  /** Whatever was changed before the first look, was so without us. */
  #settled = false;
  #view: Omit<FirewallView, 'contests' | 'repairs'> = {
    masquerade: undefined,
    forward: [],
    errors: [],
    lookedAt: undefined,
  };
  #repairs = 0;
  /** What did not work at the last look. */
  #failed: readonly string[] = [];
  /** When nft, which fails here, is tried again. */
  #nftAgainAt = Infinity;
  #wake: () => void = () => undefined;

  constructor(options: FirewallKeeperOptions) {
    this.#options = options;
  }

  get view(): FirewallView {
    return { ...this.#view, repairs: this.#repairs, contests: this.#contests.open };
  }

  /** What is wanted from now on; until the first call nothing is looked at. */
  want(wish: FirewallWish): void {
    if (JSON.stringify(wish) === JSON.stringify(this.#wish)) return;
    this.#wish = wish;
    // All that another network, or flanneld, may have left is looked for again.
    this.#settled = false;
    this.doubt();
  }

  /** Something may have changed: look again. */
  doubt(): void {
    this.#doubt = true;
    this.#wake();
  }

  /** Works until `signal` aborts. The packet filter stays as it is then. */
  async run(signal: AbortSignal): Promise<void> {
    const stopListening = this.#listen();
    const glancing = this.#glance(signal);
    try {
      while (!signal.aborted) {
        if (this.#isDue()) {
          await this.#look();
          await this.#options.sleep(SETTLE_MS, signal);
        } else await this.#rest(signal);
      }
    } finally {
      stopListening();
    }
    await glancing;
  }

  #listen(): () => void {
    const { firewall, names, log } = this.#options;
    try {
      return firewall.listen(names, () => this.doubt());
    } catch (error) {
      log.info({ err: error }, 'this kernel announces no changes of nftables');
      return () => undefined;
    }
  }

  #isDue(): boolean {
    if (this.#wish === undefined) return false;
    const now = this.#options.now();
    return (this.#doubt && now >= this.#backoff.retryAt) || now >= this.#nextLook;
  }

  /** When to look without a doubt. */
  get #nextLook(): number {
    return Math.min(this.#contests.nextRepair, this.#nftAgainAt);
  }

  async #rest(signal: AbortSignal): Promise<void> {
    // Not AbortSignal.any: on Node 20 a signal that lives on keeps a little of every one made from it.
    const awake = new AbortController();
    const wake = () => awake.abort();
    this.#wake = wake;
    signal.addEventListener('abort', wake);
    const next = this.#doubt ? this.#backoff.retryAt : this.#nextLook;
    const pause = this.#wish === undefined ? GLANCE_MS : next - this.#options.now();
    if (!signal.aborted) await this.#options.sleep(Math.min(Math.max(pause, 0), GLANCE_MS), awake.signal);
    signal.removeEventListener('abort', wake);
    this.#wake = () => undefined;
  }

  async #glance(signal: AbortSignal): Promise<void> {
    let seen = '';
    while (!signal.aborted) {
      const text = this.#wish === undefined ? seen : await this.#options.firewall.glance();
      if (text !== seen) this.doubt();
      seen = text;
      await this.#options.sleep(GLANCE_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { firewall, names, now, log } = this.#options;
    const wish = this.#wish;
    this.#doubt = false;
    for (const { what, repairs } of this.#contests.startPass(now()))
      log.info({ what, repairs }, `${what} is left alone by now: it was put right ${repairs} times`);
    // The tables nat of iptables are ours only without nft, but an earlier life may have left something there.
    const byIptables = wish?.masquerade !== 'off' && this.#view.masquerade?.tool !== 'nft';
    const held = await firewall.read(names, !this.#settled || byIptables);
    await this.#carryOut(wish, held);
    this.#options.onLook?.();
  }

  async #carryOut(wish: FirewallWish | undefined, held: HeldFirewall): Promise<void> {
    const { now, names } = this.#options;
    const { forward, unread } = planFirewall(wish, held, names);
    const states: PartState[] = [];
    for (const part of forward) states.push(await this.#ensure(part));
    const { masquerade, removals } = await this.#masquerade(wish, held);
    const errors = [...unread];
    // What was there before us goes only when ours is in its place.
    for (const removal of masquerade?.isInPlace === false ? [] : removals) {
      const outcome = await this.#make(removal);
      if (typeof outcome === 'object') errors.push(outcome.error);
    }
    const all = [masquerade, ...states].filter(state => state !== undefined);
    const failed = [...errors, ...all.flatMap(({ error }) => error ?? [])];
    this.#tell(failed);
    this.#tellWithoutNft(masquerade);
    const mayWorkLater = masquerade?.withoutNft !== undefined && held.nft !== undefined;
    this.#nftAgainAt = mayWorkLater ? now() + NFT_AGAIN_MS : Infinity;
    if (failed.length === 0) {
      this.#backoff.reset();
      this.#settled = true;
    } else {
      this.#backoff.postpone(now());
      this.#doubt = true;
    }
    this.#view = { masquerade, forward: states, errors, lookedAt: now() };
  }

  /** By nft, and where that refuses by iptables. */
  async #masquerade(
    wish: FirewallWish | undefined,
    held: HeldFirewall,
  ): Promise<{ readonly masquerade: MasqueradeState | undefined; readonly removals: readonly Change[] }> {
    const { masquerade: part, removals } = planFirewall(wish, held, this.#options.names);
    if (part === undefined) return { masquerade: undefined, removals };
    const masquerade = { ...(await this.#ensure(part)), withoutNft: part.withoutNft };
    const { error } = masquerade;
    const withoutNft = error === undefined ? undefined : hostWithoutNft(held, error);
    return withoutNft === undefined ? { masquerade, removals } : this.#masquerade(wish, withoutNft);
  }

  async #ensure({ tool, change, error }: Part): Promise<PartState> {
    if (error !== undefined) return { tool, isInPlace: false, error };
    if (change === undefined) return { tool, isInPlace: true, error: undefined };
    const outcome = await this.#make(change);
    const failure = typeof outcome === 'object' ? outcome.error : undefined;
    return { tool, isInPlace: outcome === 'done', error: failure };
  }

  async #make(change: Change): Promise<Outcome> {
    const { firewall, log, now } = this.#options;
    const { action, what } = change;
    const isRepair = this.#settled;
    if (isRepair && !this.#contests.mayRepair(what, now())) return 'put off';
    try {
      await firewall.apply(change);
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      return { error: error.message };
    }
    if (!isRepair) {
      log.info({ what }, `firewall: ${action} ${what}`);
      return 'done';
    }
    this.#repairs++;
    const contest = this.#contests.note(what, () => what, now());
    if (contest !== undefined) log.warn({ what, repairs: contest.repairs }, describeContest(contest));
    else if (!this.#contests.isOpen(what)) log.info({ what }, `firewall: repaired ${what}`);
    return 'done';
  }

  /** Once: what it said the first time may be said a little differently later. */
  #tellWithoutNft(masquerade: MasqueradeState | undefined): void {
    const isNews = this.#view.masquerade?.withoutNft === undefined;
    if (masquerade?.withoutNft === undefined || masquerade.tool === undefined || !isNews) return;
    const { tool, withoutNft } = masquerade;
    this.#options.log.info({ tool }, `firewall: ${tool} masquerades, not nft: ${withoutNft}`);
  }

  /** The first of a row of failures in full, and the end of it. */
  #tell(failed: readonly string[]): void {
    const { log } = this.#options;
    const before = this.#failed;
    for (const error of failed) if (!before.includes(error)) log.warn(`firewall: ${error}`);
    if (before.length > 0 && failed.length === 0) log.info('firewall: all is in place again');
    this.#failed = failed;
  }
}

/**
 * Makes the kernel hold exactly what is desired, and keeps it so.
 *
 * Level-triggered, at two speeds. When a peer changes, its keys alone are compared with what we know the kernel to hold,
 * and the difference is sent at once, together with whatever else came meanwhile: no dump, no timer. Any doubt (the
 * start, a notification, a refused or lost answer, the timer) leads to a full read and a full comparison. What a
 * notification says is gone is put back before that (`restorer.ts`), and what goes with a device, its MAC or address: with ten
 * thousand peers the reading takes a while.
 */
import type { Logger } from 'pino';
import { NO_NEWS, type News } from './announced.js';
import { Calm } from './calm.js';
import { Contests } from './contests.js';
import { HOST, type Owner, type Plan } from './desired.js';
import { allKeys, keyOfOp, type Op } from './diff.js';
import { EntryKeeper } from './entry-keeper.js';
import { isKernelTrouble, type Kernel } from './kernel.js';
import { LinkKeeper } from './link-keeper.js';
import { describe, isOurs, keyOf, sameEntry } from './kinds/index.js';
import { NEXTHOPS_PAY, type NexthopRange } from './lowering.js';
import type { Entry, Link } from './model.js';
import type { OffloadKeeper } from './offload-keeper.js';
import type { Ownership } from './ownership.js';
import type { Readings } from './put-off.js';
import { ReadTrouble } from './read-trouble.js';
import type { OwnerState, ReconcilerView } from './reconciler-view.js';
import { NO_CONSEQUENCE, Restorer, type IsConsequence } from './restorer.js';

const FULL_CHECK_SECONDS = 60;
/** Longer than any timer that is set on purpose; setTimeout takes no infinity. */
const LONGEST_SLEEP_MS = 3_600_000;

export interface ReconcilerOptions {
  readonly kernel: Kernel;
  readonly ownership: Ownership;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** In [0, 1); spreads the periodic check. */
  readonly random: () => number;
  /** Without it, the checksum offload of devices is left as it is. */
  readonly offload?: OffloadKeeper;
  /** With how many peers nexthop objects are used; NEXTHOPS_PAY when left out. */
  readonly nexthopRange?: NexthopRange;
  /**
   * Called before everything is read because devices or addresses have changed: what was announced before, and is heard by the
   * return, is no news.
   */
  readonly onReading?: () => void;
  /** Sees every full read before it is compared, so that the desired state may follow the underlay. */
  readonly onRead?: (entries: readonly Entry[]) => void;
  /**
   * Called after every pass.
   * @param wishedUntil what was asked for before that moment has been carried out; undefined when the pass broke off, or was
   *   about repairs alone
   */
  readonly onPass?: (wishedUntil: number | undefined) => void;
  /**
   * Called when the kernel has been filled for the first time with all peers. Waited for before anything else is done; must
   * not reject, and end soon, at once when `signal` aborts.
   */
  readonly onFilled?: (signal: AbortSignal) => Promise<void>;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #linkKeeper: LinkKeeper;
  readonly #reading: ReadTrouble;
  readonly #entries: EntryKeeper;
  readonly #contests = new Contests();
  readonly #restorer: Restorer;
  readonly #touched = new Set<string>();
  #news = NO_NEWS;
  #links: readonly Link[] = [];
  #peersComplete = false;
  /** Whether what is ours and not desired goes: not yet, from the next full pass on, or it has gone once. */
  #pruning: 'held' | 'due' | 'on' = 'held';
  #doubt = true;
  readonly #calm = new Calm();
  /** Changes of devices and addresses heard of, how many there were at the underlay's last, and how many a full pass has dealt with. */
  readonly #deviceChanges = { heard: 0, heardOfUnderlay: 0, seen: 0 };
  /** A full pass has been carried out since the peers were complete: from here on changes found are repairs. */
  #settled = false;
  #readings: Readings = { begun: 0, isFilling: false, isAhead: false };
  #lastFullCheckAt: number | undefined;
  #nextFullCheckAt = Infinity;
  #wake: () => void = () => undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const { kernel, ownership, log, now, offload } = options;
    this.#linkKeeper = new LinkKeeper(kernel, log, now, this.#contests, offload);
    this.#reading = new ReadTrouble(log);
    const { nexthopRange = NEXTHOPS_PAY } = options;
    const onDoubt = () => this.#readNext();
    this.#entries = new EntryKeeper({ kernel, ownership, log, now, nexthopRange, onDoubt });
    this.#restorer = new Restorer(options, this.#entries, this.#contests, this.#touched);
  }

  get view(): ReconcilerView {
    const entries = this.#entries;
    const { repairs, drift } = this.#restorer;
    return {
      // Made when asked for: most who look want to know of trouble alone.
      get desired() {
        return entries.desired.byKey;
      },
      get held() {
        return entries.held;
      },
      failures: entries.failures.all,
      conflicts: entries.conflicts,
      contests: this.#contests.open,
      obstacles: entries.obstacles,
      linkTrouble: this.#linkKeeper.trouble ?? this.#linkKeeper.flaw,
      readTrouble: this.#reading.error,
      settled: this.#settled,
      repairs: repairs.total,
      repairsByKind: repairs.byKind,
      lastRepairs: repairs.latest,
      drift,
      refusals: this.#entries.failures.total,
      lastFullCheckAt: this.#lastFullCheckAt,
    };
  }

  /** For whoever hears what the kernel announces. */
  get readings(): Readings {
    return this.#readings;
  }

  /**
   * Whether the kernel holds everything that this peer needs; the error if it refused something. Of nobody, until it has
   * been filled and what is waited for then has come.
   */
  peerState(id: string): OwnerState {
    // To look would make indexes of all peers, in the moments when they wait for their entries.
    if (this.#readings.isFilling) return { programmed: false, error: this.#troubleText };
    return this.#stateBy(this.#entries.missing(id));
  }

  /** Whether it holds what the host itself needs, whatever becomes of the peers. */
  hostState(): OwnerState {
    return this.#stateBy(this.#entries.missingOfHost());
  }

  /** Whether an entry is there, or gone, because it should be. */
  isExpected(entry: Entry, isThere: boolean): boolean {
    const wanted = this.#entries.desired.byKey.get(keyOf(entry));
    return isThere ? wanted !== undefined && sameEntry(wanted, entry) : wanted === undefined;
  }

  /** What the host itself needs, whoever its peers are. */
  setHost(links: readonly Link[], entries: readonly Entry[]): void {
    this.#links = links;
    this.#want(HOST, entries);
    this.doubt();
  }

  /** What one peer needs; no entries when it is gone. Applied at once. */
  setPeer(id: string, plan: Plan): void {
    this.#want(id, plan);
    this.#noteWanted();
  }

  /** The same of many peers, by their keys, which differ. The list is read later: it must stay as it is. */
  setPeers<P extends { readonly key: string }>(
    peers: readonly P[],
    plan: (peer: P) => readonly Entry[],
  ): void {
    if (peers.length === 0) return;
    if (this.#readsAnyway) this.#entries.desired.setAll(peers, plan);
    else for (const peer of peers) this.#want(peer.key, () => plan(peer));
    this.#noteWanted();
  }

  /** The first complete set of leases has been handed over: what is found amiss from now on is damage. */
  setPeersComplete(): void {
    this.#peersComplete = true;
    this.doubt();
  }

  /** What is ours and not desired goes from now on; until then it may be a live peer's that is yet to be handed over. */
  allowPruning(): void {
    if (this.#pruning !== 'held') return;
    this.#pruning = 'due';
    this.doubt();
  }

  /** What would go if pruning were allowed, by what was read last. */
  countHeldBack(): number {
    if (this.#pruning !== 'held') return 0;
    const { desired, held } = this.#entries;
    const isStale = ([key, entry]: [string, Entry]) =>
      !desired.byKey.has(key) && isOurs(entry, this.#options.ownership);
    return [...held].filter(isStale).length;
  }

  /**
   * Something may have changed in the kernel: read everything again.
   * @param news entries that others are said to have changed: what that alone proves wrong is put right first, and if that
   *   is all, the reading waits until no more of it comes
   */
  doubt(news?: News): void {
    if (news === undefined) this.#readNext();
    else this.#heed(news);
    this.#wake();
  }

  #heed({ entries, isAll }: News): void {
    const before = this.#news;
    // What was said in several flocks may have been another's by the last of them.
    const all = before.entries.size === 0 ? entries : new Map([...before.entries, ...entries]);
    this.#news = { entries: all, isAll: before.isAll && isAll };
    if (this.#news.entries.size === 0) this.#readNext();
    else this.#doubt = true;
  }

  /** There is no time to wait for. */
  #readNext(): void {
    this.#doubt = true;
    this.#calm.cutShort(this.#options.now());
  }

  /**
   * As `doubt`, after a change of devices or addresses: what was refused before is tried again at once, and entries that
   * went with them are not put off as if another program had removed them.
   * @param of our own device, or the underlay, perhaps with our own
   */
  doubtAfterChange(of: 'overlay' | 'underlay'): void {
    this.#deviceChanges.heard++;
    if (of === 'underlay') this.#deviceChanges.heardOfUnderlay = this.#deviceChanges.heard;
    this.#readings = { ...this.#readings, isAhead: true };
    this.#entries.failures.retryAll();
    this.#linkKeeper.retryNow(of);
    this.doubt();
  }

  /** Works until `signal` aborts. What is in the kernel stays there. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isAsked = this.#touched.size > 0 && this.#troubleText === undefined;
      // A reading of ten thousand peers' entries takes a while, and no lease waits for it.
      if (isAsked && (this.#settled || !this.#doubt)) await this.#pass(() => this.#hotPass(), signal);
      const news = this.#takeNews();
      if (news.entries.size > 0 && !this.#calm.isOverdue(this.#options.now())) {
        await this.#pass(() => this.#putRight(news), signal);
      } else if (this.#doubt && this.#calm.endsAt <= this.#options.now()) {
        await this.#pass(() => this.#fullPass(), signal);
      } else if (!isAsked) {
        this.#entries.keepBooks();
        await this.#sleep(signal);
        this.#takeDue();
      }
    }
  }

  /** A full pass is due, none counts as repair yet, and nothing is listed: it need not be told what has changed. */
  get #readsAnyway(): boolean {
    return this.#doubt && !this.#settled && this.#entries.failures.all.size === 0;
  }

  #noteWanted(): void {
    if (this.#entries.isOutgrown) this.#readNext();
    this.#wake();
  }

  #want(owner: Owner, plan: Plan): void {
    const { desired, failures } = this.#entries;
    if (this.#readsAnyway) {
      desired.set(owner, plan);
      return;
    }
    const before = desired.entriesOf(owner);
    desired.set(owner, plan);
    for (const entry of [...before, ...desired.entriesOf(owner)]) {
      const key = keyOf(entry);
      this.#touched.add(key);
      // What the kernel refused was another plan's.
      failures.clear(key);
    }
  }

  /** @param missing keys of what is not there */
  #stateBy(missing: readonly string[]): OwnerState {
    let error = this.#troubleText;
    const programmed = error === undefined && missing.length === 0;
    for (const key of missing) {
      const conflict = this.#entries.conflicts.get(key);
      if (conflict !== undefined) error ??= `in the way: ${describe(conflict.found)}`;
      else if (this.#contests.isOpen(key)) error ??= 'another program keeps undoing it';
      else error ??= this.#entries.failures.all.get(key)?.error;
    }
    return { programmed, error };
  }

  /** Trouble that keeps all entries from being programmed. */
  get #troubleText(): string | undefined {
    return this.#reading.error ?? this.#linkKeeper.trouble?.error;
  }

  /** When to try again after such trouble, milliseconds. */
  get #troubleEndsAt(): number {
    return Math.max(this.#reading.retryAt, this.#linkKeeper.retryAt);
  }

  /** @param work tells the moment up to which wishes have been carried out, if so */
  async #pass(work: () => Promise<number | undefined>, signal: AbortSignal): Promise<void> {
    let wishedUntil: number | undefined;
    try {
      wishedUntil = await work();
    } catch (error) {
      if (!isKernelTrouble(error)) throw error;
      this.#reading.report(error, this.#options.now());
    }
    this.#options.onPass?.(wishedUntil);
    if (!this.#readings.isFilling) return;
    if (this.#settled) await this.#options.onFilled?.(signal);
    this.#readings = { ...this.#readings, isFilling: false };
  }

  /** What was announced since the last time, where that can be trusted: news of devices, and a start, say more than it. */
  #takeNews(): News {
    const news = this.#news;
    this.#news = NO_NEWS;
    const { heard, seen } = this.#deviceChanges;
    return this.#settled && heard === seen && this.#troubleText === undefined ? news : NO_NEWS;
  }

  async #fullPass(): Promise<number | undefined> {
    const { kernel, ownership, now, onRead } = this.#options;
    this.#doubt = false;
    this.#calm.end();
    if (now() < this.#troubleEndsAt) return undefined;
    this.#restorer.repairs.endContests(now());
    const { heard, heardOfUnderlay, seen } = this.#deviceChanges;
    this.#readings = { ...this.#readings, begun: this.#readings.begun + 1, isFilling: !this.#settled };
    const links = this.#links;
    // Peers that are handed over meanwhile may be in neither of what this pass compares and what it was told of.
    const isComplete = this.#peersComplete;
    const mended = await this.#linkKeeper.ensure(links, await kernel.readLinks());
    if (mended === undefined) return undefined;
    if (this.#settled) this.#restorer.repairs.noteDevices(mended.length);
    // Indexes are new with a device.
    if (mended.length > 0) await kernel.readLinks();
    let isConsequence: IsConsequence = NO_CONSEQUENCE;
    // What the host needs may change meanwhile: its devices come before entries, so this pass gives way to the next then.
    if (this.#settled && (heard > seen || mended.length > 0) && this.#links === links)
      isConsequence = await this.#restorer.putBackKnownLosses(mended, heardOfUnderlay > seen);
    this.#heedFromHere();
    const entries = await kernel.readEntries(ownership.devices);
    if (this.#links !== links) return undefined;
    onRead?.(entries);
    const relowered = this.#entries.take(entries);
    const asked = new Set(allKeys(this.#touched, relowered, this.#entries.desired.formerOwners));
    this.#touched.clear();
    const wishedUntil = now();
    this.#deviceChanges.seen = heard;
    await this.#bringAbout(asked, isConsequence);
    if (isComplete) this.#settled = true;
    this.#reading.clear();
    this.#lastFullCheckAt = now();
    this.#nextFullCheckAt =
      this.#lastFullCheckAt + FULL_CHECK_SECONDS * 1000 * (0.8 + 0.4 * this.#options.random());
    return wishedUntil;
  }

  /** A reading begins: what is announced from now on may not be in it. */
  #heedFromHere(): void {
    if (!this.#readings.isAhead) return;
    this.#options.onReading?.();
    this.#readings = { ...this.#readings, isAhead: false };
  }

  async #putRight(news: News): Promise<undefined> {
    if (await this.#restorer.putRight(news)) this.#calm.prolong(this.#options.now());
    else this.#readNext();
  }

  /** Everything has been read: makes it as desired. @param asked keys under which somebody wants something else */
  async #bringAbout(asked: ReadonlySet<string>, isConsequence: IsConsequence): Promise<void> {
    const isFirstPruning = this.#pruning === 'due';
    const prune = this.#pruning !== 'held';
    if (this.#settled) {
      // What nobody asked for is damage, but for what an earlier life has left.
      const isRepair = (op: Op) =>
        (asked.size === 0 || !asked.has(keyOfOp(op))) && !(isFirstPruning && op.kind === 'remove');
      await this.#restorer.carryOut(this.#entries.compareAll(prune), isRepair, isConsequence);
    } else {
      await this.#entries.fill(prune);
      this.#restorer.noteFilled();
    }
    if (isFirstPruning) this.#pruning = 'on';
  }

  /** What the kernel does not take before a reading, it is asked for again then: it may be the doubt's own cause. */
  async #hotPass(): Promise<number | undefined> {
    const startedAt = this.#options.now();
    const isReadNext = this.#doubt;
    const keys = [...this.#touched];
    this.#touched.clear();
    const ops = this.#entries.compare(keys, this.#pruning !== 'held');
    const done = await this.#entries.apply(ops, isReadNext ? 'unheeded' : 'heeded');
    this.#restorer.noteChanged(done);
    if (!isReadNext || done.length === ops.length) return startedAt;
    const settled = new Set(done.map(keyOfOp));
    for (const key of ops.map(keyOfOp)) if (!settled.has(key)) this.#touched.add(key);
    this.#readNext();
    return undefined;
  }

  /** When there is something to do again, milliseconds. While there is trouble, only that matters. */
  #dueAt(): number {
    if (this.#troubleText !== undefined) return this.#troubleEndsAt;
    const lookAt = this.#doubt ? this.#calm.endsAt : this.#nextLookAt;
    return Math.min(lookAt, this.#entries.failures.nextRetry ?? Infinity);
  }

  /** When all is to be looked at again, without trouble. */
  get #nextLookAt(): number {
    return Math.min(this.#nextFullCheckAt, this.#contests.nextRepair, this.#linkKeeper.flawRetryAt);
  }

  /** Until something is asked for or falls due. */
  async #sleep(signal: AbortSignal): Promise<void> {
    const wait = Math.max(0, this.#dueAt() - this.#options.now());
    await new Promise<void>(resolve => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, Math.min(wait, LONGEST_SLEEP_MS));
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #takeDue(): void {
    const now = this.#options.now();
    if (now < this.#dueAt()) return;
    if (this.#troubleText !== undefined || now >= this.#nextLookAt) this.#readNext();
    for (const [key, failure] of this.#entries.failures.all)
      if (failure.notBefore <= now) this.#touched.add(key);
  }
}

/**
 * What the store says, passed on to whom it concerns: the config follower, the overlay, the lease manager. Those who are
 * not there yet read the mirror when they come.
 */
import type { Logger } from 'pino';
import type { StoreConnection } from '../subnet/connection-watch.js';
import { Doubt, type Circumstances } from '../subnet/doubt.js';
import { renewalMs } from '../subnet/manager.js';
import { historyOf, type MirrorBatch, type MirrorHandlers } from '../subnet/mirror.js';
import type { KeyChange, Snapshot } from '../subnet/store.js';
import type { Facts } from './facts.js';
import type { AgentOptions } from './options.js';
import { savedLeaseKey } from './saved-state.js';
import type { Clock } from './tasks.js';

/** A doubt can begin at any moment, and its end needs no more precision than this. */
const CHECK_MS = 1_000;
/** How long after the store answers again its deletions may be expiries of the time when it was out of reach. */
const GAP_MS = 10_000;
/** A renewal that is so many times later than it should be was not answered. */
const OVERDUE_FACTOR = 1.5;

/** The network's config document in the store. */
export function configKeyOf(options: AgentOptions): string {
  return `${options.etcd.prefix}/config`;
}

/** Every lease key of the network starts with it. */
export function keyPrefixOf(options: AgentOptions): string {
  return `${options.etcd.prefix}/subnets/`;
}

export class StoreFeed implements MirrorHandlers {
  readonly #facts: Facts;
  readonly #prefix: string;
  readonly #configKey: string;
  readonly #doubt: Doubt;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #renewalMs: number;
  /** When the store answered again after it had been away. */
  #backAt = -Infinity;

  constructor(facts: Facts, options: AgentOptions, log: Logger, clock: Clock) {
    this.#facts = facts;
    this.#prefix = options.etcd.prefix;
    this.#configKey = configKeyOf(options);
    this.#doubt = new Doubt(options.doubtGraceSeconds);
    this.#renewalMs = renewalMs(options.leaseTtlSeconds);
    this.#log = log;
    this.#clock = clock;
    facts.doubt = this.#doubt;
  }

  onConnection(connection: StoreConnection): void {
    const isBack =
      connection.connected && this.#facts.mirrored && this.#facts.connection?.connected === false;
    if (isBack) this.#backAt = this.#clock.now();
    this.#facts.connection = connection;
  }

  onReset(snapshot: Snapshot): void {
    const { entries } = snapshot;
    this.#facts.mirrored = true;
    const listed = new Set(entries.map(({ key }) => key));
    const former = {
      leaseKey: savedLeaseKey(this.#facts.saved, this.#prefix),
      history: historyOf(this.#facts.history, snapshot),
    };
    if (this.#doubt.judgeFirst(listed, former, this.#clock.now())) this.#logDoubt(undefined);
    this.#facts.config?.see(entries.find(entry => entry.key === this.#configKey)?.value);
  }

  onChanges(batch: MirrorBatch): void {
    const { overlay, manager, usage } = this.#facts;
    const before = this.#doubt.state?.reason;
    const inDoubt = this.#doubt.judge(batch, this.#circumstances(), this.#clock.now());
    if (inDoubt) this.#logDoubt(before);
    const heardAt = this.#clock.now();
    const changed = overlay?.applyChanges(batch.changes, inDoubt ? 'keep' : 'believe') ?? 0;
    this.#facts.watchToKernel?.heard(changed, heardAt);
    manager?.noteChanges(batch.changes, batch.history);
    usage?.noteChanges(batch);
    for (const change of batch.changes) this.#seeConfig(change);
  }

  /** Ends doubts when they are due, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { state } = this.#doubt;
      const wait = state === undefined ? CHECK_MS : Math.min(CHECK_MS, state.until - this.#clock.now());
      await this.#clock.sleep(Math.max(0, wait), signal);
      if (this.#isMoot()) {
        this.#doubt.end();
        this.#log.info('etcd is believed: this host holds nothing of peers that it does not list');
        this.#facts.overlay?.forgetKept();
      }
      if (!this.#doubt.endIfDue(this.#clock.now())) continue;
      const gone = this.#facts.overlay?.peers?.kept.size ?? 0;
      this.#log.warn({ gone }, `etcd is believed again: ${gone} peers that did not come back are gone`);
      this.#facts.overlay?.forgetKept();
    }
  }

  /** Whether the doubt of a start keeps nothing: after a reboot the kernel holds no peers of before. */
  #isMoot(): boolean {
    const { reconciler, overlay } = this.#facts;
    if (this.#doubt.state?.isOfFirstList !== true || reconciler?.view.settled !== true) return false;
    return reconciler.countHeldBack() === 0 && overlay?.peers?.kept.size === 0;
  }

  /** A cut that mends on the same connection shows only in a lease that was not renewed in time. */
  #circumstances(): Circumstances {
    const { overlay, own, ownLost, expiresAt, renewedAt } = this.#facts;
    const now = this.#clock.now();
    const isOverdue = renewedAt !== undefined && now - renewedAt > this.#renewalMs * OVERDUE_FACTOR;
    return {
      peers: overlay?.peers?.accepted ?? new Map(),
      ownKey: own?.key,
      // The store may tell of our own lease before it tells of the others that ended with it.
      ownExpired: ownLost === 'expired' || (expiresAt !== undefined && expiresAt <= now),
      afterGap: isOverdue || now - this.#backAt < GAP_MS,
    };
  }

  #logDoubt(before: string | undefined): void {
    const { state } = this.#doubt;
    if (state === undefined || state.reason === before) return;
    const seconds = Math.round((state.until - this.#clock.now()) / 1000);
    this.#log.warn(
      { reason: state.reason },
      `etcd is in doubt (${state.reason}): what leads to peers that it no longer lists is kept for ${seconds} s`,
    );
  }

  #seeConfig(change: KeyChange): void {
    if (change.kind === 'put' && change.entry.key === this.#configKey)
      this.#facts.config?.see(change.entry.value);
    if (change.kind === 'delete' && change.key === this.#configKey) this.#facts.config?.see(undefined);
  }
}

/**
 * Keeps systemd informed: ready once the network works, how it is doing when that changes, and alive for as long as the
 * agent's own work goes on.
 */
import { isoAt, type Facts, type Moment } from './facts.js';
import { configKeyOf } from './feed.js';
import { problemsOf } from './find-problems.js';
import { stallOf } from './liveness.js';
import type { Notifier } from './notify.js';
import type { AgentOptions } from './options.js';
import { countPeers, lackOfHost, lackOfPeers, type PeerCount } from './readiness.js';
import { describeService } from './service-status.js';
import type { Clock } from './tasks.js';

/** Docker waits for us: it is told at once, and all else soon. */
const STARTING_TICK_MS = 200;
const TICK_MS = 1_000;
/**
 * How long a peer that the kernel refuses holds Docker back, once all else is ready: one route of an administrator's must
 * not keep a whole host from starting.
 */
const PATIENCE_MS = 30_000;

/** The clocks drift by less while nobody sets one. */
const CLOCK_STEP_MS = 1_000;

export interface ServiceReportOptions {
  readonly notifier: Notifier;
  readonly facts: Facts;
  readonly options: AgentOptions;
  readonly clock: Clock;
}

/** Reports until `signal` aborts. */
export async function reportToService(options: ServiceReportOptions, signal: AbortSignal): Promise<void> {
  const { clock, notifier } = options;
  const report = new ServiceReport(options);
  while (!signal.aborted) {
    report.turn();
    const tick = report.isReady ? TICK_MS : STARTING_TICK_MS;
    // A sign of life that comes twice as often as it must may come late.
    await clock.sleep(Math.min(tick, (notifier.watchdogMs ?? Infinity) / 4), signal);
  }
}

class ServiceReport {
  readonly #options: ServiceReportOptions;
  #isReady = false;
  #status: string | undefined;
  #fedAt = -Infinity;
  #clocksApart = -Infinity;
  /** Since when nothing is lacking but peers that the kernel refuses. */
  #allButPeersSince: number | undefined;
  #peers: PeerCount = { all: 0, programmed: 0 };
  /** What the count of peers was made of. */
  #countedAt: string | undefined;

  constructor(options: ServiceReportOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  turn(): void {
    const { notifier, facts, options } = this.#options;
    const moment = this.#moment();
    this.#feed(moment.steady);
    this.#count();
    const lack = this.#isReady ? undefined : this.#lack(moment);
    const faults = facts.config?.status.faults ?? [];
    const problems = problemsOf(facts, options, faults, isoAt(moment), moment.wall);
    const status = describeService(facts, lack, this.#peers, problems);
    const news = [
      ...(!this.#isReady && lack === undefined ? ['READY=1'] : []),
      ...(status === this.#status ? [] : [`STATUS=${status}`]),
    ];
    if (news.length === 0 || !notifier.tell(...news)) return;
    this.#isReady ||= lack === undefined;
    this.#status = status;
  }

  /** Of two readings of two clocks no moment comes out twice the same, and a status that says it would never rest. */
  #moment(): Moment {
    const steady = this.#options.clock.now();
    const apart = Date.now() - steady;
    if (Math.abs(apart - this.#clocksApart) > CLOCK_STEP_MS) this.#clocksApart = apart;
    return { wall: steady + this.#clocksApart, steady };
  }

  /** A timer alone would only show that the process turns: a main flow that hangs is starved on purpose. */
  #feed(now: number): void {
    const { notifier, facts } = this.#options;
    if (notifier.watchdogMs === undefined || now - this.#fedAt < notifier.watchdogMs / 2) return;
    if (stallOf(facts, now) === undefined && notifier.tell('WATCHDOG=1')) this.#fedAt = now;
  }

  #lack(moment: Moment): string | undefined {
    const { facts, options } = this.#options;
    const lack = lackOfHost(facts, configKeyOf(options), moment);
    if (lack !== undefined) this.#allButPeersSince = undefined;
    else this.#allButPeersSince ??= moment.steady;
    const { steady } = moment;
    const isPatient = this.#allButPeersSince !== undefined && steady - this.#allButPeersSince < PATIENCE_MS;
    return lack ?? (isPatient ? lackOfPeers(facts) : undefined);
  }

  /**
   * With thousands of peers this costs too much to be done for nothing: only a pass changes what is programmed, and before
   * the first filling is over nobody is ready.
   */
  #count(): void {
    const { facts } = this.#options;
    const made = `${facts.lastPassAt ?? ''} ${facts.overlay?.peers?.accepted.size ?? 0}`;
    if (this.#isReady && made === this.#countedAt) return;
    this.#countedAt = made;
    this.#peers = countPeers(facts);
  }
}

/** The tests of path MTU that are under way: which peer's turn it is, and how far each has come. Synchronous. */
import { PATHS, type ProbedPeer } from './peer.js';
import { isUnsettled } from './path-record.js';
import {
  nextOfMtu,
  type MtuFinding,
  type MtuOutcome,
  type MtuQuestion,
  type MtuResult,
  type MtuStep,
} from './path-mtu.js';
import type { Schedule } from './schedule.js';

/** What was found last, and when on the caller's clock. */
export interface MtuView {
  readonly finding: MtuFinding;
  readonly at: number;
}

/** A path seldom changes its MTU. */
const AGAIN_MS = 300_000;
/** With many peers tests are rarer, so that most of the packets go on being ordinary probes. */
const AGAIN_ROUNDS = 10;
/** At once. */
const MOST_RUNNING = 4;
/** Silence counts after so many packets of one size. */
const TRIES = 3;

interface Running {
  readonly question: MtuQuestion;
  readonly results: MtuResult[];
  step: MtuStep;
  tries: number;
}

export class MtuTests {
  readonly #schedule: Schedule;
  readonly #running = new Map<string, Running>();
  /** Found by silence, which may also be the peer's end: it holds once small packets have been answered after it. */
  readonly #unconfirmed = new Map<string, { readonly view: MtuView; readonly question: MtuQuestion }>();
  /** When a peer was tested last, or began to be. */
  readonly #testedAt = new Map<string, number>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /**
   * A probe of the peer came out: begins a test if one is due, and it is known which small packets are answered.
   * @param hasChanged whether its state has changed by it
   * @returns what has been found, when that is certain only now
   */
  consider(key: string, peer: ProbedPeer, hasChanged: boolean, now: number): MtuView | undefined {
    const unconfirmed = this.#unconfirmed.get(key);
    if (unconfirmed !== undefined) return this.#confirm(key, peer, unconfirmed);
    if (hasChanged) this.#testedAt.delete(key);
    const pause = Math.max(AGAIN_MS, AGAIN_ROUNDS * this.#schedule.roundMs);
    const isDue = now - (this.#testedAt.get(key) ?? -Infinity) >= pause;
    if (!isDue || this.#running.has(key) || this.#running.size >= MOST_RUNNING) return undefined;
    const { target, underlay, overlay } = peer;
    if (PATHS.some(path => peer[path].word === 'untested' || isUnsettled(peer[path]))) return undefined;
    const answers = { underlay: underlay.word === 'answers', overlay: overlay.word === 'answers' };
    const { overlaySize, underlaySize, isTunnel } = target;
    const question = { overlaySize, underlaySize, isTunnel, answers };
    const next = nextOfMtu(question, []);
    if (!('step' in next)) return undefined;
    this.#testedAt.set(key, now);
    this.#running.set(key, { question, results: [], step: next.step, tries: 0 });
    this.#schedule.askSoon({ key, what: 'mtu' });
    return undefined;
  }

  /** What to send in the turn of this peer; undefined when its test has ended. */
  stepOf(key: string): MtuStep | undefined {
    return this.#running.get(key)?.step;
  }

  /** What became of that packet. @returns what has been found, when the test has ended by it and that is certain */
  take(key: string, outcome: MtuOutcome, now: number): MtuView | undefined {
    const running = this.#running.get(key);
    if (running === undefined) return undefined;
    running.tries++;
    if (outcome.kind === 'silent' && running.tries < TRIES) {
      this.#schedule.askSoon({ key, what: 'mtu' });
      return undefined;
    }
    running.results.push({ ...running.step, outcome });
    const next = nextOfMtu(running.question, running.results);
    if ('step' in next) {
      running.step = next.step;
      running.tries = 0;
      this.#schedule.askSoon({ key, what: 'mtu' });
      return undefined;
    }
    this.#running.delete(key);
    const view = { finding: next.finding, at: now };
    if (running.results.every(each => each.outcome.kind !== 'silent')) return view;
    this.#unconfirmed.set(key, { view, question: running.question });
    for (const what of PATHS) this.#schedule.askSoon({ key, what });
    return undefined;
  }

  /** The peer is gone, or cannot be tested now. */
  drop(key: string): void {
    this.#running.delete(key);
    this.#unconfirmed.delete(key);
    this.#testedAt.delete(key);
  }

  #confirm(
    key: string,
    peer: ProbedPeer,
    { view, question }: { readonly view: MtuView; readonly question: MtuQuestion },
  ): MtuView | undefined {
    const records = PATHS.filter(path => question.answers[path]).map(path => peer[path]);
    const isRefuted = records.some(({ streak }) => streak < 0);
    const isConfirmed = records.every(({ answeredAt }) => answeredAt !== undefined && answeredAt > view.at);
    if (isRefuted) this.drop(key);
    else if (isConfirmed) this.#unconfirmed.delete(key);
    return isConfirmed && !isRefuted ? view : undefined;
  }
}

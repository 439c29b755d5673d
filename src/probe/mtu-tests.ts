/** The tests of path MTU that are under way: which peer's turn it is, and how far each has come. Synchronous. */
import type { ProbedPeer } from './engine.js';
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
  /** When a peer was tested last, or began to be. */
  readonly #testedAt = new Map<string, number>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** A probe of the peer came out: begins a test if one is due, and small packets are known to be answered or not. */
  consider(key: string, peer: ProbedPeer, hasChanged: boolean, now: number): void {
    const { target, underlay, overlay } = peer;
    if (hasChanged) this.#testedAt.delete(key);
    const pause = Math.max(AGAIN_MS, AGAIN_ROUNDS * this.#schedule.roundMs);
    const isDue = now - (this.#testedAt.get(key) ?? -Infinity) >= pause;
    if (!isDue || this.#running.has(key) || this.#running.size >= MOST_RUNNING) return;
    if (underlay.word === 'untested' || overlay.word === 'untested') return;
    const answers = { underlay: underlay.streak > 0, overlay: overlay.streak > 0 };
    if (!answers.underlay && !answers.overlay) return;
    const { overlaySize, underlaySize, isTunnel } = target;
    const question = { overlaySize, underlaySize, isTunnel, answers };
    const next = nextOfMtu(question, []);
    if (!('step' in next)) return;
    this.#testedAt.set(key, now);
    this.#running.set(key, { question, results: [], step: next.step, tries: 0 });
    this.#schedule.askSoon({ key, what: 'mtu' });
  }

  /** What to send in the turn of this peer; undefined when its test has ended. */
  stepOf(key: string): MtuStep | undefined {
    return this.#running.get(key)?.step;
  }

  /** What became of that packet. @returns what has been found, when the test has ended by it */
  take(key: string, outcome: MtuOutcome, now: number): MtuView | undefined {
    const running = this.#running.get(key);
    if (running === undefined) return undefined;
    running.tries++;
    if (outcome.kind !== 'silent' || running.tries >= TRIES) {
      running.results.push({ ...running.step, outcome });
      const next = nextOfMtu(running.question, running.results);
      if ('finding' in next) {
        this.#running.delete(key);
        return { finding: next.finding, at: now };
      }
      running.step = next.step;
      running.tries = 0;
    }
    this.#schedule.askSoon({ key, what: 'mtu' });
    return undefined;
  }

  /** The peer is gone, or cannot be tested now. */
  drop(key: string): void {
    this.#running.delete(key);
    this.#testedAt.delete(key);
  }
}

/** Time that only moves when a test says so. */
import { setImmediate as settle } from 'node:timers/promises';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** So many waits that end at one moment are a loop that waits for nothing. */
const MOST_STEPS_AT_ONCE = 5_000;

export class FakeClock {
  /** Milliseconds since the test began. */
  ms = 0;
  readonly #sleepers = new Set<Sleeper>();
  #isStopped = false;

  readonly now = (): number => this.ms;

  /** As the tasks' own sleep: resolves after `ms` of this clock, or when `signal` aborts. */
  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> => {
    return new Promise(resolve => {
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { at: this.ms + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', wake);
      if (signal.aborted) wake();
    });
  };

  /**
   * Lets time pass, sleeper by sleeper, and whatever each of them sets off.
   * @param onStep called whenever the clock has moved
   * @throws Error when somebody waits for nothing, again and again, and once the clock is stopped
   */
  async pass(ms: number, onStep: () => void = () => undefined): Promise<void> {
    const end = this.ms + ms;
    let stepsAtOnce = 0;
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      if (this.#isStopped) throw new Error(`the clock was stopped at ${this.ms} ms`);
      stepsAtOnce = next.at > this.ms ? 0 : stepsAtOnce + 1;
      if (stepsAtOnce > MOST_STEPS_AT_ONCE) throw new Error(`time stands still at ${this.ms} ms`);
      this.ms = Math.max(this.ms, next.at);
      onStep();
      next.wake();
      await settle();
    }
    this.ms = end;
    onStep();
    await settle();
  }

  /** No time passes any more: whoever lets it pass would outlive the test. */
  stop(): void {
    this.#isStopped = true;
  }

  #next(): Sleeper | undefined {
    return [...this.#sleepers].reduce<Sleeper | undefined>(
      (first, each) => (first !== undefined && first.at <= each.at ? first : each),
      undefined,
    );
  }
}

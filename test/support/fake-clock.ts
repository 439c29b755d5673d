/** Time that only moves when a test says so. */
import { setImmediate as settle } from 'node:timers/promises';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock {
  /** Milliseconds since the test began. */
  ms = 0;
  readonly #sleepers = new Set<Sleeper>();

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
   */
  async pass(ms: number, onStep: () => void = () => undefined): Promise<void> {
    const end = this.ms + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.at <= end; next = this.#next()) {
      this.ms = Math.max(this.ms, next.at);
      onStep();
      next.wake();
      await settle();
    }
    this.ms = end;
    onStep();
    await settle();
  }

  #next(): Sleeper | undefined {
    return [...this.#sleepers].reduce<Sleeper | undefined>(
      (first, each) => (first !== undefined && first.at <= each.at ? first : each),
      undefined,
    );
  }
}

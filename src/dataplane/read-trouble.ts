/**
 * Trouble with reading what the kernel holds. Told once when it begins and once when it is over, which only a whole pass
 * proves: that the devices could be read says nothing of the entries.
 */
import type { Logger } from 'pino';
import { Backoff } from './backoff.js';

export class ReadTrouble {
  readonly #log: Logger;
  readonly #backoff = new Backoff();
  #error: string | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** What failed last, or undefined while the kernel can be read. */
  get error(): string | undefined {
    return this.#error;
  }

  /** When to read again, milliseconds; 0 without trouble. */
  get retryAt(): number {
    return this.#backoff.retryAt;
  }

  /** Reading has failed. */
  report(cause: Error, now: number): void {
    if (this.#error === undefined) this.#log.error(`the kernel cannot be read: ${cause.message}`);
    this.#error = cause.message;
    this.#backoff.postpone(now);
  }

  /** All has been read. */
  clear(): void {
    if (this.#error !== undefined) this.#log.info('the kernel can be read again');
    this.#error = undefined;
    this.#backoff.reset();
  }
}

/** How long a change of a lease takes from the moment when etcd told of it to the moment when the kernel has it. */

export class WatchToKernel {
  readonly #onDone: (seconds: number, changes: number) => void;
  /** Changes heard together, and when; in the order of time. */
  #waiting: { readonly at: number; readonly changes: number }[] = [];

  /** @param onDone told of `changes` that took `seconds` each */
  constructor(onDone: (seconds: number, changes: number) => void) {
    this.#onDone = onDone;
  }

  /** @param at milliseconds */
  heard(changes: number, at: number): void {
    if (changes > 0) this.#waiting.push({ at, changes });
  }

  /** A pass over the kernel has ended: what was heard until `wishedUntil` is done. Both in milliseconds. */
  passed(wishedUntil: number, endedAt: number): void {
    const done = this.#waiting.filter(({ at }) => at <= wishedUntil);
    this.#waiting = this.#waiting.filter(({ at }) => at > wishedUntil);
    for (const { at, changes } of done) this.#onDone((endedAt - at) / 1000, changes);
  }
}

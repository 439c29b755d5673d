/** How much may be under way at once, and whose turn it is. */

/** Room for a number of messages. Who wants some waits behind those who came before. */
export class Room {
  readonly #size: number;
  #free: number;
  readonly #waiting: { readonly count: number; readonly enter: () => void }[] = [];

  /** @param size how many messages */
  constructor(size: number) {
    this.#size = size;
    this.#free = size;
  }

  /**
   * Waits until there is room.
   * @param count of messages; no more than the whole room is ever taken
   * @returns gives the room back; to be called once
   */
  async take(count: number): Promise<() => void> {
    const taken = Math.min(count, this.#size);
    if (this.#waiting.length > 0 || taken > this.#free)
      await new Promise<void>(enter => this.#waiting.push({ count: taken, enter }));
    else this.#free -= taken;
    return () => this.#giveBack(taken);
  }

  /** Waits until nothing else is under way, and keeps others out meanwhile. @returns as `take` */
  takeAll(): Promise<() => void> {
    return this.take(this.#size);
  }

  #giveBack(count: number): void {
    this.#free += count;
    // Taken here already, so that nobody who comes before they go on is let in.
    for (
      let first = this.#waiting[0];
      first !== undefined && first.count <= this.#free;
      first = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#free -= first.count;
      first.enter();
    }
  }
}

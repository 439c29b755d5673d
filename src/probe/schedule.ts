/**
 * Whose turn it is: all peers evenly, one packet a slot, never more slots than the rate allows. Pure; the time is an
 * argument, on any clock that never goes back.
 */

/** One packet to one peer. */
export interface Turn {
  readonly key: string;
  /** `mtu`: the next step of finding out how large packets may be. */
  readonly what: 'underlay' | 'overlay' | 'mtu';
}

/** How often a path is probed where few peers leave the rate unused. */
export const ROUND_MS = 10_000;

export class Schedule {
  /** Time between two packets. */
  readonly #gapMs: number;
  /** Everybody's turns in their order; the next one is at `#position`. */
  #ring: readonly Turn[] = [];
  #position = 0;
  /** So many of the next turns are of peers that were never probed: they need not wait for a round. */
  #fresh = 0;
  #roundTurnAt = -Infinity;
  /** Out of turn: what was just lost or has just come back, and then steps of path MTU. */
  readonly #soon = new Map<string, Turn>();
  readonly #later = new Map<string, Turn>();
  #slotAt = -Infinity;
  /** Those out of turn get every other slot at most, so that a mass of them does not keep the others waiting. */
  #wasExtra = false;

  readonly #leastRoundMs: number;

  /**
   * @param rate packets per second, above 0
   * @param leastRoundMs between two probes of one path where few peers leave the rate unused
   */
  constructor(rate: number, leastRoundMs = ROUND_MS) {
    this.#gapMs = 1000 / rate;
    this.#leastRoundMs = leastRoundMs;
  }

  /** Who takes part from now on. Newcomers are next; the others stay in their order. */
  setKeys(keys: ReadonlySet<string>): void {
    const upcoming = [...this.#ring.slice(this.#position), ...this.#ring.slice(0, this.#position)];
    const kept = upcoming.filter(({ key }) => keys.has(key));
    const known = new Set(upcoming.map(({ key }) => key));
    const stillFresh = upcoming.slice(0, this.#fresh).filter(({ key }) => keys.has(key)).length;
    const fresh = [...keys]
      .filter(key => !known.has(key))
      .flatMap((key): Turn[] => [
        { key, what: 'underlay' },
        { key, what: 'overlay' },
      ]);
    // Behind the newcomers of before, whose turn it is already.
    this.#ring = [...kept.slice(0, stillFresh), ...fresh, ...kept.slice(stillFresh)];
    this.#position = 0;
    this.#fresh = stillFresh + fresh.length;
    if (fresh.length > 0) this.#roundTurnAt = -Infinity;
  }

  /** Gives a turn before the round comes to it. */
  askSoon(turn: Turn): void {
    (turn.what === 'mtu' ? this.#later : this.#soon).set(`${turn.key} ${turn.what}`, turn);
  }

  /** Takes the slot of this moment. @returns undefined when there is none yet, or nothing to send */
  next(now: number): Turn | undefined {
    if (now < this.#slotAt) return undefined;
    const isRoundDue = this.#ring.length > 0 && now >= this.#roundTurnAt;
    const turn =
      (isRoundDue && this.#wasExtra ? undefined : this.#takeExtra()) ?? this.#takeRound(isRoundDue, now);
    if (turn !== undefined) this.#slotAt = now + this.#gapMs;
    return turn;
  }

  /** Milliseconds until `next` may give something; Infinity: not before somebody is added. */
  waitMs(now: number): number {
    const hasExtra = this.#soon.size + this.#later.size > 0;
    const at = hasExtra ? this.#slotAt : Math.max(this.#slotAt, this.#roundTurnAt);
    return !hasExtra && this.#ring.length === 0 ? Infinity : Math.max(0, at - now);
  }

  /** How long a round takes: between two probes of one path when nothing happens, milliseconds. */
  get roundMs(): number {
    return Math.max(this.#leastRoundMs, this.#ring.length * this.#gapMs);
  }

  #takeExtra(): Turn | undefined {
    for (const queue of [this.#soon, this.#later]) {
      for (const [name, turn] of queue) {
        queue.delete(name);
        this.#wasExtra = true;
        return turn;
      }
    }
    return undefined;
  }

  #takeRound(isDue: boolean, now: number): Turn | undefined {
    const turn = isDue ? this.#ring[this.#position] : undefined;
    if (turn === undefined) return undefined;
    this.#position = (this.#position + 1) % this.#ring.length;
    this.#fresh = Math.max(0, this.#fresh - 1);
    this.#roundTurnAt = now + (this.#fresh > 0 ? this.#gapMs : this.roundMs / this.#ring.length);
    this.#wasExtra = false;
    return turn;
  }
}

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

/** How often a path is probed where few peers leave the rate unused; also how often a peer in trouble is, if few are. */
export const ROUND_MS = 10_000;
/** A turn that is spared is given once in so many rounds, so that what is known of that path does not grow old. */
const SPARED_ROUNDS = 10;
/** Of so many slots one at most goes to peers in trouble. */
const WATCH_SLOTS = 4;

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
  /** Turns in the ring that need not be taken while the rate is short, by peer, and for how many rounds they were not. */
  readonly #spared = new Map<string, { readonly what: Turn['what']; rounds: number }>();
  /** Peers in trouble, the next to be asked first, and when it is to be. */
  readonly #watched = new Map<string, { readonly turn: Turn; readonly at: number }>();
  #watchTurnAt = -Infinity;
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

  /** These take part as well, and are next: behind the newcomers of before, whose turn it is already. */
  add(keys: readonly string[]): void {
    if (keys.length === 0) return;
    // First the path that tells most.
    const fresh = (['overlay', 'underlay'] as const).flatMap(what =>
      keys.map((key): Turn => ({ key, what })),
    );
    const upcoming = this.#upcoming();
    // Not one by one: there may be ten thousand others.
    this.#ring = upcoming.slice(0, this.#fresh).concat(fresh, upcoming.slice(this.#fresh));
    this.#position = 0;
    this.#fresh += fresh.length;
    this.#roundTurnAt = -Infinity;
  }

  /** These take part no more; the others stay in their order. */
  remove(keys: ReadonlySet<string>): void {
    if (keys.size === 0) return;
    const stays = ({ key }: Turn) => !keys.has(key);
    const upcoming = this.#upcoming();
    this.#fresh = upcoming.slice(0, this.#fresh).filter(stays).length;
    this.#ring = upcoming.filter(stays);
    this.#position = 0;
    for (const map of [this.#spared, this.#watched]) for (const key of keys) map.delete(key);
  }

  /** All turns, the next one first. */
  #upcoming(): readonly Turn[] {
    return this.#ring.slice(this.#position).concat(this.#ring.slice(0, this.#position));
  }

  /** Which path of a peer needs no probes of its own while the rate is short; undefined: none. */
  spare(key: string, what: Turn['what'] | undefined): void {
    if (what === undefined) this.#spared.delete(key);
    // Not all of them in one round.
    else if (this.#spared.get(key)?.what !== what)
      this.#spared.set(key, { what, rounds: this.#spared.size % SPARED_ROUNDS });
  }

  /** Gives a peer this turn every few seconds, also where a round takes long, until `unwatch`. */
  watch(turn: Turn, now: number): void {
    if (!this.#watched.has(turn.key)) this.#watched.set(turn.key, { turn, at: now + this.#leastRoundMs });
  }

  unwatch(key: string): void {
    this.#watched.delete(key);
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
      (isRoundDue && this.#wasExtra ? undefined : this.#takeExtra(now)) ?? this.#takeRound(isRoundDue, now);
    if (turn !== undefined) this.#slotAt = now + this.#gapMs;
    return turn;
  }

  /** Milliseconds until `next` may give something; Infinity: not before somebody is added. */
  waitMs(now: number): number {
    if (this.#ring.length === 0 && !this.#hasExtra()) return Infinity;
    const at = this.#hasExtra() ? -Infinity : Math.min(this.#roundTurnAt, this.#nextWatchAt());
    return Math.max(0, this.#slotAt - now, at - now);
  }

  /** How long a round takes: until every peer has been asked, when nothing happens; milliseconds. */
  get roundMs(): number {
    return Math.max(this.#leastRoundMs, this.#turnsOfRound() * this.#gapMs);
  }

  /** Whether asking every peer on both paths takes longer than a round should. */
  get isRateShort(): boolean {
    return this.#ring.length * this.#gapMs > this.#leastRoundMs;
  }

  #turnsOfRound(): number {
    return this.#ring.length - (this.isRateShort ? this.#spared.size * (1 - 1 / SPARED_ROUNDS) : 0);
  }

  #hasExtra(): boolean {
    return this.#soon.size + this.#later.size > 0;
  }

  #nextWatchAt(): number {
    const [next] = this.isRateShort ? this.#watched.values() : [];
    return next === undefined ? Infinity : Math.max(next.at, this.#watchTurnAt);
  }

  #takeExtra(now: number): Turn | undefined {
    const turn = takeFirst(this.#soon) ?? this.#takeWatched(now) ?? takeFirst(this.#later);
    if (turn !== undefined) this.#wasExtra = true;
    return turn;
  }

  #takeWatched(now: number): Turn | undefined {
    const next = now < this.#nextWatchAt() ? undefined : takeFirst(this.#watched);
    if (next === undefined) return undefined;
    this.watch(next.turn, now);
    this.#watchTurnAt = now + WATCH_SLOTS * this.#gapMs;
    return next.turn;
  }

  #takeRound(isDue: boolean, now: number): Turn | undefined {
    if (!isDue) return undefined;
    let turn = this.#advance();
    // A peer is spared one of its two turns at most, so that this ends.
    while (turn !== undefined && this.#isSpared(turn)) turn = this.#advance();
    this.#roundTurnAt = now + (this.#fresh > 0 ? this.#gapMs : this.roundMs / this.#turnsOfRound());
    this.#wasExtra = false;
    return turn;
  }

  #advance(): Turn | undefined {
    const turn = this.#ring[this.#position];
    this.#position = (this.#position + 1) % this.#ring.length;
    this.#fresh = Math.max(0, this.#fresh - 1);
    return turn;
  }

  #isSpared({ key, what }: Turn): boolean {
    const spared = this.isRateShort ? this.#spared.get(key) : undefined;
    if (spared?.what !== what) return false;
    spared.rounds = (spared.rounds + 1) % SPARED_ROUNDS;
    return spared.rounds !== 0;
  }
}

function takeFirst<T>(queue: Map<string, T>): T | undefined {
  for (const [name, item] of queue) {
    queue.delete(name);
    return item;
  }
  return undefined;
}

/**
 * Announcements of entries that come while the kernel is being filled: nearly all of them tell of what we do ourselves,
 * and to know that of each takes an index of all that is desired, in the moments when ten thousand peers wait for theirs.
 */
import { MalformedMessageError } from './netlink/errors.js';
import type { Message } from './netlink/message.js';

/** How far our own reading of the kernel is. */
export interface Readings {
  /**
   * How many full ones have begun: what was announced before one began is in it, or in the one that must follow where it
   * breaks off.
   */
  readonly begun: number;
  /**
   * The kernel is being read for the first time, and what is missing put in, which may be all of ten thousand peers; or that
   * has been done, and what has to come right after it has not come yet.
   */
  readonly isFilling: boolean;
  /**
   * Devices or addresses have changed, and nothing that is announced of entries counts until a reading begins, which has it:
   * with a device go the entries of ten thousand peers, while what has gone is put back.
   */
  readonly isAhead: boolean;
}

/** More than fifty thousand peers have FDB entries. What is more is not kept, but read. */
const MOST_KEPT = 100_000;

/** How often it is asked whether the kernel has been filled. */
const LOOK_MS = 20;

export class PutOff {
  readonly #readings: () => Readings;
  readonly #hear: (message: Message) => void;
  readonly #onLost: (reason: string) => void;
  #messages: Message[] = [];
  /** The reading in whose course they came. */
  #during = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param hear is given them afterwards, in their order; not those that came before another reading began
   * @param onLost called when one could not be read, or there were too many
   */
  constructor(readings: () => Readings, hear: (message: Message) => void, onLost: (reason: string) => void) {
    this.#readings = readings;
    this.#hear = hear;
    this.#onLost = onLost;
  }

  /**
   * Keeps a message while the kernel is being filled. Hears what was kept before when it is not.
   * @returns whether it is kept
   */
  take(message: Message): boolean {
    const { begun, isFilling } = this.#readings();
    if (begun !== this.#during) this.#messages = [];
    this.#during = begun;
    if (!isFilling) {
      if (this.#messages.length > 0) this.#hearAll();
      return false;
    }
    if (this.#messages.length < MOST_KEPT) this.#messages.push(message);
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#messages = [];
  }

  #look(): void {
    const { begun, isFilling } = this.#readings();
    this.#timer = undefined;
    if (begun !== this.#during) this.#messages = [];
    else if (isFilling) this.#timer = setTimeout(() => this.#look(), LOOK_MS);
    else this.#hearAll();
  }

  #hearAll(): void {
    const messages = this.#messages;
    this.#messages = [];
    if (messages.length === MOST_KEPT) {
      this.#onLost(`more than ${MOST_KEPT} announcements while the kernel was being filled`);
      return;
    }
    try {
      for (const message of messages) this.#hear(message);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.#onLost(error.message);
    }
  }
}

/** What the kernel announces: somebody changed a link, an address, a route, a neighbour or a nexthop. */
import {
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  RTNLGRP_NEXTHOP,
} from './constants.js';
import { MalformedMessageError } from './errors.js';
import { readMessages, wholeMessagesLength, type Message } from './message.js';
import { openSubscription, type Subscription } from './subscription.js';

/**
 * Everything that can change what our entries rest on. No addresses and routes of IPv6: we have no entries of it, and
 * every device that comes up gets its own two seconds later.
 */
export const ALL_GROUPS: readonly number[] = [
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_NEXTHOP,
];

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 5_000;

export interface NotificationListener {
  /** `message.port` is the port of the socket whose request caused it: own changes are told by `NetlinkSocket.port`. */
  onMessage(message: Message): void;
  /**
   * Announcements were lost and are heard again from now on: what was believed of the kernel must be read anew.
   * @param reason for a log line
   */
  onOverflow(reason: string): void;
}

export interface NotificationOptions {
  readonly groups?: readonly number[];
  /** Where announcements come from: a subscription with other options, or a test's own. */
  readonly open?: (groups: readonly number[]) => Subscription;
}

/** A subscription for as long as it is not closed: one that ends by itself is opened again. */
export class NotificationSocket {
  readonly #listener: NotificationListener;
  readonly #groups: readonly number[];
  readonly #open: (groups: readonly number[]) => Subscription;
  #subscription: Subscription | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * Subscribes at once: what happens after the constructor's return is announced.
   * @throws an Error when the kernel refuses the subscription
   */
  constructor(listener: NotificationListener, options: NotificationOptions = {}) {
    this.#listener = listener;
    this.#groups = options.groups ?? ALL_GROUPS;
    this.#open = options.open ?? openSubscription;
    this.#subscribe();
  }

  /** Hears at once what was announced before this call, where that is possible. Not to be called by the listener. */
  catchUp(): void {
    if (!this.#closed) this.#subscription?.catchUp();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#subscription?.close();
  }

  #subscribe(): void {
    const subscription = this.#open(this.#groups);
    this.#subscription = subscription;
    let rest: Uint8Array = new Uint8Array(0);
    subscription.onLost(reason => this.#resume(reason));
    subscription.onData(bytes => {
      this.#pauseMs = FIRST_PAUSE_MS;
      const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      try {
        const whole = wholeMessagesLength(all);
        rest = all.subarray(whole);
        for (const message of readMessages(all.subarray(0, whole))) {
          if (this.#closed) return;
          this.#listener.onMessage(message);
        }
      } catch (error) {
        if (!(error instanceof MalformedMessageError)) throw error;
        subscription.close();
        this.#resume(error.message);
      }
    });
  }

  /** Opens again after a pause that grows while nothing is heard, and only then tells of the loss. */
  #resume(reason: string): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      try {
        this.#subscribe();
      } catch (error) {
        this.#resume(String(error));
        return;
      }
      this.#listener.onOverflow(reason);
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

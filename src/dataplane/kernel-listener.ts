/** Listens to the kernel and calls the reconciler when something of concern was announced. */
import type { Logger } from 'pino';
import { Announcements, UNREAD_NEWS, type News } from './announced.js';
import { concernOf, type Concern, type Interests } from './kernel-watch.js';
import type { DeviceTable } from './kinds/kind.js';
import { LastWord } from './last-word.js';
import { RTM_DELNEIGH, RTM_DELNEXTHOP, RTM_NEWNEIGH, RTM_NEWNEXTHOP } from './netlink/constants.js';
import { MalformedMessageError } from './netlink/errors.js';
import type { Message } from './netlink/message.js';
import { NotificationSocket, type NotificationListener } from './netlink/notifications.js';
import { openSubscription } from './netlink/subscription.js';
import { PutOff, type Readings } from './put-off.js';

/** Notifications come in flocks; what is done about one serves those of this many milliseconds. */
const SETTLE_MS = 20;

/** Of our own device the first says enough: what has gone with it is put back, whatever else is announced. */
const SETTLE_OF_OVERLAY_MS = 5;

/** Announcements of these say `entries` at most, and come in tens of thousands with a device that goes. */
const OF_ENTRIES: ReadonlySet<number> = new Set([RTM_NEWNEIGH, RTM_DELNEIGH, RTM_NEWNEXTHOP, RTM_DELNEXTHOP]);

const WEIGHT: Readonly<Record<Concern, number>> = { entries: 0, overlay: 1, underlay: 2 };

/**
 * Called once for each flock.
 * @param concern the weightiest: `underlay` before `overlay` before `entries`
 * @param news entries that came or went, where they are not too many and no device or address was among it
 */
export type OnConcern = (concern: Concern, news: News) => void;

export interface KernelListenerOptions {
  readonly interests: Interests;
  /** How far the reading of the kernel is by whoever is called. */
  readonly readings: () => Readings;
  /** Devices as last read. */
  readonly devices: () => DeviceTable;
  /** Port of the request socket, whose own changes are no news. */
  readonly ownPort: number;
  readonly log: Logger;
  readonly onConcern: OnConcern;
  /** A test's own subscription. */
  readonly open?: typeof openSubscription;
}

/** A subscription. */
export interface Listening {
  /** Hears at once what was announced before this call, where that is possible. */
  catchUp(): void;
  close(): void;
}

/** Subscribes at once. */
export function listenToKernel(options: KernelListenerOptions): Listening {
  const { interests, readings, devices, ownPort, log, onConcern, open = openSubscription } = options;
  const announcements = new Announcements();
  const underlay = new LastWord(interests.underlay);
  let pending: Concern | undefined;
  let timer: NodeJS.Timeout | undefined;
  let toldAt = Infinity;
  const read = (message: Message) => concernOf(message, interests, devices(), ownPort);
  const takeNews = (): News => announcements.take(devices(), message => read(message) === 'entries');
  const tell = () => {
    const concern = pending!;
    pending = undefined;
    toldAt = Infinity;
    if (concern !== 'entries') {
      announcements.clear();
      onConcern(concern, UNREAD_NEWS);
      return;
    }
    try {
      onConcern(concern, takeNews());
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      onOverflow(error.message);
    }
  };
  const note = (concern: Concern) => {
    if (pending === undefined || WEIGHT[concern] > WEIGHT[pending]) pending = concern;
    const settleMs = pending === 'overlay' ? SETTLE_OF_OVERLAY_MS : SETTLE_MS;
    const now = performance.now();
    if (now + settleMs >= toldAt) return;
    clearTimeout(timer);
    toldAt = now + settleMs;
    timer = setTimeout(tell, settleMs);
  };
  const hear = (message: Message) => {
    if (OF_ENTRIES.has(message.type) && readings().isAhead) return;
    if (pending !== undefined && OF_ENTRIES.has(message.type)) {
      // Also what is as it should be: it may put right what was announced just before.
      if (pending === 'entries') announcements.note(message);
      return;
    }
    const concern = read(message);
    if (concern === 'entries' || pending === 'entries') announcements.note(message);
    // Nothing that the kernel refused a moment ago will it accept for a repetition.
    if (concern !== undefined)
      note(concern === 'underlay' && underlay.repeats(message) ? 'overlay' : concern);
  };
  const onOverflow = (reason: string) => {
    log.info({ reason }, 'kernel notifications were lost: everything is read again');
    note('underlay');
  };
  const putOff = new PutOff(readings, hear, onOverflow);
  const listener: NotificationListener = {
    onMessage: message => {
      // Where the kernel does not leave them out for us.
      if (message.port === ownPort) return;
      if (!OF_ENTRIES.has(message.type) || !putOff.take(message)) hear(message);
    },
    onOverflow,
  };
  const openFiltered = (groups: readonly number[]) => open(groups, { withoutPort: ownPort });
  const socket = new NotificationSocket(listener, { open: openFiltered });
  return {
    catchUp: () => socket.catchUp(),
    close: () => {
      clearTimeout(timer);
      putOff.close();
      socket.close();
    },
  };
}

/** Hears everything that is announced of one device and the permanent IPv4 entries on it. */
import {
  AF_BRIDGE,
  AF_INET,
  NUD_PERMANENT,
  RT_TABLE_MAIN,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
} from '../../src/dataplane/netlink/constants.js';
import { decodeAddress } from '../../src/dataplane/netlink/address.js';
import { decodeLink } from '../../src/dataplane/netlink/link.js';
import type { Message } from '../../src/dataplane/netlink/message.js';
import { decodeNeighbour } from '../../src/dataplane/netlink/neighbour.js';
import { NotificationSocket, type NotificationListener } from '../../src/dataplane/netlink/notifications.js';
import { openSubscription, type Subscription } from '../../src/dataplane/netlink/subscription.js';
import { decodeRoute } from '../../src/dataplane/netlink/route.js';
import { findLibc } from '../../src/libc/libc.js';
import { openPacedSubscription } from './paced-subscription.js';

/** A device of 10,000 peers that goes and comes back is announced 70,000 times, 1 KiB or more each. */
const RECEIVE_BUFFER_BYTES = 256 * 1024 * 1024;

/** RTM_NEWNEXTHOP and RTM_DELNEXTHOP of linux/rtnetlink.h. */
const NEXTHOP_TYPES: readonly number[] = [104, 105];

export interface Heard {
  /** When the first and the last announcement came, milliseconds of `performance.now()`. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** There were more than the receive buffer holds: these moments may be wrong. */
  readonly isIncomplete: boolean;
}

/**
 * What comes is only kept, and read when somebody asks: to read tens of thousands of announcements takes a processor for as long as
 * a repair does.
 */
export interface DeviceWatch {
  /** Since `forget`, when something came last, whatever it is about; undefined when nothing has. */
  readonly arrivedAt: number | undefined;
  /** Since `forget`. Reads all that has come. */
  readonly heard: Heard;
  forget(): void;
  close(): void;
}

/** Listens from the return on. */
export function watchDevice(name: string): DeviceWatch {
  let first: number | undefined;
  let last: number | undefined;
  let isIncomplete = false;
  let arrivedAt: number | undefined;
  let readingOf = 0;
  let unread: { readonly at: number; readonly read: () => void }[] = [];
  const isConcern = concerns(name);
  const listener: NotificationListener = {
    onMessage: message => {
      if (!isConcern(message)) return;
      last = readingOf;
      first ??= last;
    },
    onOverflow: () => {
      isIncomplete = true;
      arrivedAt = performance.now();
      last = arrivedAt;
    },
  };
  const open = (groups: readonly number[]): Subscription => {
    const libc = findLibc();
    const subscription =
      libc === undefined
        ? openSubscription(groups, { receiveBuffer: RECEIVE_BUFFER_BYTES })
        : openPacedSubscription(libc, groups, RECEIVE_BUFFER_BYTES);
    return {
      onData: listen =>
        subscription.onData(bytes => {
          arrivedAt = performance.now();
          unread.push({ at: arrivedAt, read: () => listen(bytes) });
        }),
      onLost: subscription.onLost.bind(subscription),
      catchUp: subscription.catchUp.bind(subscription),
      close: subscription.close.bind(subscription),
    };
  };
  const readAll = () => {
    const all = unread;
    unread = [];
    for (const { at, read } of all) {
      readingOf = at;
      read();
    }
  };
  const socket = new NotificationSocket(listener, { open });
  return {
    get arrivedAt() {
      return arrivedAt;
    },
    get heard() {
      readAll();
      return { first, last, isIncomplete };
    },
    forget: () => {
      readAll();
      first = undefined;
      last = undefined;
      arrivedAt = undefined;
      isIncomplete = false;
    },
    close: () => socket.close(),
  };
}

/** The predicate; it remembers what was last said of the device. */
function concerns(name: string): (message: Message) => boolean {
  let index: number | undefined;
  let state = '';
  return ({ type, body }) => {
    switch (type) {
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        const link = decodeLink(body);
        if (link.name !== name) return false;
        index = link.index;
        // The kernel tells of a device again, a while later, when nothing of this has changed.
        const before = state;
        state = `${type} ${link.mtu} ${link.flags & 1} ${String(link.linkAddress)}`;
        return state !== before;
      }
      case RTM_NEWADDR:
      case RTM_DELADDR: {
        const { family, interfaceIndex } = decodeAddress(body);
        return family === AF_INET && isDevice(interfaceIndex);
      }
      case RTM_NEWROUTE:
      case RTM_DELROUTE: {
        const { family, table, outInterface } = decodeRoute(body);
        return (
          family === AF_INET &&
          table === RT_TABLE_MAIN &&
          (outInterface === undefined || isDevice(outInterface))
        );
      }
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH: {
        const { family, interfaceIndex, state: nud, destination } = decodeNeighbour(body);
        const isEntry = family === AF_INET || (family === AF_BRIDGE && destination !== undefined);
        return isEntry && (type === RTM_DELNEIGH || (nud & NUD_PERMANENT) !== 0) && isDevice(interfaceIndex);
      }
      default:
        return NEXTHOP_TYPES.includes(type);
    }
  };

  /** Before the device was first announced its index is unknown, and nobody else's entries change here. */
  function isDevice(other: number): boolean {
    return index === undefined || other === index;
  }
}

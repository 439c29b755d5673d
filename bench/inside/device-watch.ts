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
import { readMessages, type Message } from '../../src/dataplane/netlink/message.js';
import { decodeNeighbour } from '../../src/dataplane/netlink/neighbour.js';
import { ALL_GROUPS } from '../../src/dataplane/netlink/notifications.js';
import { decodeRoute } from '../../src/dataplane/netlink/route.js';
import { loadLibc } from '../../src/libc/libc.js';
import { openBacklog } from './backlog.js';

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

const NOTHING: Heard = { first: undefined, last: undefined, isIncomplete: false };

export interface DeviceWatch {
  /** Since `forget`, when something came last, whatever it is about; undefined when nothing has. */
  readonly arrivedAt: number | undefined;
  /** Since `forget`. Reads all that has come. */
  readonly heard: Heard;
  forget(): void;
  close(): void;
}

/**
 * Listens from the return on.
 * @throws Error where libc cannot be called
 */
export function watchDevice(name: string): DeviceWatch {
  const backlog = openBacklog(loadLibc(), ALL_GROUPS, RECEIVE_BUFFER_BYTES);
  const isConcern = concerns(name);
  let heard: Heard = NOTHING;
  let readAt: number | undefined;
  const readAll = () => {
    backlog.read(
      (bytes, at) => {
        readAt = at;
        if (readMessages(bytes).some(isConcern)) heard = { ...heard, first: heard.first ?? at, last: at };
      },
      () => (heard = { ...heard, last: performance.now(), isIncomplete: true }),
    );
  };
  return {
    get arrivedAt() {
      return backlog.arrivedAt ?? readAt;
    },
    get heard() {
      readAll();
      return heard;
    },
    forget: () => {
      readAll();
      heard = NOTHING;
      readAt = undefined;
    },
    close: () => backlog.close(),
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

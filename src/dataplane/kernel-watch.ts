/**
 * Which of the kernel's announcements concern us. An announcement only says "look again".
 *
 * Routes vanish without one when a device goes down or loses its last address, or with a nexthop object; so changes of
 * links, addresses and nexthop objects count as much as those of routes.
 */
import { ipFromBytes } from '../address/ip.js';
import { UNKNOWN_MAC } from '../address/mac.js';
import { containsIp, overlaps, type Prefix } from '../address/prefix.js';
import { decodeAddress } from './netlink/address.js';
import {
  AF_BRIDGE,
  AF_INET6,
  RT_TABLE_MAIN,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELNEXTHOP,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWNEXTHOP,
  RTM_NEWROUTE,
} from './netlink/constants.js';
import { decodeLink } from './netlink/link.js';
import type { Message } from './netlink/message.js';
import { decodeNeighbour } from './netlink/neighbour.js';
import { decodeNexthop } from './netlink/nexthop.js';
import { decodeRoute, type Route } from './netlink/route.js';
import { fdb, lostFdb } from './kinds/fdb.js';
import type { DeviceTable } from './kinds/kind.js';
import type { Entry } from './model.js';
import { subnetAddressOf } from './nexthop-id.js';

/** What we care about. */
export interface Interests {
  readonly network: Prefix;
  readonly overlay: ReadonlySet<string>;
  readonly underlay: string;
  /** A device that is not ours and of which the address alone matters, such as Docker's bridge. */
  readonly addressed: string;
  /** Whether an announced entry is there (or gone) because it should be. */
  readonly isExpected: (entry: Entry, isThere: boolean) => boolean;
}

/**
 * What has changed. A device or an address may take entries along. The `underlay`'s may make the kernel accept what it
 * refused; our own, `overlay`, changes with each try of ours as well, also one that fails, and not always by our port. As
 * such counts another VXLAN device that goes, since it may have stood in the way of ours.
 */
export type Concern = 'entries' | 'overlay' | 'underlay';

/**
 * What an announcement means for us.
 * @param ownPort port of our request socket: what we did ourselves is no news
 * @returns undefined when it is none of our business
 * @throws MalformedMessageError
 */
export function concernOf(
  message: Message,
  interests: Interests,
  devices: DeviceTable,
  ownPort: number,
): Concern | undefined {
  if (message.port === ownPort) return undefined;
  const isOverlay = (index: number | undefined) => interests.overlay.has(nameOf(devices, index));
  const isUnderlay = (index: number | undefined) => nameOf(devices, index) === interests.underlay;
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const { name, index, kind } = decodeLink(message.body);
      if (name === interests.underlay || isUnderlay(index)) return 'underlay';
      if (interests.overlay.has(name) || isOverlay(index)) return 'overlay';
      // It may have had the VNI and port that ours needs: these never change but with the device.
      if (message.type === RTM_DELLINK && kind === 'vxlan') return 'overlay';
      // By this name it was not known before; what else happens to it, with every container, is nothing to us.
      return name === interests.addressed && nameOf(devices, index) !== name ? 'entries' : undefined;
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const { interfaceIndex } = decodeAddress(message.body);
      if (isUnderlay(interfaceIndex)) return 'underlay';
      if (isOverlay(interfaceIndex)) return 'overlay';
      return nameOf(devices, interfaceIndex) === interests.addressed ? 'entries' : undefined;
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const read = decodeNeighbour(message.body);
      const { interfaceIndex, family, destination } = read;
      // The kernel looks for neighbours by IPv6 on its own account.
      if (!isOverlay(interfaceIndex) || family === AF_INET6) return undefined;
      if (family !== AF_BRIDGE) {
        // One that we remove goes by the kernel's own hand (net/core/neighbour.c, neigh_cleanup_and_release), so that its
        // port is 0: it is known by being wanted no more, whatever its MAC was.
        if (message.type === RTM_NEWNEIGH || destination === undefined) return 'entries';
        const [device, address] = [nameOf(devices, interfaceIndex), ipFromBytes(destination)];
        const gone = { kind: 'neighbour', device, address, mac: UNKNOWN_MAC } as const;
        return interests.isExpected(gone, false) ? undefined : 'entries';
      }
      // Forwarding entries are announced without the port of who changed them: ours are known by what they say.
      const entry = fdb.decode(message.body, devices);
      if (entry !== undefined)
        return interests.isExpected(entry, message.type === RTM_NEWNEIGH) ? undefined : 'entries';
      // A learning device notes each new sender for itself, which is nothing to us, but for a MAC that we want: there, ours
      // is no more.
      const lost = lostFdb(read, devices);
      return lost === undefined || interests.isExpected(lost, false) ? undefined : 'entries';
    }
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP: {
      // Its routes go with a nexthop object, and are not announced.
      const { id, outInterface } = decodeNexthop(message.body);
      const base = subnetAddressOf(id);
      const isOfNetwork = base !== undefined && containsIp(interests.network, base);
      return isOfNetwork || isOverlay(outInterface) ? 'entries' : undefined;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = decodeRoute(message.body);
      if (route.table !== RT_TABLE_MAIN) return undefined;
      if (isOverlay(route.outInterface) || leadsInto(route, interests.network)) return 'entries';
      // Which gateways the kernel takes for on-link, and which peers we do, follows the underlay's routes that have none
      // themselves, whoever made them: the kernel, DHCP, an admin. Ours there have one.
      return isUnderlay(route.outInterface) && route.gateway === undefined ? 'underlay' : undefined;
    }
    default:
      return undefined;
  }
}

function nameOf(devices: DeviceTable, index: number | undefined): string {
  return (index === undefined ? undefined : devices.nameOf(index)) ?? '';
}

function leadsInto(route: Route, network: Prefix): boolean {
  const address = ipFromBytes(route.destination);
  // The default route contains every network and concerns none.
  if (route.prefixLength === 0) return false;
  return overlaps(network, { family: address.includes(':') ? 6 : 4, address, length: route.prefixLength });
}

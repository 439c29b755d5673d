/** Nexthop objects: the gateway and device of a route, under an id of their own (Linux 5.3). Pure. */
import { familyOf, ipFromBytes, parseIpv4Number } from '../../address/ip.js';
import { containsIp } from '../../address/prefix.js';
import { SELVEDGE_ROUTE_PROTOCOL, type NexthopEntry } from '../model.js';
import {
  AF_INET,
  AF_INET6,
  NHA_GATEWAY,
  NHA_ID,
  RTM_DELNEXTHOP,
  RTM_GETNEXTHOP,
  RTM_NEWNEXTHOP,
  RTNH_F_ONLINK,
} from '../netlink/constants.js';
import {
  decodeNexthop,
  encodeNexthop,
  encodeNexthopDump,
  encodeNexthopSelector,
} from '../netlink/nexthop.js';
import { subnetAddressOf } from '../nexthop-id.js';
import type { Ownership } from '../ownership.js';
import { formatProtocol } from './route-protocol.js';
import { formatEncap } from './encap.js';
import { isIpv4, toWire, type Kind } from './kind.js';

export const nexthop: Kind<NexthopEntry> = {
  name: 'nexthop',
  order: 3,
  key: entry => String(entry.id),
  keyPart: entry => entry.id,
  describe(entry) {
    const words = [`nexthop ${entry.id}`];
    if (entry.special !== undefined) words.push(entry.special);
    if (entry.gateway !== undefined) words.push('via', entry.gateway);
    if (entry.device !== undefined) words.push('dev', entry.device);
    if (entry.onLink) words.push('onlink');
    if (entry.protocol !== SELVEDGE_ROUTE_PROTOCOL) words.push('proto', formatProtocol(entry.protocol));
    if (entry.attributes !== undefined) words.push(entry.attributes);
    return words.join(' ');
  },
  same: (a, b) =>
    a.gateway === b.gateway &&
    a.device === b.device &&
    a.onLink === b.onLink &&
    a.protocol === b.protocol &&
    a.special === b.special &&
    a.attributes === b.attributes,
  isOurs: isOurNexthop,
  exclusive: true,
  putType: RTM_NEWNEXTHOP,
  removeType: RTM_DELNEXTHOP,
  encode(writer, entry, devices) {
    encodeNexthop(writer, {
      family: entry.gateway === undefined || familyOf(entry.gateway) === 4 ? AF_INET : AF_INET6,
      protocol: entry.protocol,
      flags: entry.onLink ? RTNH_F_ONLINK : 0,
      id: entry.id,
      gateway: entry.gateway === undefined ? undefined : toWire(entry.gateway),
      outInterface: entry.device === undefined ? undefined : devices.indexOf(entry.device),
    });
  },
  isModel: entry => isIpv4(entry.gateway),
  rewrite(writer, entry, model) {
    const gateway = entry.gateway === undefined ? undefined : parseIpv4Number(entry.gateway);
    if (gateway === undefined || entry.device !== model.device) return false;
    if (entry.onLink !== model.onLink || entry.protocol !== model.protocol) return false;
    writer.repeatMessage();
    writer.rewriteU32(NHA_ID, entry.id);
    writer.rewriteIpv4(NHA_GATEWAY, gateway);
    return true;
  },
  encodeRemoval: (writer, entry) => encodeNexthopSelector(writer, entry.id),
  // All of the namespace: the kernel heeds a device in the request only with strict checking. Without an overlay device
  // none of ours can be there.
  dumps: overlay => (overlay.length === 0 ? [] : [{ type: RTM_GETNEXTHOP, write: encodeNexthopDump }]),
  decode(body, devices) {
    const read = decodeNexthop(body);
    const device = read.outInterface === undefined ? undefined : devices.nameOf(read.outInterface);
    return {
      kind: 'nexthop',
      id: read.id,
      ...(read.gateway && { gateway: ipFromBytes(read.gateway) }),
      ...(device !== undefined && { device }),
      onLink: (read.flags & RTNH_F_ONLINK) !== 0,
      protocol: read.protocol,
      ...(read.shape !== 'plain' && { special: read.shape }),
      ...(read.encapType !== undefined && { attributes: formatEncap(read.encapType) }),
    };
  },
};

/** As with routes: our protocol, and on our device or leading into our Network, which the id says. */
function isOurNexthop(entry: NexthopEntry, { network, devices }: Ownership): boolean {
  if (entry.protocol !== SELVEDGE_ROUTE_PROTOCOL || entry.special !== undefined) return false;
  const base = subnetAddressOf(entry.id);
  const isOnOverlay = entry.device !== undefined && devices.has(entry.device);
  return isOnOverlay || (base !== undefined && containsIp(network, base));
}

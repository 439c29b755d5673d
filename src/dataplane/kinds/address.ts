/** IPv4 addresses: ours are on overlay devices, and those of Docker's bridge are looked at. Pure. */
import { ipFromBytes, ipToBytes } from '../../address/ip.js';
import { containsPrefix, formatPrefix, makePrefix } from '../../address/prefix.js';
import type { AddressEntry } from '../model.js';
import { decodeAddress, encodeAddress, encodeAddressDump } from '../netlink/address.js';
import {
  AF_INET,
  AF_INET6,
  RT_SCOPE_UNIVERSE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from '../netlink/constants.js';
import type { MessageWriter } from '../netlink/message.js';
import type { DeviceTable, Kind } from './kind.js';

export const address: Kind<AddressEntry> = {
  name: 'address',
  order: 0,
  key: entry => `${entry.device} ${formatPrefix(entry.prefix)}`,
  keyPart: entry => entry.prefix.address,
  describe: entry => `address ${formatPrefix(entry.prefix)} dev ${entry.device}`,
  same: () => true,
  // An admin may have put addresses of other networks on the device; flannel leaves these alone too.
  isOurs: (entry, { devices, network }) => devices.has(entry.device) && containsPrefix(network, entry.prefix),
  exclusive: true,
  putType: RTM_NEWADDR,
  removeType: RTM_DELADDR,
  encode,
  encodeRemoval: encode,
  // A host has one or two.
  isModel: () => false,
  rewrite: () => false,
  // Also where there is no overlay device: Docker's bridge has an address with every backend.
  dumps: () => [{ type: RTM_GETADDR, write: writer => encodeAddressDump(writer, AF_INET) }],
  decode(body, devices) {
    const read = decodeAddress(body);
    const device = devices.nameOf(read.interfaceIndex);
    if (read.local === undefined || device === undefined) return undefined;
    const prefix = makePrefix(ipFromBytes(read.local), read.prefixLength);
    return prefix && { kind: 'address', device, prefix };
  },
};

function encode(writer: MessageWriter, { device, prefix }: AddressEntry, devices: DeviceTable): void {
  encodeAddress(writer, {
    family: prefix.family === 4 ? AF_INET : AF_INET6,
    interfaceIndex: devices.indexOf(device),
    prefixLength: prefix.length,
    scope: RT_SCOPE_UNIVERSE,
    flags: 0,
    local: ipToBytes(prefix.address),
  });
}

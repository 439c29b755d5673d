/** Addresses of a fake kernel. */
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { decodeAddress, type Address } from '../../../src/dataplane/netlink/address.js';
import { flushNeighbours } from './links.js';
import * as fake from './state.js';
import type { Handler } from './state.js';

export const newAddress: Handler = (state, request) => {
  const wanted = decodeAddress(request.body);
  if (fake.linkOf(state, wanted.interfaceIndex) === undefined) return fake.ENODEV;
  const exists = state.addresses.some(item => sameKey(item, wanted));
  if (exists) return fake.has(request, nl.NLM_F_REPLACE) ? 0 : fake.EEXIST;
  const address = { ...wanted, flags: wanted.flags | nl.IFA_F_PERMANENT };
  state.addresses.push(address);
  fake.announceAddress(request, nl.RTM_NEWADDR, address);
  return 0;
};

export const deleteAddress: Handler = (state, request) => {
  const wanted = decodeAddress(request.body);
  if (fake.linkOf(state, wanted.interfaceIndex) === undefined) return fake.ENODEV;
  const [gone] = fake.takeOut(state.addresses, item => sameKey(item, wanted));
  if (gone === undefined) return fake.EADDRNOTAVAIL;
  fake.announceAddress(request, nl.RTM_DELADDR, gone);
  const { family, interfaceIndex } = gone;
  const isLast = !state.addresses.some(
    item => item.family === family && item.interfaceIndex === interfaceIndex,
  );
  if (isLast && family === nl.AF_INET) {
    // Without an IPv4 address the device has no IPv4: routes go without a word, and so do permanent neighbours. A route
    // by a nexthop object stays, and so does that.
    fake.takeOut(
      state.routes,
      route =>
        route.family === family && route.outInterface === interfaceIndex && route.nexthopId === undefined,
    );
    flushNeighbours(state, request, interfaceIndex);
  }
  return 0;
};

function sameKey(a: Address, b: Address): boolean {
  return (
    a.interfaceIndex === b.interfaceIndex &&
    a.prefixLength === b.prefixLength &&
    fake.sameBytes(a.local, b.local)
  );
}

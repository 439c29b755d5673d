/** ARP, NDP and FDB entries of a fake kernel. */
import * as nl from '../../../src/dataplane/netlink/constants.js';
import {
  decodeNeighbour,
  encodeNeighbour,
  type Neighbour,
} from '../../../src/dataplane/netlink/neighbour.js';
import * as fake from './state.js';
import type { Handler, State } from './state.js';

export const newNeighbour: Handler = (state, request) => {
  const wanted = stored(state, decodeNeighbour(request.body));
  const fault = faultOf(state, wanted);
  if (fault !== 0) return fault;
  const existing = find(state, wanted);
  if (existing === undefined) {
    if (!fake.has(request, nl.NLM_F_CREATE)) return fake.ENOENT;
    state.neighbours.push(wanted);
  } else {
    if (fake.has(request, nl.NLM_F_EXCL)) return fake.EEXIST;
    // Without NLM_F_REPLACE the kernel keeps what it has, and says ok. An identical replace is not announced.
    if (!fake.has(request, nl.NLM_F_REPLACE) || fake.same(existing, wanted)) return 0;
    state.neighbours[state.neighbours.indexOf(existing)] = wanted;
  }
  fake.announceNeighbour(request, nl.RTM_NEWNEIGH, wanted);
  return 0;
};

export const deleteNeighbour: Handler = (state, request) => {
  const wanted = decodeNeighbour(request.body);
  if (fake.linkOf(state, wanted.interfaceIndex) === undefined) return fake.ENODEV;
  const existing = find(state, wanted);
  if (existing === undefined) return fake.ENOENT;
  const isFdb = wanted.family === nl.AF_BRIDGE;
  const isOtherVtep =
    wanted.destination !== undefined && !fake.sameBytes(wanted.destination, existing.destination);
  // A VXLAN device whose entry leads elsewhere says ok and keeps it.
  if (isFdb && isOtherVtep) return 0;
  fake.takeOut(state.neighbours, entry => entry === existing);
  fake.announceNeighbour(request, nl.RTM_DELNEIGH, existing);
  return 0;
};

export const getNeighbour: Handler = (state, request) => {
  const wanted = decodeNeighbour(request.body);
  // More than address and device the kernel takes for a mistake (net/core/neighbour.c, neigh_valid_get_req).
  if (wanted.state !== 0 || wanted.type !== 0 || wanted.linkAddress !== undefined) return fake.EINVAL;
  if (fake.linkOf(state, wanted.interfaceIndex) === undefined) return fake.ENODEV;
  const existing = find(state, wanted);
  if (existing === undefined) return fake.ENOENT;
  request.reply(nl.RTM_NEWNEIGH, writer => encodeNeighbour(writer, existing));
  return 0;
};

/** The protocol of an FDB entry is not kept, nor what the device says as well. */
function stored(state: State, entry: Neighbour): Neighbour {
  if (entry.family !== nl.AF_BRIDGE) return { ...entry, type: nl.RTN_UNICAST };
  const kept: { -readonly [K in keyof Neighbour]: Neighbour[K] } = { ...entry };
  delete kept.protocol;
  const vxlan = fake.linkOf(state, entry.interfaceIndex)?.vxlan;
  if (kept.port === vxlan?.port) delete kept.port;
  if (kept.vni === vxlan?.id) delete kept.vni;
  return kept;
}

function faultOf(state: State, entry: Neighbour): number {
  const link = fake.linkOf(state, entry.interfaceIndex);
  if (link === undefined) return fake.ENODEV;
  if (entry.linkAddress?.length !== 6) return fake.EINVAL;
  if (entry.family === nl.AF_BRIDGE) return link.kind === 'vxlan' ? 0 : fake.EOPNOTSUPP;
  return entry.destination === undefined ? fake.EINVAL : 0;
}

function find(state: State, wanted: Neighbour): Neighbour | undefined {
  const key = wanted.family === nl.AF_BRIDGE ? 'linkAddress' : 'destination';
  return state.neighbours.find(
    entry =>
      entry.family === wanted.family &&
      entry.interfaceIndex === wanted.interfaceIndex &&
      fake.sameBytes(entry[key], wanted[key]),
  );
}

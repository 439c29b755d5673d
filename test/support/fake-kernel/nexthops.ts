/** Nexthop objects of a fake kernel: one gateway on one device, no groups. */
import * as nl from '../../../src/dataplane/netlink/constants.js';
import { decodeNexthop, encodeNexthop, type Nexthop } from '../../../src/dataplane/netlink/nexthop.js';
import type { Route } from '../../../src/dataplane/netlink/route.js';
import * as fake from './state.js';
import type { Handler, Request, State } from './state.js';

export const newNexthop: Handler = (state, request) => {
  const wanted = decodeNexthop(request.body);
  const link = fake.linkOf(state, wanted.outInterface);
  if (link === undefined || wanted.gateway === undefined || wanted.id === 0) return fake.EINVAL;
  if (!fake.isUp(link)) return fake.ENETDOWN;
  const existing = find(state, wanted.id);
  if (existing === undefined) {
    if (!fake.has(request, nl.NLM_F_CREATE)) return fake.ENOENT;
    state.nexthops.push(wanted);
  } else {
    if (!fake.has(request, nl.NLM_F_REPLACE)) return fake.EEXIST;
    state.nexthops[state.nexthops.indexOf(existing)] = wanted;
  }
  // An identical replace is announced like any other, and its routes with it.
  announce(request, nl.RTM_NEWNEXTHOP, wanted);
  state.routes = state.routes.map(route => {
    if (route.nexthopId !== wanted.id) return route;
    const moved = byNexthop(route, wanted);
    fake.announceRoute(request, nl.RTM_NEWROUTE, moved);
    return moved;
  });
  return 0;
};

export const deleteNexthop: Handler = (state, request) => {
  const { id } = decodeNexthop(request.body);
  const [gone] = fake.takeNexthops(state, nexthop => nexthop.id === id);
  if (gone === undefined) return fake.ENOENT;
  announce(request, nl.RTM_DELNEXTHOP, gone);
  return 0;
};

export const getNexthop: Handler = (state, request) => {
  const nexthop = find(state, decodeNexthop(request.body).id);
  if (nexthop === undefined) return fake.ENOENT;
  request.reply(nl.RTM_NEWNEXTHOP, writer => encodeNexthop(writer, nexthop));
  return 0;
};

/** The route that a request with a nexthop id means, or why it is refused. */
export function resolveNexthop(state: State, route: Route): Route | number {
  if (route.nexthopId === undefined) return route;
  const nexthop = find(state, route.nexthopId);
  const saysTheWay = route.gateway !== undefined || route.outInterface !== undefined;
  return nexthop === undefined || saysTheWay ? fake.EINVAL : byNexthop(route, nexthop);
}

/** With net.ipv4.nexthop_compat_mode, which is the default, a route is told with the way of its nexthop. */
function byNexthop(route: Route, { gateway, outInterface, flags }: Nexthop): Route {
  return {
    ...route,
    flags,
    ...(gateway && { gateway }),
    ...(outInterface !== undefined && { outInterface }),
  };
}

function find(state: State, id: number): Nexthop | undefined {
  return state.nexthops.find(nexthop => nexthop.id === id);
}

function announce(request: Request, type: number, nexthop: Nexthop): void {
  request.announce(nl.RTNLGRP_NEXTHOP, type, writer => encodeNexthop(writer, nexthop));
}

/** The contract's cases of nexthop objects, and of routes by them. */
import type { Test } from 'tap';
import * as nl from '../../src/dataplane/netlink/constants.js';
import { encodeAddress } from '../../src/dataplane/netlink/address.js';
import type { Message } from '../../src/dataplane/netlink/message.js';
import {
  decodeNexthop,
  encodeNexthop,
  encodeNexthopDump,
  encodeNexthopSelector,
  type Nexthop,
  type NexthopRequest,
} from '../../src/dataplane/netlink/nexthop.js';
import { addressOn, bytes, nexthopOn, plain, routeBy, routeOn } from './netlink-contract-entries.js';
import { CREATE, fails, REPLACE, type ContractHost } from './netlink-contract-host.js';

/** Declares the cases as subtests of `t`. */
export function nexthopContract(t: Test, host: ContractHost): void {
  const { socket, makeDevice, listen, run, dump, change, putRoute, dropRoute, routesOn } = host;

  t.test('a nexthop object is keyed by its id', async t => {
    const device = await makeDevice(t, 4020);
    const nexthop = nexthopOn(device, 402_000, '10.77.20.0');
    await fails(t, 'ENOENT', () => putNexthop(nexthop, nl.NLM_F_REPLACE));
    await putNexthop(nexthop, CREATE);
    await fails(t, 'EEXIST', () => putNexthop(nexthop, CREATE));
    await putNexthop(nexthopOn(device, 402_000, '10.77.21.0'), REPLACE);
    const found = await nexthopsOn(device);
    t.match(found, [{ id: 402_000, protocol: 83, flags: nl.RTNH_F_ONLINK, shape: 'plain' }]);
    t.same(plain(found[0]?.gateway), [10, 77, 21, 0]);
    const [answer] = await run(nl.RTM_GETNEXTHOP, 0, w => encodeNexthopSelector(w, 402_000));
    t.same(plain(decodeNexthop(answer!.body)), plain(found[0]), 'the same by its id');
    await dropNexthop(402_000);
    await fails(t, 'ENOENT', () => dropNexthop(402_000));
    t.same(await nexthopsOn(device), []);
  });

  t.test('an impossible nexthop object is refused', async t => {
    const device = await makeDevice(t, 4021);
    await fails(t, 'EINVAL', () => putNexthop(nexthopOn(99_999, 402_100, '10.77.21.0'), CREATE));
    await change({ index: device, flags: { value: 0, mask: nl.IFF_UP } });
    await fails(t, 'ENETDOWN', () => putNexthop(nexthopOn(device, 402_100, '10.77.21.0'), CREATE));
  });

  t.test('a route by a nexthop object is told with that one’s way', async t => {
    const device = await makeDevice(t, 4022);
    const route = routeBy(402_200, '10.77.22.0');
    await fails(t, 'EINVAL', () => putRoute(route, CREATE));
    await putNexthop(nexthopOn(device, 402_200, '10.77.22.0'), CREATE);
    await fails(t, 'EINVAL', () => putRoute({ ...route, outInterface: device }, CREATE));
    await fails(t, 'EINVAL', () => putRoute({ ...route, gateway: bytes('10.77.22.0') }, CREATE));
    await putRoute(route, CREATE);
    await fails(t, 'EEXIST', () => putRoute(routeOn(device, '10.77.22.0', '10.77.22.0'), CREATE));
    await putNexthop(nexthopOn(device, 402_200, '10.77.23.0'), REPLACE);
    const [found] = await routesOn(device);
    t.match(found, { nexthopId: 402_200, protocol: 83, flags: nl.RTNH_F_ONLINK, outInterface: device });
    t.same(plain(found?.gateway), [10, 77, 23, 0], 'also when that has changed');
  });

  t.test('a route by a nexthop object is removed by its key, not by its way', async t => {
    const device = await makeDevice(t, 4023);
    await putNexthop(nexthopOn(device, 402_300, '10.77.23.0'), CREATE);
    await putRoute(routeBy(402_300, '10.77.23.0'), CREATE);
    const key = { ...routeBy(402_300, '10.77.23.0'), scope: nl.RT_SCOPE_NOWHERE };
    const { nexthopId, ...withoutId } = key;
    const byWay = { ...withoutId, gateway: bytes('10.77.23.0'), outInterface: device };
    await fails(t, 'ESRCH', () => dropRoute(byWay));
    await dropRoute(withoutId);
    t.same(await routesOn(device), []);
    await putRoute(routeBy(402_300, '10.77.23.0'), CREATE);
    await dropRoute({ ...key, nexthopId: nexthopId! });
    await dropNexthop(402_300);
    await fails(t, 'EINVAL', () => dropRoute(key));
    await fails(t, 'ESRCH', () => dropRoute(withoutId));
  });

  t.test('a route is moved to a nexthop object and back by a replace', async t => {
    const device = await makeDevice(t, 4024);
    const classic = routeOn(device, '10.77.24.0', '10.77.24.0');
    await putRoute({ ...classic, protocol: nl.RTPROT_BOOT }, CREATE);
    await putNexthop(nexthopOn(device, 402_400, '10.77.24.0'), CREATE);
    for (const [route, nexthopId] of [
      [routeBy(402_400, '10.77.24.0'), 402_400],
      [classic, undefined],
    ] as const) {
      await putRoute(route, REPLACE);
      const found = await routesOn(device);
      t.equal(found.length, 1);
      t.match(found[0], { protocol: 83, nexthopId });
    }
    await dropNexthop(402_400);
    t.equal((await routesOn(device)).length, 1, 'what does not use it any more stays');
  });

  t.test('a deleted nexthop object takes its routes along, announcing none of them', async t => {
    const device = await makeDevice(t, 4025);
    await putBoth(device, 402_500);
    const heard = await listen(t);
    await dropNexthop(402_500);
    t.same(announced(await heard.untilNow()), [['RTM_DELNEXTHOP', socket.port]]);
    t.same(await routesOn(device), []);
  });

  t.test('a replaced nexthop object is announced even when nothing is new', async t => {
    const device = await makeDevice(t, 4026);
    await putBoth(device, 402_600);
    const heard = await listen(t);
    await putNexthop(nexthopOn(device, 402_600, '10.77.30.0'), REPLACE);
    t.same(announced(await heard.untilNow()), [
      ['RTM_NEWNEXTHOP', socket.port],
      ['RTM_NEWROUTE', socket.port],
    ]);
  });

  t.test('a link that goes down takes its nexthop objects without a word', async t => {
    const device = await makeDevice(t, 4027);
    await putBoth(device, 402_700);
    const heard = await listen(t);
    await change({ index: device, flags: { value: 0, mask: nl.IFF_UP } });
    t.same(announced(await heard.untilNow()), []);
    t.same([await nexthopsOn(device), await routesOn(device)], [[], []]);
    await change({ index: device, flags: { value: nl.IFF_UP, mask: nl.IFF_UP } });
    t.same(await nexthopsOn(device), [], 'what went does not return');
  });

  t.test('routes by nexthop objects outlive the last IPv4 address', async t => {
    const device = await makeDevice(t, 4028);
    await putBoth(device, 402_800);
    await run(nl.RTM_DELADDR, 0, w => encodeAddress(w, addressOn(device, '10.79.28.0', 32)));
    t.same([(await nexthopsOn(device)).length, (await routesOn(device)).length], [1, 1]);
  });

  async function putBoth(device: number, id: number): Promise<void> {
    await putNexthop(nexthopOn(device, id, '10.77.30.0'), CREATE);
    await putRoute(routeBy(id, '10.77.30.0'), CREATE);
  }

  async function putNexthop(nexthop: NexthopRequest, flags: number): Promise<void> {
    await run(nl.RTM_NEWNEXTHOP, flags, w => encodeNexthop(w, nexthop));
  }

  async function dropNexthop(id: number): Promise<void> {
    await run(nl.RTM_DELNEXTHOP, 0, w => encodeNexthopSelector(w, id));
  }

  async function nexthopsOn(device: number): Promise<Nexthop[]> {
    const all = await dump(nl.RTM_GETNEXTHOP, encodeNexthopDump);
    return all.map(m => decodeNexthop(m.body)).filter(nexthop => nexthop.outInterface === device);
  }
}

/** Announcements of nexthop objects and IPv4 routes, with the port that they carry. */
function announced(messages: readonly Message[]): [string, number][] {
  const types: readonly number[] = [nl.RTM_NEWNEXTHOP, nl.RTM_DELNEXTHOP, nl.RTM_NEWROUTE, nl.RTM_DELROUTE];
  return messages
    .filter(({ type, body }) => types.includes(type) && body[0] === nl.AF_INET)
    .map(({ type, port }) => [nl.messageName(type), port]);
}

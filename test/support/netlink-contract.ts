/**
 * What we rely on a kernel to do, as cases that run on the real one and on the fake one alike. Each case makes its own
 * VXLAN device over an underlay that has 192.168.77.1/24, and takes it away.
 */
import type { Test } from 'tap';
import * as nl from '../../src/dataplane/netlink/constants.js';
import { encodeAddress } from '../../src/dataplane/netlink/address.js';
import {
  decodeLink,
  encodeLink,
  encodeLinkDump,
  encodeLinkSelector,
} from '../../src/dataplane/netlink/link.js';
import type { Message } from '../../src/dataplane/netlink/message.js';
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourSelector,
} from '../../src/dataplane/netlink/neighbour.js';
import { decodeRoute, type RouteRequest } from '../../src/dataplane/netlink/route.js';
import { AS_OPERATIONS } from './as-operations.js';
import {
  addressOn,
  arpOn,
  bytes,
  fdbOn,
  MAC_A,
  MAC_B,
  plain,
  routeOn,
  withoutPath,
} from './netlink-contract-entries.js';
import { nexthopContract } from './netlink-contract-nexthops.js';
import { CREATE, fails, openContractHost, REPLACE, type ContractKernel } from './netlink-contract-host.js';

/** Declares the cases as subtests of `t`. */
export function netlinkContract(t: Test, kernel: ContractKernel): void {
  const host = openContractHost(t, kernel);
  const { socket, makeDevice, fill, ours, listen, operation, run, dump, getLink, change } = host;
  const { put, drop, putRoute, dropRoute, lookUp, addressesOn, neighboursOn, fdbOf, routesOn } = host;

  t.test('a VXLAN device has what it was created with', async t => {
    const vxlan = {
      id: 4001,
      link: kernel.underlay,
      local: bytes('192.168.77.1'),
      port: 8472,
      ttl: 7,
      tos: 8,
      learning: false,
      proxy: false,
      rsc: false,
      l2miss: false,
      l3miss: false,
      udpCsum: true,
      udpZeroCsum6Tx: false,
      udpZeroCsum6Rx: false,
      gbp: true,
    } as const;
    const request = { name: 'sv4001', mtu: 1400, linkAddress: MAC_A, vxlan };
    await run(nl.RTM_NEWLINK, CREATE, w => encodeLink(w, request));
    const link = await getLink('sv4001');
    t.match(link, { name: 'sv4001', mtu: 1400, kind: 'vxlan', vxlan: { ...vxlan, local: Object } });
    t.same(plain(link.linkAddress), plain(MAC_A));
    t.same(plain(link.vxlan?.local), [192, 168, 77, 1]);
    t.equal(link.flags & nl.IFF_UP, 0);
    t.same(plain(await getLink(link.index)), plain(link), 'the same by index');
    const dumped = (await dump(nl.RTM_GETLINK, encodeLinkDump)).map(m => decodeLink(m.body));
    t.ok(dumped.some(other => other.index === link.index));
    await fails(t, 'EEXIST', () => run(nl.RTM_NEWLINK, CREATE, w => encodeLink(w, request)));
    await change({ index: link.index, mtu: 1300, flags: { value: nl.IFF_UP, mask: nl.IFF_UP } });
    const after = await getLink(link.index);
    t.equal(after.mtu, 1300);
    t.equal(after.flags & nl.IFF_UP, nl.IFF_UP);
    await run(nl.RTM_DELLINK, 0, w => encodeLinkSelector(w, link.index));
    await fails(t, 'ENODEV', () => getLink('sv4001'));
    await fails(t, 'ENODEV', () => run(nl.RTM_DELLINK, 0, w => encodeLinkSelector(w, link.index)));
  });

  t.test('a VXLAN device is made with the MTU that its underlay leaves, and later refused more', async t => {
    const most = (await getLink(kernel.underlay)).mtu - 50;
    const vxlan = { id: 4031, link: kernel.underlay, local: bytes('192.168.77.1'), port: 8472 };
    const request = { name: 'sv4031', mtu: most + 100, linkAddress: MAC_A, vxlan };
    await run(nl.RTM_NEWLINK, CREATE, w => encodeLink(w, request));
    const { index, mtu } = await getLink('sv4031');
    t.equal(mtu, most, 'without a word');
    const flags = { value: nl.IFF_UP, mask: nl.IFF_UP };
    await fails(t, 'EINVAL', () => change({ index, mtu: most + 1, linkAddress: MAC_B, flags }));
    const after = await getLink(index);
    t.same(plain(after.linkAddress), plain(MAC_B), 'what stands before it is done');
    t.same([after.mtu, after.flags & nl.IFF_UP], [most, 0], 'and what stands after it is not');
    await run(nl.RTM_DELLINK, 0, w => encodeLinkSelector(w, index));
  });

  t.test('an address is added once and deleted once', async t => {
    const device = await makeDevice(t, 4002);
    const address = addressOn(device, '10.77.2.0', 32);
    const add = (): Promise<Message[]> => run(nl.RTM_NEWADDR, CREATE, w => encodeAddress(w, address));
    const remove = (): Promise<Message[]> => run(nl.RTM_DELADDR, 0, w => encodeAddress(w, address));
    await add();
    await fails(t, 'EEXIST', add);
    const [found] = await addressesOn(device);
    t.match(found, { family: nl.AF_INET, prefixLength: 32, scope: nl.RT_SCOPE_UNIVERSE });
    t.same(plain(found?.local), [10, 77, 2, 0]);
    t.notOk(found?.peer);
    await remove();
    await fails(t, 'EADDRNOTAVAIL', remove);
    t.same(await addressesOn(device), []);
    const nowhere = { ...address, interfaceIndex: 99_999 };
    await fails(t, 'ENODEV', () => run(nl.RTM_NEWADDR, CREATE, w => encodeAddress(w, nowhere)));
    await fails(t, 'ENODEV', () => run(nl.RTM_DELADDR, 0, w => encodeAddress(w, nowhere)));
  });

  t.test('a neighbour is keyed by device and address', async t => {
    const device = await makeDevice(t, 4003);
    const one = arpOn(device, '10.77.3.0', MAC_A);
    await put(one, CREATE);
    await put(arpOn(device, '10.77.4.0', MAC_A), CREATE);
    t.equal((await neighboursOn(device)).length, 2, 'two addresses may share a MAC');
    await fails(t, 'EEXIST', () => put(one, CREATE));
    await put({ ...one, linkAddress: MAC_B }, REPLACE);
    const found = (await neighboursOn(device)).find(entry => entry.destination?.[2] === 3);
    t.match(found, { state: nl.NUD_PERMANENT, protocol: 83, type: nl.RTN_UNICAST });
    t.same(plain(found?.linkAddress), plain(MAC_B));
    const ask = (family: number, address: string, index = device) =>
      run(nl.RTM_GETNEIGH, 0, w => encodeNeighbourSelector(w, family, index, bytes(address)));
    const [answer] = await ask(nl.AF_INET, '10.77.3.0');
    t.same(plain(decodeNeighbour(answer!.body)), plain(found), 'the same by its address');
    await drop(one);
    await fails(t, 'ENOENT', () => ask(nl.AF_INET, '10.77.3.0'));
    await fails(t, 'ENODEV', () => ask(nl.AF_INET, '10.77.4.0', 99_999));
    await fails(t, 'ENOENT', () => drop(one));
    await fails(t, 'ENOENT', () => put(one, nl.NLM_F_REPLACE));
    await fails(t, 'ENODEV', () => put({ ...one, interfaceIndex: 99_999 }, CREATE));
    await fails(t, 'ENODEV', () => drop({ ...one, interfaceIndex: 99_999 }));
  });

  t.test('an FDB entry is keyed by device and MAC', async t => {
    const device = await makeDevice(t, 4004);
    const other = await makeDevice(t, 4104);
    const entry = fdbOn(device, MAC_A, '192.168.77.2');
    await put(entry, CREATE);
    await put(fdbOn(other, MAC_A, '192.168.77.9'), CREATE);
    await fails(t, 'EEXIST', () => put(entry, CREATE));
    await put(fdbOn(device, MAC_A, '192.168.77.3'), REPLACE);
    const found = await fdbOf(device);
    t.equal(found.length, 1, 'replaced, and only this device dumped');
    t.match(found[0], { family: nl.AF_BRIDGE, state: nl.NUD_PERMANENT, flags: nl.NTF_SELF });
    t.same(plain(found[0]?.destination), [192, 168, 77, 3]);
    t.equal(found[0]?.protocol, undefined, 'the protocol is not kept');
    await drop(entry);
    t.equal((await fdbOf(device)).length, 1, 'a delete with another VTEP says ok and removes nothing');
    await drop(fdbOn(device, MAC_A));
    t.equal((await fdbOf(device)).length, 0);
    await fails(t, 'ENOENT', () => drop(fdbOn(device, MAC_A)));
    await fails(t, 'ENODEV', () => drop(fdbOn(99_999, MAC_A)));
  });

  t.test('an FDB entry says where it leads elsewhere, until it is replaced', async t => {
    const device = await makeDevice(t, 4015);
    const entry = fdbOn(device, MAC_A, '192.168.77.2');
    await put({ ...entry, port: 8472, vni: 4015 }, CREATE);
    const [same] = await fdbOf(device);
    t.same([same?.port, same?.vni], [undefined, undefined], 'the device’s own are not told');
    await put({ ...entry, port: 1234, vni: 77, viaInterface: kernel.underlay }, REPLACE);
    t.match(await fdbOf(device), [{ port: 1234, vni: 77, viaInterface: kernel.underlay }]);
    await put(entry, REPLACE);
    const [after] = await fdbOf(device);
    t.same([after?.port, after?.vni, after?.viaInterface], [undefined, undefined, undefined]);
    t.same(plain(after?.destination), plain(entry.destination));
  });

  t.test('a route says by which address to send, until it is replaced', async t => {
    const device = await makeDevice(t, 4016);
    const route = routeOn(device, '10.77.16.0', '10.77.16.0');
    await putRoute({ ...route, preferredSource: bytes('192.168.77.1') }, CREATE);
    t.same(plain((await routesOn(device))[0]?.preferredSource), [192, 168, 77, 1]);
    await putRoute(route, REPLACE);
    t.equal((await routesOn(device))[0]?.preferredSource, undefined);
    await putRoute({ ...route, preferredSource: bytes('192.168.77.1') }, REPLACE);
    await dropRoute({ ...withoutPath(route), scope: nl.RT_SCOPE_NOWHERE });
    t.same(await routesOn(device), [], 'and is removed without a word of that');
  });

  t.test('a route is keyed by prefix and metric', async t => {
    const device = await makeDevice(t, 4005);
    const route = routeOn(device, '10.77.5.0', '10.77.5.0');
    await fails(t, 'ENOENT', () => putRoute(route, nl.NLM_F_REPLACE));
    await putRoute(route, CREATE);
    await fails(t, 'EEXIST', () => putRoute(route, CREATE));
    await putRoute({ ...route, gateway: bytes('10.77.6.0') }, REPLACE);
    await putRoute({ ...route, metric: 7 }, CREATE);
    const found = await routesOn(device);
    t.same(found.map(item => item.metric).sort(), [0, 7], 'another metric is another route');
    const changed = found.find(item => item.metric === 0);
    t.match(changed, { table: nl.RT_TABLE_MAIN, protocol: 83, flags: nl.RTNH_F_ONLINK, multipath: false });
    t.same(plain(changed?.gateway), [10, 77, 6, 0]);
    const key = { ...withoutPath(route), scope: nl.RT_SCOPE_NOWHERE };
    await dropRoute({ ...key, metric: 7 });
    await fails(t, 'ESRCH', () => dropRoute({ ...key, protocol: nl.RTPROT_BOOT }));
    await dropRoute({ ...key, protocol: nl.RTPROT_UNSPEC });
    await fails(t, 'ESRCH', () => dropRoute({ ...key, protocol: nl.RTPROT_UNSPEC }));
  });

  t.test('an impossible route is refused', async t => {
    const device = await makeDevice(t, 4006);
    const offLink = { ...routeOn(device, '10.77.6.0', '10.78.0.1'), flags: 0 };
    await fails(t, 'ENETUNREACH', () => putRoute(offLink, CREATE));
    await fails(t, 'EINVAL', () => putRoute(routeOn(device, '10.77.6.1', '10.77.6.1'), CREATE));
    await fails(t, 'ENODEV', () => putRoute(routeOn(99_999, '10.77.6.0', '10.77.6.0'), CREATE));
    await change({ index: device, flags: { value: 0, mask: nl.IFF_UP } });
    await fails(t, 'ENETDOWN', () => putRoute(routeOn(device, '10.77.6.0', '10.77.6.0'), CREATE));
  });

  t.test('IPv6 stores metric 0 as 1024', async t => {
    const device = await makeDevice(t, 4007);
    const prefix = Uint8Array.of(0xfd, 0, 0x77, ...new Array<number>(13).fill(0));
    const route = { ...routeOn(device, '0.0.0.0', '0.0.0.0'), family: nl.AF_INET6, destination: prefix };
    await putRoute({ ...route, prefixLength: 64, gateway: prefix }, CREATE);
    const mine = (await routesOn(device, nl.AF_INET6)).filter(item => item.protocol === 83);
    t.same(
      mine.map(item => item.metric),
      [1024],
    );
  });

  t.test('a batch tells what became of each operation', async t => {
    const device = await makeDevice(t, 4008);
    const operations = Array.from({ length: 900 }, (_, index) => {
      // Every seventh goes to a device that does not exist.
      const target = index % 7 === 3 ? 99_999 : device;
      const entry = arpOn(target, `10.78.${index >> 8}.${index & 255}`, MAC_A);
      return operation(nl.RTM_NEWNEIGH, CREATE, w => encodeNeighbour(w, entry), `entry ${index}`);
    });
    const troubles = await socket.batch(operations, AS_OPERATIONS);
    for (const index of operations.keys()) {
      if (index % 7 !== 3) t.equal(troubles.get(index), undefined);
      else t.match(troubles.get(index), { kind: 'failed', error: { message: `entry ${index}: ENODEV` } });
    }
    t.equal((await neighboursOn(device)).length, operations.length - troubles.size);
    const refused = await socket.batch(operations, AS_OPERATIONS);
    t.ok(
      [...operations.keys()].every(index => refused.get(index)?.kind === 'failed'),
      'a batch may be refused altogether',
    );
  });

  t.test('a look-up tells interface, source and gateway', async t => {
    const near = await lookUp('192.168.77.50');
    t.match(near, { outInterface: kernel.underlay, gateway: undefined });
    t.same(plain(near.preferredSource), [192, 168, 77, 1]);
    const far: RouteRequest = { ...routeOn(kernel.underlay, '10.99.0.0', '192.168.77.254'), flags: 0 };
    await putRoute(far, CREATE);
    const beyond = await lookUp('10.99.0.9');
    t.same(plain(beyond.gateway), [192, 168, 77, 254]);
    await dropRoute(far);
    await fails(t, 'ENETUNREACH', () => lookUp('10.99.0.9'));
  });

  t.test('announcements carry the port of who caused them, FDB entries none', async t => {
    const device = await makeDevice(t, 4010);
    const heard = await listen(t);
    await put(arpOn(device, '10.77.10.0', MAC_A), CREATE);
    await put(arpOn(device, '10.77.10.0', MAC_A), REPLACE);
    await put(fdbOn(device, MAC_A, '192.168.77.2'), CREATE);
    await put(fdbOn(device, MAC_A, '192.168.77.2'), REPLACE);
    await putRoute(routeOn(device, '10.77.10.0', '10.77.10.0'), CREATE);
    await putRoute(routeOn(device, '10.77.10.0', '10.77.10.0'), REPLACE);
    await run(nl.RTM_NEWADDR, CREATE, w => encodeAddress(w, addressOn(device, '10.77.11.0', 32)));
    await change({ index: device, mtu: 1280 });
    const about = (await heard.untilNow()).filter(({ type }) => type !== nl.RTM_NEWLINK);
    t.same(
      about.filter(isNotLocalRoute).map(({ type, port }) => [type, port]),
      [
        [nl.RTM_NEWNEIGH, socket.port],
        [nl.RTM_NEWNEIGH, 0],
        [nl.RTM_NEWROUTE, socket.port],
        [nl.RTM_NEWADDR, socket.port],
      ],
      'an identical replace is not announced',
    );
  });

  t.test('a link that goes down takes its routes without a word, and keeps its FDB', async t => {
    const device = await makeDevice(t, 4011);
    await fill(device);
    const heard = await listen(t);
    await change({ index: device, flags: { value: 0, mask: nl.IFF_UP } });
    t.same(kinds(await heard.untilNow()), ['RTM_DELNEIGH', 'RTM_NEWLINK']);
    t.same(await ours(device), { routes: 0, neighbours: 0, fdb: 1 });
    await change({ index: device, flags: { value: nl.IFF_UP, mask: nl.IFF_UP } });
    t.same(await ours(device), { routes: 0, neighbours: 0, fdb: 1 }, 'what went does not return');
  });

  t.test('writing a MAC, even the same, flushes the permanent neighbours', async t => {
    const device = await makeDevice(t, 4012);
    await fill(device);
    const { linkAddress } = await getLink(device);
    await change({ index: device, linkAddress: linkAddress! });
    t.same(await ours(device), { routes: 1, neighbours: 0, fdb: 1 });
  });

  t.test('the last IPv4 address takes routes and permanent neighbours with it', async t => {
    const device = await makeDevice(t, 4013);
    await fill(device);
    const address = addressOn(device, '10.79.13.0', 32);
    await run(nl.RTM_DELADDR, 0, w => encodeAddress(w, address));
    t.same(await ours(device), { routes: 0, neighbours: 0, fdb: 1 });
  });

  t.test('a deleted link takes all with it, announcing no route', async t => {
    const device = await makeDevice(t, 4014);
    await fill(device);
    const heard = await listen(t);
    await run(nl.RTM_DELLINK, 0, w => encodeLinkSelector(w, device));
    const announced = kinds(await heard.untilNow());
    t.same(announced, ['RTM_DELADDR', 'RTM_DELLINK', 'RTM_DELNEIGH', 'RTM_NEWLINK']);
  });

  nexthopContract(t, host);
}

function kinds(messages: readonly Message[]): string[] {
  const own = messages.filter(message => isNotLocalRoute(message) && isIpv4OrLink(message));
  return [...new Set(own.map(({ type }) => nl.messageName(type)))].sort();
}

/** The kernel's own routes in table local come and go with addresses, and the fake has none. */
function isNotLocalRoute({ type, body }: Message): boolean {
  return (
    (type !== nl.RTM_NEWROUTE && type !== nl.RTM_DELROUTE) || decodeRoute(body).table !== nl.RT_TABLE_LOCAL
  );
}

/** IPv6 configures itself when it likes. */
function isIpv4OrLink({ body }: Message): boolean {
  return body[0] !== nl.AF_INET6;
}

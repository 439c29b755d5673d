/** A kernel that the contract runs on, as its cases ask and change it. */
import type { Test } from 'tap';
import * as nl from '../../src/dataplane/netlink/constants.js';
import {
  decodeAddress,
  encodeAddress,
  encodeAddressDump,
  type Address,
} from '../../src/dataplane/netlink/address.js';
import { NetlinkError } from '../../src/dataplane/netlink/errors.js';
import type { Operation } from '../../src/dataplane/netlink/exchange.js';
import {
  decodeLink,
  encodeLink,
  encodeLinkSelector,
  type Link,
  type LinkRequest,
} from '../../src/dataplane/netlink/link.js';
import type { Message, MessageWriter } from '../../src/dataplane/netlink/message.js';
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourDump,
  type Neighbour,
} from '../../src/dataplane/netlink/neighbour.js';
import { NotificationSocket, type NotificationOptions } from '../../src/dataplane/netlink/notifications.js';
import {
  decodeRoute,
  encodeRoute,
  encodeRouteDump,
  encodeRouteLookup,
  type Route,
  type RouteRequest,
} from '../../src/dataplane/netlink/route.js';
import type { NetlinkSocket } from '../../src/dataplane/netlink/socket.js';
import { addressOn, arpOn, bytes, fdbOn, MAC_A, MAC_B, routeOn } from './netlink-contract-entries.js';

/** A kernel to run the contract on. */
export interface ContractKernel {
  openSocket(): NetlinkSocket;
  readonly openSubscription?: NotificationOptions['open'];
  /** Index of a device that is up and has 192.168.77.1/24. */
  readonly underlay: number;
}

export type ContractHost = ReturnType<typeof openContractHost>;

/** NLM_F_* of what must not exist, and of what may. */
export const CREATE = nl.NLM_F_CREATE | nl.NLM_F_EXCL;
export const REPLACE = nl.NLM_F_CREATE | nl.NLM_F_REPLACE;
const DEADLINE_MS = 60_000;

/** Opens a socket, which the end of `t` closes. */
export function openContractHost(t: Test, kernel: ContractKernel) {
  const socket = kernel.openSocket();
  t.teardown(() => socket.close());
  return {
    socket,
    makeDevice,
    fill,
    ours,
    listen,
    operation,
    run,
    dump,
    getLink,
    change,
    put,
    drop,
    putRoute,
    dropRoute,
    lookUp,
    addressesOn,
    neighboursOn,
    fdbOf,
    routesOn,
  };

  /** Makes a device with an address, up; it goes at the end of the test. @returns its index */
  async function makeDevice(t: Test, vni: number): Promise<number> {
    const name = `sv${vni}`;
    const vxlan = { id: vni, link: kernel.underlay, port: 8472, learning: false };
    await run(nl.RTM_NEWLINK, CREATE, w => encodeLink(w, { name, vxlan }));
    const { index } = await getLink(name);
    t.teardown(async () => {
      await socket
        .request(operation(nl.RTM_DELLINK, 0, w => encodeLinkSelector(w, index)))
        .catch(() => undefined);
    });
    await change({ index, flags: { value: nl.IFF_UP, mask: nl.IFF_UP } });
    if (vni !== 4002) {
      const address = addressOn(index, `10.79.${vni % 100}.0`, 32);
      await run(nl.RTM_NEWADDR, CREATE, w => encodeAddress(w, address));
    }
    return index;
  }

  /** One entry of each kind. */
  async function fill(device: number): Promise<void> {
    await put(fdbOn(device, MAC_A, '192.168.77.2'), CREATE);
    await put(arpOn(device, '10.77.20.0', MAC_A), CREATE);
    await putRoute(routeOn(device, '10.77.20.0', '10.77.20.0'), CREATE);
    await getLink(device);
  }

  async function ours(device: number): Promise<{ routes: number; neighbours: number; fdb: number }> {
    return {
      routes: (await routesOn(device)).length,
      neighbours: (await neighboursOn(device)).length,
      fdb: (await fdbOf(device)).length,
    };
  }

  /** Listens until a mark of our own is heard, after which nothing of before can follow. */
  async function listen(t: Test): Promise<{ untilNow(): Promise<Message[]> }> {
    const messages: Message[] = [];
    const listener = {
      onMessage: (message: Message) => messages.push(message),
      onOverflow: (reason: string) => t.fail(reason),
    };
    const { openSubscription } = kernel;
    const notifications = new NotificationSocket(listener, openSubscription && { open: openSubscription });
    t.teardown(() => notifications.close());
    const mark = arpOn(kernel.underlay, '192.168.77.77', MAC_B);
    return {
      untilNow: async () => {
        await put(mark, CREATE);
        await drop(mark);
        await poll(() => messages.some(message => isMark(message, nl.RTM_DELNEIGH)));
        return messages.filter(message => !isMark(message));
      },
    };
  }

  function operation(
    type: number,
    flags: number,
    write: (writer: MessageWriter) => void,
    subject = 'contract',
  ): Operation {
    return { type, flags, write, describe: () => subject };
  }

  function run(type: number, flags: number, write: (writer: MessageWriter) => void): Promise<Message[]> {
    return socket.request(operation(type, flags, write));
  }

  function dump(type: number, write: (writer: MessageWriter) => void): Promise<Message[]> {
    return socket.dump(operation(type, 0, write));
  }

  async function getLink(device: number | string): Promise<Link> {
    const [answer] = await run(nl.RTM_GETLINK, 0, w => encodeLinkSelector(w, device));
    return decodeLink(answer!.body);
  }

  async function change(request: LinkRequest): Promise<void> {
    await run(nl.RTM_NEWLINK, 0, w => encodeLink(w, request));
  }

  async function put(entry: Neighbour, flags: number): Promise<void> {
    await run(nl.RTM_NEWNEIGH, flags, w => encodeNeighbour(w, entry));
  }

  async function drop(entry: Neighbour): Promise<void> {
    await run(nl.RTM_DELNEIGH, 0, w => encodeNeighbour(w, entry));
  }

  async function putRoute(route: RouteRequest, flags: number): Promise<void> {
    await run(nl.RTM_NEWROUTE, flags, w => encodeRoute(w, route));
  }

  async function dropRoute(route: RouteRequest): Promise<void> {
    await run(nl.RTM_DELROUTE, 0, w => encodeRoute(w, route));
  }

  async function lookUp(address: string): Promise<Route> {
    const [answer] = await run(nl.RTM_GETROUTE, 0, w => encodeRouteLookup(w, nl.AF_INET, bytes(address)));
    return decodeRoute(answer!.body);
  }

  async function addressesOn(device: number): Promise<Address[]> {
    const all = await dump(nl.RTM_GETADDR, w => encodeAddressDump(w, nl.AF_INET));
    return all.map(m => decodeAddress(m.body)).filter(address => address.interfaceIndex === device);
  }

  /** Permanent ones: the kernel adds some for multicast. */
  async function neighboursOn(device: number): Promise<Neighbour[]> {
    const all = await dump(nl.RTM_GETNEIGH, w => encodeNeighbourDump(w, nl.AF_INET, device));
    return all.map(m => decodeNeighbour(m.body)).filter(entry => entry.state === nl.NUD_PERMANENT);
  }

  async function fdbOf(device: number): Promise<Neighbour[]> {
    const all = await dump(nl.RTM_GETNEIGH, w => encodeNeighbourDump(w, nl.AF_BRIDGE, device));
    return all.map(m => decodeNeighbour(m.body));
  }

  async function routesOn(device: number, family: number = nl.AF_INET): Promise<Route[]> {
    const all = await dump(nl.RTM_GETROUTE, w => encodeRouteDump(w, family));
    return all
      .map(m => decodeRoute(m.body))
      .filter(route => route.table === nl.RT_TABLE_MAIN && route.outInterface === device);
  }
}

/** Whether an action is refused with the kernel's error name. */
export async function fails(t: Test, code: string, act: () => Promise<unknown>): Promise<void> {
  const error: unknown = await act().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.ok(error instanceof NetlinkError && error.code === code, `refused with ${code}`, { found: error });
}

function isMark({ type, body }: Message, wanted?: number): boolean {
  if (type !== nl.RTM_NEWNEIGH && type !== nl.RTM_DELNEIGH) return false;
  if (wanted !== undefined && type !== wanted) return false;
  return decodeNeighbour(body).destination?.join('.') === '192.168.77.77';
}

async function poll(done: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!done()) {
    if (Date.now() > deadline) throw new Error('deadline');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

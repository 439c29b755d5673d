/**
 * A kernel for tests that need no root: it speaks the same bytes behind the same interface as the real one. What it
 * answers is held to the real kernel's answers by the contract in netlink-contract.ts.
 */
import { endianness } from 'node:os';
import * as nl from '../../src/dataplane/netlink/constants.js';
import { encodeAddress } from '../../src/dataplane/netlink/address.js';
import { MalformedMessageError } from '../../src/dataplane/netlink/errors.js';
import { decodeLink, type Link } from '../../src/dataplane/netlink/link.js';
import { MessageWriter, readMessages, type Message } from '../../src/dataplane/netlink/message.js';
import { decodeNeighbour, encodeNeighbour } from '../../src/dataplane/netlink/neighbour.js';
import { encodeNexthop } from '../../src/dataplane/netlink/nexthop.js';
import { encodeRoute } from '../../src/dataplane/netlink/route.js';
import type { Subscription } from '../../src/dataplane/netlink/subscription.js';
import type { Transport } from '../../src/dataplane/netlink/transport.js';
import { deleteAddress, newAddress } from './fake-kernel/addresses.js';
import { deleteLink, getLink, newLink } from './fake-kernel/links.js';
import { deleteNeighbour, getNeighbour, newNeighbour } from './fake-kernel/neighbours.js';
import { deleteNexthop, getNexthop, newNexthop } from './fake-kernel/nexthops.js';
import { deleteRoute, lookUpRoute, newRoute } from './fake-kernel/routes.js';
import {
  EINVAL,
  EOPNOTSUPP,
  writeLink,
  type Handler,
  type Request,
  type State,
} from './fake-kernel/state.js';

const HANDLERS = new Map<number, Handler>([
  [nl.RTM_NEWLINK, newLink],
  [nl.RTM_DELLINK, deleteLink],
  [nl.RTM_GETLINK, getLink],
  [nl.RTM_NEWADDR, newAddress],
  [nl.RTM_DELADDR, deleteAddress],
  [nl.RTM_NEWROUTE, newRoute],
  [nl.RTM_DELROUTE, deleteRoute],
  [nl.RTM_GETROUTE, lookUpRoute],
  [nl.RTM_NEWNEIGH, newNeighbour],
  [nl.RTM_DELNEIGH, deleteNeighbour],
  [nl.RTM_GETNEIGH, getNeighbour],
  [nl.RTM_NEWNEXTHOP, newNexthop],
  [nl.RTM_DELNEXTHOP, deleteNexthop],
  [nl.RTM_GETNEXTHOP, getNexthop],
]);

interface Subscriber {
  readonly groups: readonly number[];
  onData: (bytes: Uint8Array) => void;
  onLost: (reason: string) => void;
}

/** What a device of a test's making is like; the rest is as a veth's. */
export type FakeLink = Pick<Link, 'name'> & Partial<Link>;

/** Hands out transports and subscriptions to one set of tables, which a test may read and change by hand. */
export class FakeKernel {
  readonly state: State = {
    links: [],
    addresses: [],
    routes: [],
    nexthops: [],
    neighbours: [],
    nextIndex: 1,
  };
  readonly #subscribers = new Set<Subscriber>();
  #nextPort = 1000;

  /** Puts a device there, up unless `flags` says otherwise. @returns its index */
  addLink(link: FakeLink): number {
    const index = link.index ?? this.state.nextIndex++;
    this.state.links.push({
      flags: nl.IFF_UP | nl.IFF_RUNNING | nl.IFF_LOWER_UP,
      mtu: 1500,
      operState: nl.IF_OPER_UP,
      carrier: true,
      linkAddress: Uint8Array.of(2, 0, 0, 0, 1, index),
      ...link,
      index,
    });
    return index;
  }

  /** Carries out a request as another process would: announced with a port that is nobody's here. */
  act(type: number, flags: number, write: (writer: MessageWriter) => void): number {
    const [message] = readMessages(encode(type, flags | nl.NLM_F_REQUEST, 1, 0, write));
    return this.#run(message!, 999, () => undefined);
  }

  /** A socket for requests, as `openTransport` gives. */
  openTransport(): Transport {
    const port = this.#nextPort++;
    let deliver: (bytes: Uint8Array, sender: number) => void = () => undefined;
    let closed = false;
    return {
      port,
      answerCapacity: 200,
      send: (bytes, callback) => {
        const answers: Uint8Array[] = [];
        this.#receive(bytes, port, answer => answers.push(answer));
        setImmediate(() => {
          if (closed) return;
          callback();
          for (const answer of answers) deliver(answer, 0);
        });
      },
      onMessage: listener => {
        deliver = listener;
      },
      onError: () => undefined,
      close: () => {
        closed = true;
      },
    };
  }

  /** Announcements, as `openSubscription` gives. */
  readonly openSubscription = (groups: readonly number[]): Subscription => {
    const subscriber: Subscriber = { groups, onData: () => undefined, onLost: () => undefined };
    this.#subscribers.add(subscriber);
    return {
      onData: listener => {
        subscriber.onData = listener;
      },
      onLost: listener => {
        subscriber.onLost = listener;
      },
      catchUp: () => undefined,
      close: () => void this.#subscribers.delete(subscriber),
    };
  };

  /** Loses the announcements of everyone who listens. */
  overflow(): void {
    for (const subscriber of this.#subscribers) {
      this.#subscribers.delete(subscriber);
      setImmediate(() => subscriber.onLost('overflow'));
    }
  }

  /** One datagram: every message is carried out, and answered where it failed or asks for it. */
  #receive(bytes: Uint8Array, port: number, answer: (bytes: Uint8Array) => void): void {
    for (const message of readMessages(bytes)) {
      if ((message.flags & nl.NLM_F_REQUEST) === 0) continue;
      if ((message.flags & nl.NLM_F_DUMP) === nl.NLM_F_DUMP && (message.type & 3) === 2) {
        this.#dump(message, port, answer);
        continue;
      }
      const errno = this.#run(message, port, answer);
      if (errno !== 0 || (message.flags & nl.NLM_F_ACK) !== 0) answer(encodeError(message, port, errno));
    }
  }

  #run(message: Message, port: number, answer: (bytes: Uint8Array) => void): number {
    const request: Request = {
      type: message.type,
      flags: message.flags,
      body: Uint8Array.from(message.body),
      announce: (group, type, write, own = true) =>
        this.#announce(group, encode(type, 0, own ? message.sequence : 0, own ? port : 0, write)),
      reply: (type, write) => answer(encode(type, 0, message.sequence, port, write)),
    };
    try {
      return HANDLERS.get(message.type)?.(this.state, request) ?? EOPNOTSUPP;
    } catch (error) {
      if (error instanceof MalformedMessageError) return EINVAL;
      throw error;
    }
  }

  #announce(group: number, bytes: Uint8Array): void {
    for (const subscriber of this.#subscribers) {
      if (subscriber.groups.includes(group)) setImmediate(() => subscriber.onData(bytes));
    }
  }

  #dump(message: Message, port: number, answer: (bytes: Uint8Array) => void): void {
    for (const [type, write] of this.#entriesFor(message)) {
      answer(encode(type, nl.NLM_F_MULTI, message.sequence, port, write));
    }
    answer(encode(nl.NLMSG_DONE, nl.NLM_F_MULTI, message.sequence, port, writer => writer.u32(0)));
  }

  #entriesFor({ type, body }: Message): [number, (writer: MessageWriter) => void][] {
    const { links, addresses, routes, nexthops, neighbours } = this.state;
    const ofFamily = (entry: { family: number }): boolean => body[0] === 0 || entry.family === body[0];
    const row = (entryType: number, write: (writer: MessageWriter) => void): [number, typeof write] => [
      entryType,
      write,
    ];
    switch (type) {
      case nl.RTM_GETLINK:
        return links.map(link => row(nl.RTM_NEWLINK, writer => writeLink(writer, link)));
      case nl.RTM_GETADDR:
        return addresses
          .filter(ofFamily)
          .map(item => row(nl.RTM_NEWADDR, writer => encodeAddress(writer, item)));
      case nl.RTM_GETROUTE:
        return routes.filter(ofFamily).map(item => row(nl.RTM_NEWROUTE, writer => encodeRoute(writer, item)));
      case nl.RTM_GETNEXTHOP:
        return nexthops.map(item => row(nl.RTM_NEWNEXTHOP, writer => encodeNexthop(writer, item)));
      case nl.RTM_GETNEIGH:
        return neighbours
          .filter(item => ofFamily(item) && item.interfaceIndex === dumpedInterface(body))
          .map(item => row(nl.RTM_NEWNEIGH, writer => encodeNeighbour(writer, item)));
      default:
        return [];
    }
  }
}

/** The device that a neighbour dump is about: ifi_index for AF_BRIDGE, else NDA_IFINDEX. */
function dumpedInterface(body: Uint8Array): number | undefined {
  return body[0] === nl.AF_BRIDGE ? decodeLink(body).index : decodeNeighbour(body).viaInterface;
}

/** NLMSG_ERROR: the code, then the header of the message that it answers. */
function encodeError(message: Message, port: number, errno: number): Uint8Array {
  return encode(nl.NLMSG_ERROR, 0, message.sequence, port, writer => {
    writer.u32(-errno >>> 0);
    writer.u32(nl.NLMSG_HEADER_BYTES + message.body.length);
    writer.u16(message.type);
    writer.u16(message.flags);
    writer.u32(message.sequence);
    writer.u32(message.port);
  });
}

/** One message in bytes of its own, with the port that only kernels fill in. */
export function encode(
  type: number,
  flags: number,
  sequence: number,
  port: number,
  write: (writer: MessageWriter) => void,
): Uint8Array {
  const writer = new MessageWriter();
  writer.beginMessage(type, flags, sequence);
  write(writer);
  writer.endMessage();
  const bytes = Uint8Array.from(writer.bytes());
  new DataView(bytes.buffer).setUint32(12, port, endianness() === 'LE');
  return bytes;
}

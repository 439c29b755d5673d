/** What the kernel says of single entries as they come and go, of announcements that came together. Pure. */
import { ipFromBytes } from '../address/ip.js';
import { UNKNOWN_MAC } from '../address/mac.js';
import { lostFdb } from './kinds/fdb.js';
import { isOurs, keyOf, kindOf, KINDS, sameEntry } from './kinds/index.js';
import type { DeviceTable } from './kinds/kind.js';
import { entryOf, keyOfOp, type Op } from './diff.js';
import type { Losses } from './known-losses.js';
import type { Entry, NeighbourEntry, RouteEntry } from './model.js';
import { AF_BRIDGE, RTM_DELNEIGH, RTM_NEWNEIGH } from './netlink/constants.js';
import type { Message } from './netlink/message.js';
import { decodeNeighbour, type Neighbour } from './netlink/neighbour.js';
import type { Ownership } from './ownership.js';

/** An entry that is there or gone. */
export interface Announced {
  readonly entry: Entry;
  readonly isThere: boolean;
}

/** What was announced in one flock. */
export interface News {
  /** By `keyOf`, the last word on each. */
  readonly entries: ReadonlyMap<string, Announced>;
  /** That was all of it, so that nothing has to be read to know the rest. */
  readonly isAll: boolean;
}

export const NO_NEWS: News = { entries: new Map(), isAll: true };

/** What was not read one by one, so that everything has to be read. */
export const UNREAD_NEWS: News = { entries: new Map(), isAll: false };

/** Of more than these, to note them takes longer than to read everything. */
const MOST_ANNOUNCED = 20_000;

/**
 * Gathers announcements of entries. They are read when they are asked for: with a device, tens of thousands go that nobody
 * asks for then.
 */
export class Announcements {
  #messages: Message[] = [];

  note(message: Message): void {
    if (this.#messages.length <= MOST_ANNOUNCED) this.#messages.push(message);
  }

  /** Those that were noted since the last time are of no interest. */
  clear(): void {
    this.#messages = [];
  }

  /**
   * What was noted since the last time, the last word on each entry; nothing when it was too much.
   * @param isOfConcern whether a message matters that does not tell of an entry such as ours
   * @throws MalformedMessageError
   */
  take(devices: DeviceTable, isOfConcern: (message: Message) => boolean): News {
    const messages = this.#messages;
    this.#messages = [];
    if (messages.length > MOST_ANNOUNCED) return UNREAD_NEWS;
    const entries = new Map<string, Announced>();
    let isAll = true;
    for (const message of messages) {
      const announced = readAnnounced(message, devices);
      if (announced !== undefined) entries.set(keyOf(announced.entry), announced);
      else if (isOfConcern(message)) isAll = false;
    }
    return { entries, isAll };
  }
}

/** What puts right what was announced. */
export interface Remedy extends Losses {
  readonly ways: readonly Op[];
  readonly routes: readonly Op[];
  /** After it nothing of what was announced is amiss, as far as that can be said without reading. */
  readonly isWhole: boolean;
}

/**
 * What puts right what was announced, where that alone says what is wrong.
 *
 * What is gone is made anew, exclusively where its key may be somebody else's: another may stand there still. What says
 * something else and is ours by its marks, or because it is on our own device, is replaced; what is not ours stays, and
 * whether what nobody wants may go is found out by a reading. No route is made by a nexthop object that is not ours.
 * @param announced by `keyOf`
 * @param wanted all desired entries by `keyOf`
 */
export function opsAgainst(
  announced: ReadonlyMap<string, Announced>,
  wanted: ReadonlyMap<string, Entry>,
  ownership: Ownership,
): Remedy {
  const ops: Op[] = [];
  const taken = new Set<number | undefined>();
  let isWhole = true;
  for (const [key, { entry: held, isThere }] of announced) {
    const entry = wanted.get(key);
    if (entry === undefined) isWhole &&= !isThere;
    else if (!isThere) ops.push({ kind: 'create', entry });
    else if (sameEntry(entry, held)) continue;
    else if (isOurs(held, ownership)) ops.push({ kind: 'replace', entry, held });
    else {
      isWhole = false;
      if (held.kind === 'nexthop') taken.add(held.id);
    }
  }
  const isRoute = (op: Op) => entryOf(op).kind === 'route';
  const isSafe = (op: Op) => !taken.has((entryOf(op) as RouteEntry).nexthopId);
  return {
    ways: inOrder(ops.filter(op => !isRoute(op))),
    routes: [...ops.filter(isRoute).filter(isSafe), ...routesOf(ops, wanted)],
    isWhole,
  };
}

/** A nexthop object takes its routes along, and they are not announced. */
function routesOf(ops: readonly Op[], wanted: ReadonlyMap<string, Entry>): readonly Op[] {
  const ids = new Set(
    ops.flatMap(op => (op.kind === 'create' && op.entry.kind === 'nexthop' ? op.entry.id : [])),
  );
  if (ids.size === 0) return [];
  const known = new Set(ops.map(keyOfOp));
  const isLost = (entry: Entry) =>
    entry.kind === 'route' && entry.nexthopId !== undefined && ids.has(entry.nexthopId);
  return [...wanted.values()]
    .filter(entry => isLost(entry) && !known.has(keyOf(entry)))
    .map(entry => ({ kind: 'create', entry }));
}

function inOrder(ops: readonly Op[]): readonly Op[] {
  return ops.toSorted((a, b) => kindOf(entryOf(a)).order - kindOf(entryOf(b)).order);
}

function readAnnounced({ type, body }: Message, devices: DeviceTable): Announced | undefined {
  // Of what is gone, no more than the key matters.
  if (type === RTM_DELNEIGH) return readLostNeighbour(body, devices);
  for (const kind of KINDS) {
    if (type !== kind.putType && type !== kind.removeType) continue;
    const entry = kind.decode(body, devices);
    if (entry !== undefined) return { entry, isThere: type === kind.putType };
  }
  return type === RTM_NEWNEIGH ? readLostNeighbour(body, devices) : undefined;
}

/** A neighbour or FDB entry that is gone, or no longer permanent, is announced with whatever it says in the end. */
function readLostNeighbour(body: Uint8Array, devices: DeviceTable): Announced | undefined {
  const read = decodeNeighbour(body);
  const entry = read.family === AF_BRIDGE ? lostFdb(read, devices) : lostNeighbour(read, devices);
  return entry && { entry, isThere: false };
}

function lostNeighbour(
  { interfaceIndex, destination }: Neighbour,
  devices: DeviceTable,
): NeighbourEntry | undefined {
  const device = devices.nameOf(interfaceIndex);
  if (device === undefined || destination === undefined) return undefined;
  return { kind: 'neighbour', device, address: ipFromBytes(destination), mac: UNKNOWN_MAC };
}

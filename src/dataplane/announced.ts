/** What the kernel says of single entries as they come and go, of announcements that came together. Pure. */
import { ipFromBytes } from '../address/ip.js';
import { UNKNOWN_MAC } from '../address/mac.js';
import { lostFdb } from './kinds/fdb.js';
import { isOurs, keyOf, kindOf, KINDS, sameEntry } from './kinds/index.js';
import type { DeviceTable } from './kinds/kind.js';
import { entryOf, keyOfOp, type Op } from './diff.js';
import type { Losses } from './known-losses.js';
import type { Entry, NeighbourEntry } from './model.js';
import { AF_BRIDGE, RTM_DELNEIGH, RTM_NEWNEIGH } from './netlink/constants.js';
import type { Message } from './netlink/message.js';
import { decodeNeighbour, type Neighbour } from './netlink/neighbour.js';
import type { Ownership } from './ownership.js';

/** An entry that is there or gone, by the last word on its key. */
export interface Announced {
  readonly entry: Entry;
  readonly isThere: boolean;
}

/** Of more than these something larger has happened, and to read everything takes no longer than to put them back. */
const MOST_ANNOUNCED = 100;

/** Gathers announcements of entries. */
export class Announcements {
  #byKey = new Map<string, Announced>();

  /** @throws MalformedMessageError */
  note(message: Message, devices: DeviceTable): void {
    if (this.#byKey.size > MOST_ANNOUNCED) return;
    const announced = readAnnounced(message, devices);
    if (announced !== undefined) this.#byKey.set(keyOf(announced.entry), announced);
  }

  /** What was noted since the last time; nothing when it was too much. */
  take(): readonly Announced[] {
    const all = [...this.#byKey.values()];
    this.#byKey = new Map();
    return all.length > MOST_ANNOUNCED ? [] : all;
  }
}

/**
 * What puts right what was announced, where that alone says what is wrong.
 *
 * What is gone is made anew, exclusively where its key may be somebody else's: another may stand there still. What says
 * something else and is ours by its marks, or because it is on our own device, is replaced; what is not ours stays.
 * @param wanted all desired entries by `keyOf`
 */
export function opsAgainst(
  announced: readonly Announced[],
  wanted: ReadonlyMap<string, Entry>,
  ownership: Ownership,
): Losses {
  const ops: Op[] = [];
  for (const { entry: held, isThere } of announced) {
    const entry = wanted.get(keyOf(held));
    if (entry === undefined) continue;
    if (!isThere) ops.push({ kind: 'create', entry });
    else if (!sameEntry(entry, held) && isOurs(held, ownership)) ops.push({ kind: 'replace', entry, held });
  }
  const isRoute = (op: Op) => entryOf(op).kind === 'route';
  return {
    ways: inOrder(ops.filter(op => !isRoute(op))),
    routes: [...ops.filter(isRoute), ...routesOf(ops, wanted)],
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
  for (const kind of KINDS) {
    if (type !== kind.putType && type !== kind.removeType) continue;
    const entry = kind.decode(body, devices);
    if (entry !== undefined) return { entry, isThere: type === kind.putType };
  }
  return type === RTM_NEWNEIGH || type === RTM_DELNEIGH ? readLostNeighbour(body, devices) : undefined;
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

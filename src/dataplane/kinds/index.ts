/** The table of kinds, and the questions that any entry can be asked. Pure. */
import type { Entry } from '../model.js';
import type { Ownership } from '../ownership.js';
import { address } from './address.js';
import { fdb } from './fdb.js';
import type { Kind } from './kind.js';
import { neighbour } from './neighbour.js';
import { nexthop } from './nexthop.js';
import { route } from './route.js';

const rows: { readonly [K in Entry['kind']]: Kind<Extract<Entry, { kind: K }>> } = {
  address,
  fdb,
  neighbour,
  nexthop,
  route,
};

/** All kinds, in the order in which entries are added. */
export const KINDS: readonly Kind[] = Object.values(rows)
  .map(row => row as unknown as Kind)
  .toSorted((a, b) => a.order - b.order);

/** The row of an entry's kind. The one place where the type of row and entry must be taken to agree. */
export function kindOf(entry: Entry): Kind {
  return rows[entry.kind];
}

/** The kernel's key of an entry, with its kind in front. */
export function keyOf(entry: Entry): string {
  return `${entry.kind} ${kindOf(entry).key(entry)}`;
}

/** The entry as operators know it from iproute2. */
export function describe(entry: Entry): string {
  return kindOf(entry).describe(entry);
}

/** Whether two entries of one key say the same; what is part of the key is not looked at again. */
export function sameEntry(a: Entry, b: Entry): boolean {
  return a.kind === b.kind && kindOf(a).same(a, b);
}

/** Whether the entry, as read from the kernel, is ours (or adopted from flanneld) to change or remove. */
export function isOurs(entry: Entry, ownership: Ownership): boolean {
  return kindOf(entry).isOurs(entry, ownership);
}

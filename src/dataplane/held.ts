/**
 * What the kernel holds: as last read, with what has been changed since. Pure data with an index by kernel key.
 *
 * What was changed is entered when somebody asks for the index next: at a start, that is after all is in the kernel.
 */
import { entryOf, heldByKey, keyOfOp, NexthopUsers, type Op } from './diff.js';
import type { Entry } from './model.js';
import type { Ownership } from './ownership.js';

export class HeldEntries {
  #byKey = new Map<string, Entry>();
  /** Carried out and not entered yet, in that order. */
  #changes: (readonly Op[])[] = [];
  /** Of what is entered; undefined until somebody asks after a reading. */
  #users: NexthopUsers | undefined;

  /** All held entries by kernel key. */
  get byKey(): ReadonlyMap<string, Entry> {
    this.makeIndex();
    return this.#byKey;
  }

  /** What is held under this key, for whoever asks for few: the index is not made for it. */
  find(key: string, kind: Entry['kind']): Entry | undefined {
    let found = this.#byKey.get(key);
    for (const ops of this.#changes) {
      for (const op of ops) {
        // Of ten thousand peers' entries no key is made.
        if (entryOf(op).kind !== kind || keyOfOp(op) !== key) continue;
        found = op.kind === 'remove' ? undefined : op.entry;
      }
    }
    return found;
  }

  /** Makes ready all that is asked for when a peer comes or goes. */
  makeIndexes(): void {
    this.#users = this.nexthopUsers;
  }

  /** Enters what has been changed, which else is done when the index is asked for. */
  makeIndex(): void {
    if (this.#changes.length > 0) for (const ops of this.#changes.splice(0)) this.#enter(ops);
  }

  /** Which routes go by which nexthop object. To make it anew takes a look at all entries; it is kept up to date. */
  get nexthopUsers(): NexthopUsers {
    this.makeIndex();
    return (this.#users ??= new NexthopUsers(this.#byKey));
  }

  /** The kernel has been read: what was known before is of no concern. */
  take(entries: Iterable<Entry>, ownership: Ownership): void {
    this.#changes = [];
    this.#users = undefined;
    this.#byKey = heldByKey(entries, ownership);
  }

  /** The kernel has carried these out. */
  record(ops: readonly Op[]): void {
    if (ops.length > 0) this.#changes.push(ops);
  }

  #enter(ops: readonly Op[]): void {
    for (const op of ops) {
      const key = keyOfOp(op);
      const after = op.kind === 'remove' ? undefined : op.entry;
      this.#users?.change(key, this.#byKey.get(key), after);
      if (after === undefined) this.#byKey.delete(key);
      else this.#byKey.set(key, after);
    }
  }
}

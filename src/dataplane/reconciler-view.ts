/** What a reconciler knows and tells, as plain data. */
import type { Contest } from './contests.js';
import type { Conflict } from './diff.js';
import type { Failure } from './failures.js';
import type { LinkTrouble } from './link-keeper.js';
import type { NexthopObstacles } from './lowering.js';
import type { Entry } from './model.js';

/** What was put right: an entry, or a device with what belongs to it. */
export type RepairKind = Entry['kind'] | 'device';

export interface Repair {
  /** On the clock that was given. */
  readonly at: number;
  /** For people: `create route 10.5.2.0/24 …`. */
  readonly what: string;
}

/** The reconciler's knowledge at one moment. The maps are live: read them, do not keep them. */
export interface ReconcilerView {
  readonly desired: ReadonlyMap<string, Entry>;
  readonly held: ReadonlyMap<string, Entry>;
  readonly failures: ReadonlyMap<string, Failure>;
  readonly conflicts: ReadonlyMap<string, Conflict>;
  /** What another program keeps undoing. */
  readonly contests: readonly Contest[];
  /** Which routes are classic although they are on an overlay device, and why. */
  readonly obstacles: NexthopObstacles;
  /** Of a device; what keeps entries from being programmed before what does not. */
  readonly linkTrouble: LinkTrouble | undefined;
  /** Why the kernel cannot be read, in words: what `held` says may be old. */
  readonly readTrouble: string | undefined;
  /** A full pass has been carried out with the complete set of peers. */
  readonly settled: boolean;
  /** Changes that put right what others had done, since then, and that the kernel has accepted. */
  readonly repairs: number;
  readonly repairsByKind: Readonly<Record<RepairKind, number>>;
  /** The latest of them, the newest first, a few at most. */
  readonly lastRepairs: readonly Repair[];
  /** What was found amiss since then, mended or not: the same entry counts each time that it is found. */
  readonly drift: number;
  /** How often the kernel refused an entry, since the start. */
  readonly refusals: number;
  /** On the clock that was given; undefined before the first. */
  readonly lastFullCheckAt: number | undefined;
}

/** How far the entries of the host, or of one peer, are. */
export interface OwnerState {
  readonly programmed: boolean;
  readonly error: string | undefined;
}

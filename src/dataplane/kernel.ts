/**
 * The port: what the reconciler needs of a kernel. `netlink-kernel.ts` is the real one.
 */
import type { IpAddress } from '../address/ip.js';
import type { MacAddress } from '../address/mac.js';
import type { Op } from './diff.js';
import { UnknownDeviceError } from './kinds/kind.js';
import type { Entry, Link, NeighbourEntry } from './model.js';
import { MalformedMessageError, NetlinkError } from './netlink/errors.js';

/** A network device as the kernel has it. */
export interface HeldLink {
  readonly name: string;
  readonly index: number;
  /** Kind of a virtual device such as `vxlan`, `bridge`; empty for a physical one. */
  readonly kind: string;
  readonly mtu: number;
  readonly mac: MacAddress | undefined;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  readonly vxlan?: HeldVxlan;
}

export interface HeldVxlan {
  readonly vni: number;
  readonly port: number;
  /** Index of the underlay device, or 0. */
  readonly underlayIndex: number;
  readonly local: IpAddress | undefined;
  readonly learning: boolean;
  readonly gbp: boolean;
}

/** What can be changed on a live device without losing a packet, the MAC apart (all its neighbours go with it). */
export interface LinkChange {
  readonly mtu?: number;
  readonly mac?: MacAddress;
  readonly local?: IpAddress;
  readonly learning?: boolean;
  readonly up?: true;
}

/**
 * Why an op is not simply done: refused with the kernel's error name and a message that says it all, or `unknown` when
 * the answer was lost and only reading again can tell.
 */
export type OpTrouble =
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'unknown' };

export interface Kernel {
  readLinks(): Promise<readonly HeldLink[]>;
  /** Whether it has nexthop objects (Linux 5.3). It is taken to, until a reading of entries says otherwise. */
  readonly hasNexthops: boolean;
  /**
   * All addresses, nexthop objects and routes of table main, and the permanent neighbours and FDB entries of these
   * devices.
   * @param only those of this kind, when it is given
   */
  readEntries(devices: ReadonlySet<string>, only?: Entry['kind']): Promise<readonly Entry[]>;
  /** Whether there is a nexthop object with this id, whosever it is. */
  hasNexthop(id: number): Promise<boolean>;
  /**
   * The permanent neighbour that this address is on that device, with whatever MAC; undefined when it is none.
   * @returns 'unknown' from a kernel that cannot say
   */
  findNeighbour(entry: NeighbourEntry): Promise<Entry | undefined | 'unknown'>;
  /** Carries the ops out in their order. @returns what was not simply done, by its place among the ops */
  apply(ops: readonly Op[]): Promise<ReadonlyMap<number, OpTrouble>>;
  /** Creates the device and sets it up. @throws with the kernel's error name in `code` */
  createLink(link: Link): Promise<void>;
  changeLink(link: Link, change: LinkChange): Promise<void>;
  /** Removes a device; one that is gone already is success. */
  removeLink(name: string): Promise<void>;
}

/** Whether an error says that the kernel is in trouble or refused: all else is a bug, and ends the agent. */
export function isKernelTrouble(error: unknown): error is Error {
  return (
    error instanceof NetlinkError ||
    error instanceof MalformedMessageError ||
    error instanceof UnknownDeviceError
  );
}

/** Answers that say nothing of what was asked: they were lost, the device is gone, or we may ask nothing at all. */
const NO_REFUSALS: ReadonlySet<string> = new Set([
  'ECANCELED',
  'ETIMEDOUT',
  'ENOBUFS',
  'ENODEV',
  'EPERM',
  'EACCES',
]);

/** Whether the kernel refused just what it was asked for, so that it may accept something else. */
export function isRefusal(error: unknown): error is NetlinkError {
  return error instanceof NetlinkError && !NO_REFUSALS.has(error.code);
}

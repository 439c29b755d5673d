/** What the kernel answers when it refuses, and which refusals are none. */
import { constants } from 'node:os';
import {
  messageName,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELNEXTHOP,
  RTM_DELROUTE,
} from './constants.js';

const ERRNO_NAMES = new Map<number, string>(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/** Two numbers have two names; asm-generic/errno.h defines the left one by the right one, which messages use. */
ERRNO_NAMES.set(constants.errno.EAGAIN, 'EAGAIN');
ERRNO_NAMES.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP');

/** The name of an errno number (positive), such as `EINVAL`. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** The kernel, or the way to it, refused an operation. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  /** The errno's name, such as `EINVAL`. */
  readonly code: string;

  /**
   * @param operation the kernel's name of the request, such as `RTM_NEWROUTE`
   * @param errno positive errno number
   * @param subject what the operation was about, in iproute2's words
   */
  constructor(
    readonly operation: string,
    readonly errno: number,
    subject: string,
  ) {
    super(`${subject}: ${errnoName(errno)}`);
    this.code = errnoName(errno);
  }
}

/** Bytes that are not the netlink they claim to be. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError';
}

/**
 * Answers to a delete that mean "it is not there". An entry goes with its device, so that ENODEV means the same for
 * what lives on one; a route whose device is gone is ESRCH.
 */
const ALREADY_GONE = new Map<string, readonly string[]>([
  [messageName(RTM_DELROUTE), ['ESRCH']],
  [messageName(RTM_DELNEXTHOP), ['ENOENT']],
  [messageName(RTM_DELNEIGH), ['ENOENT', 'ENODEV']],
  [messageName(RTM_DELADDR), ['EADDRNOTAVAIL', 'ENODEV']],
  [messageName(RTM_DELLINK), ['ENODEV']],
]);

/** Whether a refused delete is a success all the same: what should go was not there. */
export function isAlreadyGone(error: NetlinkError): boolean {
  return ALREADY_GONE.get(error.operation)?.includes(error.code) ?? false;
}

/**
 * A kind of kernel entry is a row: everything that must be known of it stands in one place. A new kind of entry
 * (a WireGuard peer, an xfrm policy) is a new row, not a case in ten switches. Pure.
 */
import { familyOf, ipToBytes, ipv4ToNumber, type IpAddress } from '../../address/ip.js';
import type { MessageWriter, WireAddress } from '../netlink/message.js';
import type { Entry } from '../model.js';
import type { Ownership } from '../ownership.js';

/** Names and indexes of the devices of the namespace, as last read. */
export interface DeviceTable {
  /** @throws UnknownDeviceError */
  indexOf(name: string): number;
  nameOf(index: number): string | undefined;
}

/** A device that an entry names and that does not exist (any more). */
export class UnknownDeviceError extends Error {
  override readonly name = 'UnknownDeviceError';
  readonly code = 'ENODEV';
}

/** A request to read all entries of a kind, or those of one device. */
export interface DumpRequest {
  /** RTM_GET*. */
  readonly type: number;
  readonly write: (writer: MessageWriter) => void;
}

/** A change, as the ops that are compared out have it. */
export type FirstStep<E> =
  | { readonly kind: 'replace'; readonly entry: E; readonly held: E }
  | { readonly kind: 'remove'; readonly held: E };

export interface Kind<E extends Entry = Entry> {
  readonly name: E['kind'];
  /** Additions go in this order, removals in the reverse one. */
  readonly order: number;
  /** The kernel's own key, without the kind: two entries with one key cannot both exist. */
  key(entry: E): string;
  /** Of the key, what is at hand without making text: entries that differ in it differ in the key. */
  keyPart(entry: E): string | number;
  /** The entry as operators know it from iproute2. */
  describe(entry: E): string;
  /** Whether two entries of one key say the same. */
  same(a: E, b: E): boolean;
  /** Whether an entry that was read is ours to change or remove. */
  isOurs(entry: E, ownership: Ownership): boolean;
  /**
   * What we believe absent is created exclusively, because the key may be somebody else's. Not so where everything on
   * our device is ours: there the kernel may hold what reading leaves out, such as a failed neighbour, and that yields.
   */
  readonly exclusive: boolean;
  /** RTM_NEW* and RTM_DEL*. */
  readonly putType: number;
  readonly removeType: number;
  encode(writer: MessageWriter, entry: E, devices: DeviceTable): void;
  /** Whether other entries' messages may be rewritten from this one's: what differs in them are IPv4 addresses. */
  isModel(entry: E): boolean;
  /**
   * Writes again the writer's last message, a put, as this entry's: of thousands of messages, most differ from the one
   * before in an address or two.
   * @param model an entry whose message that is, or was rewritten from; `isModel` says that it may be one
   * @returns false, with nothing written, when this entry's differs in more than numbers and IPv4 addresses
   */
  rewrite(writer: MessageWriter, entry: E, model: E): boolean;
  /**
   * What has to be done before this held entry is replaced, because the kernel would answer "done" to the replacing alone
   * and keep what is wrong. Nearly always nothing.
   */
  firstStep?(entry: E, held: E): FirstStep<E> | undefined;
  encodeRemoval(writer: MessageWriter, entry: E, devices: DeviceTable): void;
  /** @param overlay the overlay devices that exist */
  dumps(overlay: readonly string[], devices: DeviceTable): readonly DumpRequest[];
  /** @returns undefined for what is none of our business: another table, a neighbour that is not permanent */
  decode(body: Uint8Array, devices: DeviceTable): E | undefined;
}

/** Whether an entry has this address and it is IPv4. */
export function isIpv4(address: IpAddress | undefined): boolean {
  return address !== undefined && familyOf(address) === 4;
}

/** An address as requests take it. */
export function toWire(address: IpAddress): WireAddress {
  return familyOf(address) === 4 ? ipv4ToNumber(address) : ipToBytes(address);
}

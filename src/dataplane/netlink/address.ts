/** Interface addresses on the wire: struct ifaddrmsg and IFA_* attributes (linux/if_addr.h). Pure. */
import { IFA_ADDRESS, IFA_BROADCAST, IFA_FLAGS, IFA_LABEL, IFA_LOCAL, IFADDRMSG_BYTES } from './constants.js';
import { AttributeReader, hostU32, structView, type MessageWriter } from './message.js';

/** An address on a device. Key: interface, local address and prefix length. */
export interface Address {
  /** AF_INET or AF_INET6. */
  readonly family: number;
  readonly interfaceIndex: number;
  readonly prefixLength: number;
  /** RT_SCOPE_*. */
  readonly scope: number;
  /** IFA_F_* bits, all 32. */
  readonly flags: number;
  /** The device's own address, 4 or 16 bytes; absent only in a message that has neither IFA_LOCAL nor IFA_ADDRESS. */
  readonly local?: Uint8Array;
  /** The other end, on point-to-point devices. */
  readonly peer?: Uint8Array;
  readonly broadcast?: Uint8Array;
  readonly label?: string;
}

/** Writes the body of RTM_NEWADDR or RTM_DELADDR. */
export function encodeAddress(writer: MessageWriter, address: Address): void {
  writeHeader(writer, address);
  if (address.local !== undefined) {
    writer.attributeBytes(IFA_LOCAL, address.local);
    // Where the two agree there is no peer: IFA_ADDRESS is what the prefix length applies to.
    writer.attributeBytes(IFA_ADDRESS, address.peer ?? address.local);
  }
  if (address.broadcast !== undefined) writer.attributeBytes(IFA_BROADCAST, address.broadcast);
  if (address.label !== undefined) writer.attributeString(IFA_LABEL, address.label);
  if (address.flags > 0xff) writer.attributeU32(IFA_FLAGS, address.flags);
}

/** Writes the body of an RTM_GETADDR dump: all addresses of the family on all devices. */
export function encodeAddressDump(writer: MessageWriter, family: number): void {
  writeHeader(writer, { family, interfaceIndex: 0, prefixLength: 0, scope: 0, flags: 0 });
}

/**
 * Reads the body of RTM_NEWADDR or RTM_DELADDR.
 * @throws MalformedMessageError
 */
export function decodeAddress(body: Uint8Array): Address {
  const header = structView(body, IFADDRMSG_BYTES);
  const address: { -readonly [K in keyof Address]: Address[K] } = {
    family: header.getUint8(0),
    prefixLength: header.getUint8(1),
    flags: header.getUint8(2),
    scope: header.getUint8(3),
    interfaceIndex: hostU32(header, 4),
  };
  let prefixAddress: Uint8Array | undefined;
  const attributes = new AttributeReader(body, IFADDRMSG_BYTES);
  while (attributes.next()) {
    switch (attributes.type) {
      case IFA_LOCAL:
        address.local = attributes.ipAddress();
        break;
      case IFA_ADDRESS:
        prefixAddress = attributes.ipAddress();
        break;
      case IFA_BROADCAST:
        address.broadcast = attributes.ipAddress();
        break;
      case IFA_LABEL:
        address.label = attributes.string();
        break;
      case IFA_FLAGS:
        address.flags = attributes.u32();
        break;
    }
  }
  if (prefixAddress === undefined) return address;
  // IPv6 sends IFA_LOCAL only where there is a peer.
  if (address.local === undefined) address.local = prefixAddress;
  else if (!sameBytes(address.local, prefixAddress)) address.peer = prefixAddress;
  return address;
}

function writeHeader(
  writer: MessageWriter,
  address: Pick<Address, 'family' | 'interfaceIndex' | 'prefixLength' | 'scope' | 'flags'>,
): void {
  writer.u8(address.family);
  writer.u8(address.prefixLength);
  writer.u8(address.flags);
  writer.u8(address.scope);
  writer.u32(address.interfaceIndex);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/**
 * The frame of netlink: headers, fixed structs, attributes (linux/netlink.h). All numbers are in host byte order
 * except where a kernel header says be16. Pure.
 */
import { endianness } from 'node:os';
import { NLA_F_NESTED, NLA_HEADER_BYTES, NLA_TYPE_MASK, NLMSG_HEADER_BYTES } from './constants.js';
import { MalformedMessageError } from './errors.js';

const HOST_IS_LITTLE = endianness() === 'LE';

/** Where nlmsg_seq is in struct nlmsghdr. */
const SEQUENCE_OFFSET = 8;

/** So many copies of a message are made when one is asked for: of a kind of entry, a datagram has a hundred. */
const COPIES_AT_ONCE = 32;

/** One received message. `body` is a view: it keeps the buffer alive that it arrived in. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** nlmsg_pid: the port of the socket whose request this answers or announces; 0 when it is the kernel's own doing. */
  readonly port: number;
  /** What follows the header. */
  readonly body: Uint8Array;
}

/**
 * An address as a request gives it: its bytes in network order; or, of an IPv4 address and of a MAC, the number of 32 or
 * 48 bits. Every change of an entry has two or three, and a number costs no array.
 */
export type WireAddress = number | Uint8Array;

/**
 * Encodes messages one after another into a buffer that grows and is used again. A batch of 120 messages therefore
 * allocates nothing; 40,000 messages take milliseconds.
 */
export class MessageWriter {
  #bytes = new Uint8Array(16_384);
  /** Replaced when the buffer grows: take the room first, then look. */
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #messageStart = 0;
  /** The last message's number. */
  #sequence = 0;
  /** Up to here, what follows the last message is copies of it, made beforehand; else no more than where that ends. */
  #copiesEnd = 0;
  /** Where the values of the last message's attributes are, from its start, by type. */
  readonly #values = new Uint16Array(256);

  /** Forgets everything written. What `bytes` gave before is overwritten by what comes. */
  reset(): void {
    this.#length = 0;
  }

  /** What was written since `reset`: a view, valid until the next `reset` or write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Starts a message; its length is filled in by `endMessage`. */
  beginMessage(type: number, flags: number, sequence: number): void {
    this.#messageStart = this.#take(NLMSG_HEADER_BYTES);
    this.#sequence = sequence;
    this.#view.setUint16(this.#messageStart + 4, type, HOST_IS_LITTLE);
    this.#view.setUint16(this.#messageStart + 6, flags, HOST_IS_LITTLE);
    this.#view.setUint32(this.#messageStart + SEQUENCE_OFFSET, sequence, HOST_IS_LITTLE);
    this.#view.setUint32(this.#messageStart + 12, 0, HOST_IS_LITTLE);
  }

  endMessage(): void {
    this.#view.setUint32(this.#messageStart, this.#length - this.#messageStart, HOST_IS_LITTLE);
  }

  /** Writes the last message again, with the next sequence number. What differs is to be rewritten. */
  repeatMessage(): void {
    const start = this.#length;
    const end = start + start - this.#messageStart;
    if (end > this.#copiesEnd) this.#copyMessage();
    this.#messageStart = start;
    this.#length = end;
    this.#view.setUint32(start + SEQUENCE_OFFSET, ++this.#sequence, HOST_IS_LITTLE);
  }

  /** Adds to the last message's flags. */
  addFlags(flags: number): void {
    const at = this.#messageStart + 6;
    this.#view.setUint16(at, this.#view.getUint16(at, HOST_IS_LITTLE) | flags, HOST_IS_LITTLE);
    this.#copiesEnd = 0;
  }

  /** Replaces the value of an attribute that the last message has, an IPv4 address. */
  rewriteIpv4(type: number, value: number): void {
    this.#view.setUint32(this.#messageStart + this.#values[type]!, value);
  }

  /** The same of a MAC. */
  rewriteMac(type: number, value: number): void {
    const at = this.#messageStart + this.#values[type]!;
    this.#view.setUint16(at, value / 0x1_0000_0000);
    this.#view.setUint32(at + 2, value >>> 0);
  }

  /** The same of a number. */
  rewriteU32(type: number, value: number): void {
    this.#view.setUint32(this.#messageStart + this.#values[type]!, value, HOST_IS_LITTLE);
  }

  u8(value: number): void {
    const start = this.#take(1);
    this.#view.setUint8(start, value);
  }

  u16(value: number): void {
    const start = this.#take(2);
    this.#view.setUint16(start, value, HOST_IS_LITTLE);
  }

  u32(value: number): void {
    const start = this.#take(4);
    this.#view.setUint32(start, value, HOST_IS_LITTLE);
  }

  attributeU8(type: number, value: number): void {
    const start = this.#attribute(type, 1);
    this.#view.setUint8(start, value);
  }

  attributeU16(type: number, value: number): void {
    const start = this.#attribute(type, 2);
    this.#view.setUint16(start, value, HOST_IS_LITTLE);
  }

  attributeU32(type: number, value: number): void {
    const start = this.#attribute(type, 4);
    this.#view.setUint32(start, value, HOST_IS_LITTLE);
  }

  /** A number in network byte order: UDP ports. */
  attributeBe16(type: number, value: number): void {
    const start = this.#attribute(type, 2);
    this.#view.setUint16(start, value);
  }

  attributeBytes(type: number, value: Uint8Array): void {
    const start = this.#attribute(type, value.length);
    // For the 4 to 16 bytes of an address a loop costs less than the call into TypedArray.set.
    for (let i = 0; i < value.length; i++) this.#bytes[start + i] = value[i]!;
  }

  /** An IP address. */
  attributeIp(type: number, value: WireAddress): void {
    if (typeof value !== 'number') {
      this.attributeBytes(type, value);
      return;
    }
    const start = this.#attribute(type, 4);
    this.#view.setUint32(start, value);
  }

  /** The address of an Ethernet device. */
  attributeMac(type: number, value: WireAddress): void {
    if (typeof value !== 'number') {
      this.attributeBytes(type, value);
      return;
    }
    const start = this.#attribute(type, 6);
    this.#view.setUint16(start, value / 0x1_0000_0000);
    this.#view.setUint32(start + 2, value >>> 0);
  }

  /** Text with the NUL that the kernel ends it with. */
  attributeString(type: number, value: string): void {
    this.attributeBytes(type, new TextEncoder().encode(`${value}\0`));
  }

  /** An attribute without a value, which is true by being there. */
  attributeFlag(type: number): void {
    this.#attribute(type, 0);
  }

  /** Starts an attribute that holds attributes. @returns what `endNested` wants */
  beginNested(type: number): number {
    return this.#attribute(type | NLA_F_NESTED, 0) - NLA_HEADER_BYTES;
  }

  endNested(start: number): void {
    this.#view.setUint16(start, this.#length - start, HOST_IS_LITTLE);
  }

  /** Writes an attribute's header and leaves room for its value, padded to 4 bytes. @returns where the value goes */
  #attribute(type: number, valueBytes: number): number {
    const start = this.#take(align(NLA_HEADER_BYTES + valueBytes));
    this.#view.setUint16(start, NLA_HEADER_BYTES + valueBytes, HOST_IS_LITTLE);
    this.#view.setUint16(start + 2, type, HOST_IS_LITTLE);
    // The buffer has been used before: padding must not carry old bytes.
    for (let i = start + NLA_HEADER_BYTES + valueBytes; i < this.#length; i++) this.#bytes[i] = 0;
    this.#values[type & 0xff] = start + NLA_HEADER_BYTES - this.#messageStart;
    return start + NLA_HEADER_BYTES;
  }

  /** Puts copies of the last message behind it: many messages in a few steps. */
  #copyMessage(): void {
    const start = this.#messageStart;
    let end = this.#length;
    this.#copiesEnd = end + COPIES_AT_ONCE * (end - start);
    if (this.#copiesEnd > this.#bytes.length) this.#grow(this.#copiesEnd);
    while (end < this.#copiesEnd) {
      const count = Math.min(end - start, this.#copiesEnd - end);
      this.#bytes.copyWithin(end, start, start + count);
      end += count;
    }
  }

  #take(count: number): number {
    const start = this.#length;
    this.#length += count;
    this.#copiesEnd = 0;
    if (this.#length > this.#bytes.length) this.#grow(this.#length);
    return start;
  }

  #grow(needed: number): void {
    const old = this.#bytes;
    this.#bytes = new Uint8Array(Math.max(old.length * 2, needed));
    this.#bytes.set(old);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

/**
 * Cuts received bytes into messages.
 * @throws MalformedMessageError when a length is less than a header or reaches past the end
 */
export function readMessages(bytes: Uint8Array): Message[] {
  const view = viewOf(bytes);
  const messages: Message[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const end = offset + messageLengthAt(view, offset);
    if (end > bytes.length) throw new MalformedMessageError(`message at byte ${offset} reaches past the end`);
    messages.push({
      type: view.getUint16(offset + 4, HOST_IS_LITTLE),
      flags: view.getUint16(offset + 6, HOST_IS_LITTLE),
      sequence: view.getUint32(offset + 8, HOST_IS_LITTLE),
      port: view.getUint32(offset + 12, HOST_IS_LITTLE),
      body: new Uint8Array(
        bytes.buffer,
        bytes.byteOffset + offset + NLMSG_HEADER_BYTES,
        end - offset - NLMSG_HEADER_BYTES,
      ),
    });
    offset = align(end);
  }
  return messages;
}

/**
 * How many of the bytes are whole messages: for a stream, whose chunks end anywhere.
 * @throws MalformedMessageError when a length is less than a header
 */
export function wholeMessagesLength(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  let offset = 0;
  while (offset + NLMSG_HEADER_BYTES <= bytes.length) {
    const next = offset + align(messageLengthAt(view, offset));
    if (next > bytes.length) break;
    offset = next;
  }
  return offset;
}

function messageLengthAt(view: DataView, offset: number): number {
  if (offset + NLMSG_HEADER_BYTES > view.byteLength) {
    throw new MalformedMessageError(`${view.byteLength - offset} bytes are no message header`);
  }
  const length = view.getUint32(offset, HOST_IS_LITTLE);
  if (length < NLMSG_HEADER_BYTES) throw new MalformedMessageError(`message length ${length}`);
  return length;
}

/** A fixed struct at the start of a body, read field by field. */
export function structView(body: Uint8Array, bytes: number): DataView {
  if (body.length < bytes)
    throw new MalformedMessageError(`body of ${body.length} bytes, not ${bytes} or more`);
  return viewOf(body);
}

/** The number at `offset` in host byte order. */
export function hostU16(view: DataView, offset: number): number {
  return view.getUint16(offset, HOST_IS_LITTLE);
}

/** The number at `offset` in host byte order. */
export function hostU32(view: DataView, offset: number): number {
  return view.getUint32(offset, HOST_IS_LITTLE);
}

/** The signed number at `offset` in host byte order. */
export function hostI32(view: DataView, offset: number): number {
  return view.getInt32(offset, HOST_IS_LITTLE);
}

/**
 * Walks the attributes of a body: `while (attributes.next()) switch (attributes.type) …`. Every read is checked
 * against the attribute's own length.
 */
export class AttributeReader {
  /** The present attribute's type without its flags. */
  type = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #next: number;
  #value = 0;
  #valueEnd = 0;

  /**
   * @param bytes what holds the attributes
   * @param offset where the first one starts: after the fixed struct, rounded up to 4
   */
  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#next = align(offset);
  }

  /**
   * Goes to the next attribute. @returns false at the end
   * @throws MalformedMessageError when its length is less than a header or reaches past the end
   */
  next(): boolean {
    const start = this.#next;
    if (start >= this.#bytes.length) return false;
    if (start + NLA_HEADER_BYTES > this.#bytes.length) {
      throw new MalformedMessageError(`${this.#bytes.length - start} bytes are no attribute header`);
    }
    const length = this.#view.getUint16(start, HOST_IS_LITTLE);
    if (length < NLA_HEADER_BYTES || start + length > this.#bytes.length) {
      throw new MalformedMessageError(`attribute length ${length} at byte ${start} of ${this.#bytes.length}`);
    }
    this.type = this.#view.getUint16(start + 2, HOST_IS_LITTLE) & NLA_TYPE_MASK;
    this.#value = start + NLA_HEADER_BYTES;
    this.#valueEnd = start + length;
    this.#next = align(start + length);
    return true;
  }

  u8(): number {
    return this.#view.getUint8(this.#expect(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#expect(2), HOST_IS_LITTLE);
  }

  u32(): number {
    return this.#view.getUint32(this.#expect(4), HOST_IS_LITTLE);
  }

  /** A number in network byte order: UDP ports. */
  be16(): number {
    return this.#view.getUint16(this.#expect(2));
  }

  /** The value as a view into the received buffer. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(this.#value, this.#valueEnd);
  }

  /** An IPv4 or IPv6 address, as `bytes`. */
  ipAddress(): Uint8Array {
    const bytes = this.bytes();
    if (bytes.length === 4 || bytes.length === 16) return bytes;
    throw new MalformedMessageError(`attribute ${this.type} has ${bytes.length} bytes: no IP address`);
  }

  /** Text up to its NUL. */
  string(): string {
    const bytes = this.bytes();
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** The attributes that the present one holds. */
  nested(): AttributeReader {
    return new AttributeReader(this.bytes());
  }

  #expect(count: number): number {
    const length = this.#valueEnd - this.#value;
    if (length < count)
      throw new MalformedMessageError(`attribute ${this.type} has ${length} bytes, not ${count}`);
    return this.#value;
  }
}

/** Rounds up to 4, as NLMSG_ALIGN and NLA_ALIGN do. */
function align(length: number): number {
  // Not `& ~3`, which makes a length of nearly 4 GiB, as only a broken sender writes it, negative.
  return length + (-length & 3);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

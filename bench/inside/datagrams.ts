/** Datagrams that were sent to the kernel, and the file in which they are handed to `floor.c`. Pure. */
import { endianness } from 'node:os';

const IS_LITTLE = endianness() === 'LE';

/**
 * Whether a datagram's first message adds or removes something: rtnetlink numbers its types in fours, new, delete, get,
 * set. What we send in one datagram is of one sort.
 */
export function isChangeDatagram(bytes: Uint8Array): boolean {
  const type = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint16(4, IS_LITTLE);
  return (type & 3) !== 2;
}

/** Datagrams one after another, each behind its length: 32 bits in host byte order. */
export function frame(datagrams: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    datagrams.flatMap(bytes => {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, bytes.length, IS_LITTLE);
      return [length, bytes];
    }),
  );
}

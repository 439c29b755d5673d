/** Ethernet (MAC) addresses as canonical text: six lower-case hex pairs joined by colons. Pure. */

/** A MAC address such as `c6:d2:32:6f:8f:44`. */
export type MacAddress = string;

/** No device's: stands where an announcement tells none. */
export const UNKNOWN_MAC: MacAddress = '00:00:00:00:00:00';

/**
 * Reads a MAC as Go's parser does for 6 bytes (flannel nodes write the colon form; older tools the others):
 * `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff`, `aabb.ccdd.eeff`.
 * @returns the canonical text, or undefined
 */
export function parseMac(text: string): MacAddress | undefined {
  if (CANONICAL.test(text)) return text;
  const colon = /^([0-9a-f]{2})([:-])[0-9a-f]{2}(?:\2[0-9a-f]{2}){4}$/i;
  const dotted = /^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}$/i;
  if (!colon.test(text) && !dotted.test(text)) return undefined;
  const digits = text.replace(/[:.-]/g, '').toLowerCase();
  return digits.replace(/(..)(?!$)/g, '$1:');
}

/** As nearly all MACs come. */
const CANONICAL = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/** Why no device of a peer can have this MAC, or undefined when it can. */
export function notADeviceMac(mac: MacAddress): string | undefined {
  if (mac === UNKNOWN_MAC) return 'all zero';
  return Number.parseInt(mac.slice(0, 2), 16) & 1 ? 'multicast' : undefined;
}

/** The six bytes of a canonical MAC. */
export function macToBytes(mac: MacAddress): Uint8Array {
  const bytes = new Uint8Array(6);
  for (let i = 0; i < 6; i++) bytes[i] = digitAt(mac, 3 * i) * 16 + digitAt(mac, 3 * i + 1);
  return bytes;
}

/** A canonical MAC as a number of 48 bits: what `macToBytes` gives, without an array. */
export function macToNumber(mac: MacAddress): number {
  let value = 0;
  for (let i = 0; i < 18; i += 3) value = value * 256 + digitAt(mac, i) * 16 + digitAt(mac, i + 1);
  return value;
}

/** The value of a lower-case hexadecimal digit. */
function digitAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < LETTER_A ? code - DIGIT_0 : code - LETTER_A + 10;
}

const DIGIT_0 = '0'.charCodeAt(0);
const LETTER_A = 'a'.charCodeAt(0);

/** The MAC in six bytes. @throws RangeError for any other number of bytes */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  if (bytes.length !== 6) throw new RangeError(`a MAC address has 6 bytes, not ${bytes.length}`);
  let text = HEX[bytes[0]!]!;
  for (let i = 1; i < 6; i++) text += `:${HEX[bytes[i]!]!}`;
  return text;
}

/** The pairs of digits of all bytes: every entry that is read from the kernel has a MAC. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** A locally administered unicast MAC from six random bytes (IEEE 802: bit 0 clear, bit 1 set in the first). */
export function localMac(random: Uint8Array): MacAddress {
  const bytes = Uint8Array.from(random);
  bytes[0] = (bytes[0]! & 0xfe) | 0x02;
  return macFromBytes(bytes);
}

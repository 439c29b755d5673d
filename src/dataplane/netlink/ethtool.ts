/** Features of a device (offloads) on the wire: the generic netlink family "ethtool" (linux/ethtool_netlink.h). Pure. */
import {
  ETHTOOL_A_BITSET_BIT_NAME,
  ETHTOOL_A_BITSET_BIT_VALUE,
  ETHTOOL_A_BITSET_BITS,
  ETHTOOL_A_BITSET_BITS_BIT,
  ETHTOOL_A_BITSET_NOMASK,
  ETHTOOL_A_FEATURES_ACTIVE,
  ETHTOOL_A_FEATURES_HEADER,
  ETHTOOL_A_FEATURES_WANTED,
  ETHTOOL_A_HEADER_DEV_NAME,
  ETHTOOL_A_HEADER_FLAGS,
  ETHTOOL_FLAG_OMIT_REPLY,
  ETHTOOL_GENL_VERSION,
  ETHTOOL_MSG_FEATURES_GET,
  ETHTOOL_MSG_FEATURES_SET,
} from './constants.js';
import { encodeGenericHeader, genericAttributes } from './genetlink.js';
import type { AttributeReader, MessageWriter } from './message.js';

/** Writes the question which features a device has. */
export function encodeFeaturesGet(writer: MessageWriter, device: string): void {
  encodeGenericHeader(writer, ETHTOOL_MSG_FEATURES_GET, ETHTOOL_GENL_VERSION);
  const header = writer.beginNested(ETHTOOL_A_FEATURES_HEADER);
  writer.attributeString(ETHTOOL_A_HEADER_DEV_NAME, device);
  writer.endNested(header);
}

/**
 * Writes the request to turn one feature on or off; all others stay as they are.
 * @param feature its name as `ethtool -k` has it, such as `tx-checksum-ip-generic`
 */
export function encodeFeatureSet(writer: MessageWriter, device: string, feature: string, on: boolean): void {
  encodeGenericHeader(writer, ETHTOOL_MSG_FEATURES_SET, ETHTOOL_GENL_VERSION);
  const header = writer.beginNested(ETHTOOL_A_FEATURES_HEADER);
  writer.attributeString(ETHTOOL_A_HEADER_DEV_NAME, device);
  writer.attributeU32(ETHTOOL_A_HEADER_FLAGS, ETHTOOL_FLAG_OMIT_REPLY);
  writer.endNested(header);
  const wanted = writer.beginNested(ETHTOOL_A_FEATURES_WANTED);
  const bits = writer.beginNested(ETHTOOL_A_BITSET_BITS);
  const bit = writer.beginNested(ETHTOOL_A_BITSET_BITS_BIT);
  writer.attributeString(ETHTOOL_A_BITSET_BIT_NAME, feature);
  if (on) writer.attributeFlag(ETHTOOL_A_BITSET_BIT_VALUE);
  writer.endNested(bit);
  writer.endNested(bits);
  writer.endNested(wanted);
}

/**
 * Reads the answer to `encodeFeaturesGet`.
 * @returns the names of the features that are on
 * @throws MalformedMessageError
 */
export function decodeActiveFeatures(body: Uint8Array): ReadonlySet<string> {
  const attributes = genericAttributes(body);
  while (attributes.next()) {
    if (attributes.type === ETHTOOL_A_FEATURES_ACTIVE) return decodeBitset(attributes.nested());
  }
  return new Set();
}

/** Names of the bits that are set: all that are listed when there is no mask, else those with a value. */
function decodeBitset(attributes: AttributeReader): ReadonlySet<string> {
  const listed: { name: string; value: boolean }[] = [];
  let isMasked = true;
  while (attributes.next()) {
    if (attributes.type === ETHTOOL_A_BITSET_NOMASK) isMasked = false;
    else if (attributes.type === ETHTOOL_A_BITSET_BITS) listed.push(...decodeBits(attributes.nested()));
  }
  return new Set(listed.filter(({ value }) => value || !isMasked).map(({ name }) => name));
}

function decodeBits(bits: AttributeReader): { name: string; value: boolean }[] {
  const listed: { name: string; value: boolean }[] = [];
  while (bits.next()) {
    if (bits.type !== ETHTOOL_A_BITSET_BITS_BIT) continue;
    const bit = { name: '', value: false };
    const attributes = bits.nested();
    while (attributes.next()) {
      if (attributes.type === ETHTOOL_A_BITSET_BIT_NAME) bit.name = attributes.string();
      else if (attributes.type === ETHTOOL_A_BITSET_BIT_VALUE) bit.value = true;
    }
    listed.push(bit);
  }
  return listed;
}

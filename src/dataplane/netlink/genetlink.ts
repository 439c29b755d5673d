/** Generic netlink: one protocol for many families, whose numbers the kernel hands out (linux/genetlink.h). Pure. */
import {
  CTRL_ATTR_FAMILY_ID,
  CTRL_ATTR_FAMILY_NAME,
  CTRL_CMD_GETFAMILY,
  GENL_HEADER_BYTES,
} from './constants.js';
import { AttributeReader, structView, type MessageWriter } from './message.js';

/** The version of the family "nlctrl" that we speak. */
const CTRL_VERSION = 1;

/**
 * Writes struct genlmsghdr.
 * @param command of the family, such as ETHTOOL_MSG_FEATURES_GET
 */
export function encodeGenericHeader(writer: MessageWriter, command: number, version: number): void {
  writer.u8(command);
  writer.u8(version);
  writer.u16(0); // reserved
}

/** Writes the body of the question to GENL_ID_CTRL which number a family has, such as `ethtool`. */
export function encodeFamilyLookup(writer: MessageWriter, family: string): void {
  encodeGenericHeader(writer, CTRL_CMD_GETFAMILY, CTRL_VERSION);
  writer.attributeString(CTRL_ATTR_FAMILY_NAME, family);
}

/**
 * Reads the answer to `encodeFamilyLookup`.
 * @returns the family's number, which is the type of its messages; undefined when the answer names none
 * @throws MalformedMessageError
 */
export function decodeFamilyId(body: Uint8Array): number | undefined {
  const attributes = genericAttributes(body);
  while (attributes.next()) if (attributes.type === CTRL_ATTR_FAMILY_ID) return attributes.u16();
  return undefined;
}

/**
 * The attributes behind struct genlmsghdr.
 * @throws MalformedMessageError when the body is too short for one
 */
export function genericAttributes(body: Uint8Array): AttributeReader {
  structView(body, GENL_HEADER_BYTES);
  return new AttributeReader(body, GENL_HEADER_BYTES);
}

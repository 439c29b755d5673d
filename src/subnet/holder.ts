/**
 * Who holds a lease, in an object field of our own that flannel ignores. Pure.
 *
 *     "Selvedge":{"NodeID":"…","Name":"node7","Since":"2026-01-31T08:15:00Z"}
 *
 * Only the id decides anything. The rest is for people, so a name or a time that makes no sense is as if it were not
 * there, and a field without a sound id as if nobody had said who he is: never is a lease unusable for what is in here.
 */
import * as z from 'zod';

export interface LeaseHolder {
  /** 128 bits, 32 lower-case hexadecimal digits. */
  readonly nodeId: string;
  /** The host's name, or empty. */
  readonly name: string;
  /** When the host first took the subnet: ISO 8601 in UTC, whole seconds. */
  readonly since?: string;
}

/** Characters, as many as the name of a host can have (RFC 1035, 2.3.4). */
const LONGEST_NAME = 253;
/** No controls, no formats such as marks of direction, no lone surrogates, no separators of lines. */
const PRINTABLE = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

const nodeId = z.string().regex(/^[0-9a-f]{32}$/);

const field = z.object({
  NodeID: nodeId,
  Name: z.string().refine(isPrintableName).catch(''),
  Since: z.iso.datetime({ precision: 0 }).optional().catch(undefined),
});

/** Whether a text has the form of a node id. */
export function isNodeId(text: string): boolean {
  return nodeId.safeParse(text).success;
}

/** @param json whatever stands in the field; undefined when there is no field */
export function readHolder(json: unknown): LeaseHolder | undefined {
  // As flanneld leaves it: zod is slow to say that nothing is no object.
  if (json === undefined) return undefined;
  const { success, data } = field.safeParse(json);
  if (!success) return undefined;
  const { NodeID, Name, Since } = data;
  return { nodeId: NodeID, name: Name, ...(Since !== undefined && { since: Since }) };
}

/** The field as it is written into a lease; an empty name and an unknown time are left out. */
export function formatHolder({ nodeId, name, since }: LeaseHolder): object {
  return { NodeID: nodeId, Name: name === '' ? undefined : name, Since: since };
}

function isPrintableName(name: string): boolean {
  return PRINTABLE.test(name) && (name.length <= LONGEST_NAME || Array.from(name).length <= LONGEST_NAME);
}

/** A host's name without what no reader takes. */
export function printableName(name: string): string {
  const printable = Array.from(name).filter(character => PRINTABLE.test(character));
  return printable.slice(0, LONGEST_NAME).join('');
}

/** How a holder is called in messages: its name and the begin of its id. */
export function describeHolder({ nodeId, name }: LeaseHolder): string {
  return name === '' ? `node ${nodeId}` : `${name} (node ${nodeId})`;
}

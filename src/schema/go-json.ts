/**
 * Reading JSON objects as flannel's readers do, with every fault told at once. Pure.
 *
 * flannel decodes with Go's encoding/json: the case of a key does not matter, `null` leaves a field as it was, unknown
 * keys are ignored. Documents written for flannel rely on that, so we read alike; but where Go stops at the first fault
 * we go on, because an admin wants to mend a document once.
 */
import type { z } from 'zod';

/** What is wrong with one field of a document. */
export interface Fault {
  /** Dotted path of the field; empty for the document itself. */
  readonly field: string;
  /** The value as found, undefined when the field is missing. */
  readonly value: unknown;
  /** What must hold, such as `must be between 0 and 65535`. */
  readonly rule: string;
}

/** `SubnetLen: 40 must be between 18 and 30`, one line. Long values are cut. */
export function formatFault(fault: Fault): string {
  const where = fault.field === '' ? 'document' : fault.field;
  return fault.value === undefined
    ? `${where}: ${fault.rule}`
    : `${where}: ${showValue(fault.value)} ${fault.rule}`;
}

/**
 * A value of a document, for people: at most 60 characters, and only what has no depth is written out, because
 * JSON.stringify overflows the stack on what JSON.parse takes.
 */
export function showValue(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export interface ReadObject<T> {
  /** The fields that are sound; those with a fault are undefined. */
  readonly fields: Readonly<Partial<T>>;
  readonly faults: readonly Fault[];
  /** Keys that the shape does not know, as written. */
  readonly unknown: readonly string[];
}

type Shape = Readonly<Record<string, z.ZodType>>;
type Fields<S extends Shape> = { [K in keyof S]: z.output<S[K]> };

/** By shape, of which there are few, while there are thousands of leases. */
const namesByShape = new WeakMap<Shape, ReadonlyMap<string, string>>();

/** The names of a shape's fields by how they are in lower case. */
function namesOf(shape: Shape): ReadonlyMap<string, string> {
  let names = namesByShape.get(shape);
  if (names === undefined) {
    names = new Map(Object.keys(shape).map(name => [name.toLowerCase(), name]));
    namesByShape.set(shape, names);
  }
  return names;
}

/**
 * Reads an object field by field.
 * @param shape zod types by field name in flannel's spelling; a field that may be missing is `.optional()`
 * @param json what JSON.parse gave
 * @param path put in front of field names in faults, such as `Backend.`
 */
export function readGoObject<S extends Shape>(shape: S, json: unknown, path = ''): ReadObject<Fields<S>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    const fault = { field: path.replace(/\.$/, ''), value: json, rule: 'must be a JSON object' };
    return { fields: {} as Partial<Fields<S>>, faults: [fault], unknown: [] };
  }
  const names = namesOf(shape);
  const found = new Map<string, unknown>();
  const unknown: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    const name = names.get(key.toLowerCase());
    if (name === undefined) unknown.push(path + key);
    else if (value !== null) found.set(name, value);
  }
  const fields: Record<string, unknown> = {};
  const faults: Fault[] = [];
  for (const name of names.values()) {
    const value = found.get(name);
    const parsed = shape[name]!.safeParse(value);
    if (parsed.success) fields[name] = parsed.data;
    else
      for (const issue of parsed.error.issues)
        faults.push({ field: path + name, value, rule: issue.message });
  }
  return { fields: fields as Partial<Fields<S>>, faults, unknown };
}

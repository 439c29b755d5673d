/**
 * Reading JSON objects as flannel's readers do, with every fault told at once. Pure.
 *
 * flannel decodes with Go's encoding/json: the case of a key does not matter, `null` leaves a field as it was, unknown
 * keys are ignored. Documents written for flannel rely on that, so we read alike; but where Go stops at the first fault
 * we go on, because an admin wants to mend a document once.
 */
import type * as z from 'zod';

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
  /** Fields of the shape that stand there as `null`, once at least. */
  readonly nulls: readonly string[];
}

type Shape = Readonly<Record<string, z.ZodType>>;
type Fields<S extends Shape> = { [K in keyof S]: z.output<S[K]> };

/** A field of a shape, with what its type said last: thousands of leases say the same in most fields, or nothing. */
interface Field {
  readonly index: number;
  readonly name: string;
  readonly type: z.ZodType;
  last: { readonly value: unknown; readonly parsed: ReturnType<z.ZodType['safeParse']> } | undefined;
}

interface PreparedShape {
  readonly fields: readonly Field[];
  /** By the name as it is, which nearly every writer writes, and in lower case. */
  readonly byName: ReadonlyMap<string, Field>;
}

const preparedShapes = new WeakMap<Shape, PreparedShape>();

function prepare(shape: Shape): PreparedShape {
  const known = preparedShapes.get(shape);
  if (known !== undefined) return known;
  const fields = Object.entries(shape).map(([name, type], index): Field => ({
    index,
    name,
    type,
    last: undefined,
  }));
  const byName = new Map<string, Field>();
  for (const field of fields) byName.set(field.name, field).set(field.name.toLowerCase(), field);
  const prepared = { fields, byName };
  preparedShapes.set(shape, prepared);
  return prepared;
}

/** What a type says of text or a number depends on nothing else, and is the same when it comes again. */
function parse(field: Field, value: unknown): ReturnType<z.ZodType['safeParse']> {
  if (typeof value === 'object') return field.type.safeParse(value);
  if (field.last === undefined || !Object.is(field.last.value, value))
    field.last = { value, parsed: field.type.safeParse(value) };
  return field.last.parsed;
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
    return { fields: {} as Partial<Fields<S>>, faults: [fault], unknown: [], nulls: [] };
  }
  const prepared = prepare(shape);
  const found: unknown[] = prepared.fields.map(() => undefined);
  const unknown: string[] = [];
  const nulls: string[] = [];
  for (const key of Object.keys(json)) {
    const value = (json as Readonly<Record<string, unknown>>)[key];
    const field = prepared.byName.get(key) ?? prepared.byName.get(key.toLowerCase());
    if (field === undefined) unknown.push(path + key);
    else if (value === null) nulls.push(field.name);
    else found[field.index] = value;
  }
  const fields: Record<string, unknown> = {};
  const faults: Fault[] = [];
  for (const field of prepared.fields) {
    const value = found[field.index];
    const parsed = parse(field, value);
    if (parsed.success) fields[field.name] = parsed.data;
    else
      for (const issue of parsed.error.issues)
        faults.push({ field: path + field.name, value, rule: issue.message });
  }
  return { fields: fields as Partial<Fields<S>>, faults, unknown, nulls };
}

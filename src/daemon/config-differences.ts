/** Whether two config documents say the same, and if not, what differs. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { showValue } from '../schema/go-json.js';
import { isSecretName, REDACTED } from './redact.js';

/** Whether two documents say the same, however they are laid out. What is nested too deep to compare does not. */
export function sameDocument(a: string, b: string): boolean {
  try {
    return a === b || isSame(JSON.parse(a), JSON.parse(b));
  } catch {
    return false;
  }
}

/**
 * Compares documents as they were written: a default that one of them spells out is a difference.
 * @param running the document that the agent runs
 * @param stored the one in etcd; both are JSON objects
 * @returns a line for each field, such as `Backend.VNI: 1 here, 2 in etcd`
 */
export function configDifferences(running: string, stored: string): readonly string[] {
  const [ours, theirs] = [fieldsOf(JSON.parse(running)), fieldsOf(JSON.parse(stored))];
  return [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter(field => !isSame(ours.get(field), theirs.get(field)))
    .map(field => {
      const [here, there] = [show(field, ours), show(field, theirs)];
      return here === there ? `${field}: another in etcd` : `${field}: ${here} here, ${there} in etcd`;
    });
}

/** Values by path: those of the document, and those of the objects in it, such as `Backend.VNI`. */
function fieldsOf(document: unknown): ReadonlyMap<string, unknown> {
  return new Map(
    membersOf(document).flatMap(([name, value]): [string, unknown][] => {
      const members = membersOf(value);
      return members.length === 0
        ? [[name, value]]
        : members.map(([member, inner]) => [`${name}.${member}`, inner]);
    }),
  );
}

function membersOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function show(field: string, fields: ReadonlyMap<string, unknown>): string {
  if (!fields.has(field)) return 'not given';
  return isSecretName(field) ? REDACTED : showValue(fields.get(field));
}

function isSame(a: unknown, b: unknown): boolean {
  try {
    return isDeepStrictEqual(a, b);
  } catch {
    return false;
  }
}

/** zod types for the kinds of fields that flannel's documents have, with rules in words that an admin can act on. */
import * as z from 'zod';
import { familyOf, parseIp, type Family, type IpAddress } from '../address/ip.js';
import { maskPrefix, parsePrefix, type Prefix } from '../address/prefix.js';

export const flag = z.boolean({ error: 'must be true or false' });

/** A whole number within bounds, both included. */
export function wholeNumber(least: number, most: number) {
  const rule = `must be a whole number between ${least} and ${most}`;
  // One check, so that one value is one fault.
  return z
    .number({ error: rule })
    .refine(value => Number.isInteger(value) && value >= least && value <= most, rule);
}

/** A JSON object, kept as it is with all its keys: `z.record` would drop one that is named `__proto__`. */
export const jsonObject = z.custom<Readonly<Record<string, unknown>>>(
  value => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be a JSON object',
);

/** An address of the family, as canonical text. */
export function ipAddress(family: Family) {
  const rule = `must be an IPv${family} address`;
  return z.string({ error: rule }).transform((text, context): IpAddress => {
    const parsed = parseIp(text);
    if (parsed !== undefined && familyOf(parsed) === family) return parsed;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

/** `ADDRESS/LENGTH` of the family; host bits are cleared, as flannel clears them. */
export function network(family: Family) {
  const rule = `must be an IPv${family} network such as ${family === 4 ? '10.5.0.0/16' : 'fd00:10::/48'}`;
  return z.string({ error: rule }).transform((text, context): Prefix => {
    const parsed = parsePrefix(text);
    if (parsed?.family === family) return maskPrefix(parsed);
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

import type { Test } from 'tap';

/** As `t.match` on each element, with none missing and none left over, which `t.match` on arrays lets pass. */
export function matchAll(
  t: Test,
  found: readonly unknown[],
  patterns: readonly unknown[],
  name?: string,
): void {
  t.equal(found.length, patterns.length, `${name ?? 'elements'}: ${JSON.stringify(found, bigintAsText)}`);
  t.match(found, patterns, name ?? 'match');
}

const bigintAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

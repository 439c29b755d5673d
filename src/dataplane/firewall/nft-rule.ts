/**
 * Rules of nftables as `nft --json list ruleset` prints them (libnftables-json(5)): chains, what a rule matches, and its text.
 * Pure; what is not understood matches nothing.
 */

export interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Of a base chain. */
  readonly hook?: string;
}

export interface NftRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr?: unknown;
}

/** A comparison in a rule. */
export interface NftMatch {
  /** Such as `udp dport`, `ip saddr`, `iifname`; `…` for what is not understood. */
  readonly left: string;
  readonly isNegated: boolean;
  readonly right: unknown;
}

/** A rule in parts; a verdict that is none of these, such as a jump, is undefined. */
export interface ParsedRule {
  readonly matches: readonly NftMatch[];
  readonly verdict: 'accept' | 'drop' | 'reject' | undefined;
  /** As nft would write it, near enough to find it. */
  readonly text: string;
}

/** Base chains with their rules in order; none when the text is not understood. */
export function parseNftRuleset(
  json: string,
): { readonly chain: NftChain; readonly rules: readonly ParsedRule[] }[] {
  const objects = parseObjects(json);
  const rules = objects.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  return objects
    .flatMap(({ chain }) => (chain?.hook === undefined ? [] : [chain]))
    .map(chain => ({
      chain,
      rules: rules
        .filter(
          ({ family, table, chain: name }) =>
            family === chain.family && table === chain.table && name === chain.name,
        )
        .map(({ expr }) => parseRule(Array.isArray(expr) ? expr : [])),
    }));
}

function parseObjects(json: string): { readonly chain?: NftChain; readonly rule?: NftRule }[] {
  try {
    const { nftables } = JSON.parse(json) as { nftables?: { chain?: NftChain; rule?: NftRule }[] };
    return Array.isArray(nftables) ? nftables : [];
  } catch {
    return [];
  }
}

const VERDICTS = ['accept', 'drop', 'reject'] as const;
/** They let the packet go on as it is. */
const NEUTRAL = new Set(['counter', 'log', 'notrack']);

function parseRule(expr: readonly unknown[]): ParsedRule {
  const matches: NftMatch[] = [];
  const words: string[] = [];
  let verdict: ParsedRule['verdict'];
  for (const part of expr) {
    const [kind = '', value] = Object.entries(asRecord(part))[0] ?? [];
    if (NEUTRAL.has(kind)) continue;
    if (kind === 'match') {
      const match = parseMatch(asRecord(value));
      matches.push(match);
      words.push(`${match.left} ${match.isNegated ? '!= ' : ''}${textOf(match.right)}`);
    } else {
      verdict ??= VERDICTS.find(each => each === kind);
      words.push(verdict === kind ? kind : '…');
      // Whatever else a rule asks for, such as a limit, makes it one of some packets only.
      if (verdict === undefined) matches.push({ left: '…', isNegated: false, right: undefined });
    }
  }
  return { matches, verdict, text: words.join(' ') };
}

function parseMatch({ op, left, right }: Record<string, unknown>): NftMatch {
  const { payload, meta } = asRecord(left);
  const { protocol, field } = asRecord(payload);
  const { key } = asRecord(meta);
  const name =
    typeof protocol === 'string' && typeof field === 'string'
      ? `${protocol} ${field}`
      : typeof key === 'string'
        ? key
        : '…';
  return { left: name, isNegated: op !== '==' && op !== 'in', right };
}

/** Whether a value, a set or a range of a match holds a number. */
export function holdsNumber(right: unknown, wanted: number): boolean {
  if (typeof right === 'number') return right === wanted;
  if (Array.isArray(right)) return right.some(each => holdsNumber(each, wanted));
  const { set, range } = asRecord(right);
  if (Array.isArray(range)) return Number(range[0]) <= wanted && wanted <= Number(range[1]);
  return set !== undefined && holdsNumber(set, wanted);
}

/** Texts of the addresses, prefixes or names of a match: `10.5.2.0/24`, `eth0`. */
export function textsIn(right: unknown): string[] {
  if (typeof right === 'string') return [right];
  if (Array.isArray(right)) return right.flatMap(textsIn);
  const { set, prefix } = asRecord(right);
  const { addr, len } = asRecord(prefix);
  if (typeof addr === 'string') return [`${addr}/${String(len)}`];
  return set === undefined ? [] : textsIn(set);
}

function textOf(right: unknown): string {
  if (typeof right === 'number') return String(right);
  const { range, set } = asRecord(right);
  if (Array.isArray(range)) return range.map(String).join('-');
  if (Array.isArray(set)) return `{ ${set.map(textOf).join(', ')} }`;
  if (Array.isArray(right)) return right.map(textOf).join(',');
  return textsIn(right).join(', ') || '…';
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

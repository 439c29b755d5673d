/** What `nft -j` and iptables-save print, as data. Pure. */
import { makePrefix, formatPrefix } from '../../address/prefix.js';
import type { NftTable, SavedTable } from './held.js';
import type { IptablesTable } from './iptables-text.js';
import type { Rule } from './model.js';

/** What was read is not what these programs print. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
}

/**
 * One table out of what iptables-save printed.
 * @returns undefined when it is not there
 */
export function parseSavedTable(text: string, table: IptablesTable): SavedTable | undefined {
  const policies = new Map<string, string>();
  const rules = new Map<string, string[]>();
  let current: string | undefined;
  let isFound = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      current = line.slice(1);
      isFound ||= current === table;
    }
    if (current !== table) continue;
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain !== null) {
      rules.set(chain[1]!, []);
      if (chain[2] !== '-') policies.set(chain[1]!, chain[2]!);
    }
    const rule = /^-A (\S+) (.*)$/.exec(line);
    if (rule !== null) rules.get(rule[1]!)?.push(rule[2]!);
  }
  return isFound ? { policies, rules } : undefined;
}

/** Objects of libnftables-json(5): each has one member, named by its kind. */
type NftObject = Readonly<Record<string, unknown>>;

/**
 * Names of the IPv4 tables out of what `nft -j list tables` printed.
 * @throws UnreadableError
 */
export function parseTableNames(json: string): ReadonlySet<string> {
  const tables = nftObjects(json).flatMap(object => membersOf(object.table));
  return new Set(tables.filter(({ family }) => family === 'ip').map(({ name }) => String(name)));
}

/**
 * The table out of what `nft -j list table ip NAME` printed.
 * @throws UnreadableError
 */
export function parseNftTable(json: string): NftTable {
  const objects = nftObjects(json);
  const chains = new Map<string, string>();
  const rules = new Map<string, (Rule | undefined)[]>();
  for (const { name, type, hook, prio } of objects.flatMap(object => membersOf(object.chain))) {
    const hooked = [type, hook, prio].filter(word => typeof word === 'string' || typeof word === 'number');
    chains.set(String(name), hooked.join(' '));
    rules.set(String(name), []);
  }
  for (const { chain, expr } of objects.flatMap(object => membersOf(object.rule)))
    rules.get(String(chain))?.push(parseNftRule(expr));
  return { chains, rules };
}

function nftObjects(json: string): readonly NftObject[] {
  try {
    const { nftables } = JSON.parse(json) as { nftables?: unknown };
    if (Array.isArray(nftables)) return nftables.flatMap(membersOf);
  } catch {
    // As any other text that is not nft's.
  }
  throw new UnreadableError(`not what nft -j prints: ${JSON.stringify(json.slice(0, 80))}`);
}

/** An object's members, in a list that is empty when it is none. */
function membersOf(value: unknown): NftObject[] {
  return typeof value === 'object' && value !== null ? [value as NftObject] : [];
}

/** @returns undefined for an expression that `formatNftRule` does not write */
function parseNftRule(expr: unknown): Rule | undefined {
  const parts: Partial<Rule>[] = [];
  for (const statement of Array.isArray(expr) ? expr : []) {
    const part = parseStatement(statement as NftObject);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  const rule = Object.assign({}, ...parts) as Partial<Rule>;
  // Two conditions on the same field would have come out as one.
  const isWhole = rule.verdict !== undefined && Object.keys(rule).length === parts.length;
  return isWhole ? (rule as Rule) : undefined;
}

function parseStatement(statement: NftObject): Partial<Rule> | undefined {
  if ('return' in statement) return { verdict: 'return' };
  if ('accept' in statement) return { verdict: 'accept' };
  if ('masquerade' in statement) return parseMasquerade(membersOf(statement.masquerade)[0]);
  const match = membersOf(statement.match)[0];
  return match === undefined ? undefined : parseMatch(match);
}

function parseMasquerade(details: NftObject | undefined): Partial<Rule> | undefined {
  if (details === undefined) return { verdict: 'masquerade' };
  const isRandom = [details.flags].flat().join() === 'fully-random' && Object.keys(details).length === 1;
  return isRandom ? { verdict: 'masquerade-random' } : undefined;
}

function parseMatch({ op, left, right }: NftObject): Partial<Rule> | undefined {
  const { payload, meta, '&': masked } = membersOf(left)[0] ?? {};
  if (payload !== undefined) return parseAddressMatch(membersOf(payload)[0], op, right);
  if (op !== '==') return undefined;
  if (meta !== undefined && typeof right === 'string') {
    const key = membersOf(meta)[0]?.key;
    if (key === 'iifname') return { inDevice: right };
    return key === 'oifname' ? { outDevice: right } : undefined;
  }
  if (!Array.isArray(masked) || typeof right !== 'number' || masked[1] !== right) return undefined;
  const isMark = membersOf(membersOf(masked[0])[0]?.meta)[0]?.key === 'mark';
  return isMark ? { mark: right } : undefined;
}

function parseAddressMatch(field: NftObject | undefined, op: unknown, right: unknown) {
  const prefix = parsePrefixValue(right);
  if (prefix === undefined || field?.protocol !== 'ip' || (op !== '==' && op !== '!=')) return undefined;
  if (field.field === 'saddr') return op === '==' ? { from: prefix } : { notFrom: prefix };
  if (field.field === 'daddr') return op === '==' ? { to: prefix } : { notTo: prefix };
  return undefined;
}

/** A whole address is a text, anything wider `{"prefix": {"addr": …, "len": …}}`. */
function parsePrefixValue(value: unknown): string | undefined {
  const { addr, len } = membersOf(membersOf(value)[0]?.prefix)[0] ?? { addr: value, len: 32 };
  if (typeof addr !== 'string' || typeof len !== 'number') return undefined;
  const prefix = makePrefix(addr, len);
  return prefix && formatPrefix(prefix);
}

/** Whether a host's firewall lets the overlay's packets in and through, as far as its rules tell. Pure. */

/** A verdict at the end of a chain that takes whatever no rule before it has let in. */
const CLOSES = new Set(['drop', 'reject']);

interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

interface NftRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly unknown[];
}

/**
 * Chains of nftables that drop or reject what comes in and is not let in by name, where no rule of the table names the
 * port. The chain of iptables-nft is left out: its matches cannot be read here.
 * @param json what `nft --json list ruleset` prints
 * @returns `family table chain` each; none when the text is not understood
 */
export function closedNftChains(json: string, port: number): string[] {
  return closedChainsAt('input', json, text => names(text, port));
}

/**
 * The same for packets that are forwarded, where no rule of the table names the overlay.
 * @param words device and network of the overlay
 */
export function closedForwardChains(json: string, words: readonly string[]): string[] {
  return closedChainsAt('forward', json, text => words.some(word => text.includes(word)));
}

function closedChainsAt(
  hook: 'input' | 'forward',
  json: string,
  isNamed: (rule: string) => boolean,
): string[] {
  const objects = parseRuleset(json);
  const rules = objects.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  const chains = objects.flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
  return chains
    .filter(chain => chain.hook === hook)
    .filter(
      ({ family, table, name }) =>
        (family === 'ip' || family === 'inet') && (table !== 'filter' || name !== hook.toUpperCase()),
    )
    .filter(chain => chain.policy === 'drop' || endsClosed(rules.filter(rule => isIn(rule, chain))))
    .filter(chain => !rules.some(rule => isBeside(rule, chain) && isNamed(JSON.stringify(rule.expr))))
    .map(({ family, table, name }) => `${family} ${table} ${name}`);
}

/**
 * The same for iptables.
 * @param rules what `iptables --list-rules` prints
 * @param program as which it is named in the result
 */
export function closedIptablesChains(rules: string, port: number, program: string): string[] {
  const lines = rules.split('\n');
  const last = lines.findLast(line => line.startsWith('-A INPUT ')) ?? '';
  const isClosed = lines.includes('-P INPUT DROP') || /^-A INPUT -j (DROP|REJECT)\b/.test(last);
  return isClosed && !names(rules, port) ? [`${program} INPUT`] : [];
}

function isIn(rule: NftRule, chain: NftChain): boolean {
  return rule.family === chain.family && rule.table === chain.table && rule.chain === chain.name;
}

/** In one table: a chain may jump to others. */
function isBeside(rule: NftRule, chain: NftChain): boolean {
  return rule.family === chain.family && rule.table === chain.table;
}

/** Whether the last rule takes everything that is left. */
function endsClosed(rules: readonly NftRule[]): boolean {
  const last = rules
    .at(-1)
    ?.expr.filter(each => typeof each === 'object' && each !== null && !('counter' in each));
  const verdict = last?.length === 1 ? Object.keys(last[0] as object)[0] : undefined;
  return verdict !== undefined && CLOSES.has(verdict);
}

/** By its number, which may stand in a set or end a range. */
function names(text: string, port: number): boolean {
  return new RegExp(`\\b${port}\\b`).test(text);
}

function parseRuleset(json: string): { readonly chain?: NftChain; readonly rule?: NftRule }[] {
  try {
    const document = JSON.parse(json) as { nftables?: { chain?: NftChain; rule?: NftRule }[] };
    return document.nftables ?? [];
  } catch {
    return [];
  }
}

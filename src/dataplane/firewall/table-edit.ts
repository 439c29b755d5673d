/** What has to be done to one table of iptables so that it holds one chain of ours, or none. Pure. */
import type { SavedTable } from './held.js';
import { chainLines, formatIptablesRule } from './iptables-text.js';
import type { Rule } from './model.js';

/** A chain of ours and the built-in chain that is to jump to it. */
export interface OwnChain {
  readonly name: string;
  readonly hook: 'FORWARD' | 'POSTROUTING';
}

/** A chain that flanneld leaves behind, of which what names this network is taken over. */
export interface FlannelChain {
  readonly name: string;
  /** As `formatPrefix` writes it. */
  readonly network: string;
}

/** Nobody has used the table yet. */
export const EMPTY_TABLE: SavedTable = { policies: new Map(), rules: new Map() };

/**
 * The lines for iptables-restore that give the chain these rules and one jump to it. The jump goes to the end, where
 * everybody else's rules win, or to the place of flanneld's.
 * @returns none when all is so already
 */
export function linesToPut(
  table: SavedTable,
  chain: OwnChain,
  rules: readonly Rule[],
  flannel: FlannelChain | undefined,
): string[] {
  const wanted = rules.map(formatIptablesRule);
  const lines = sameRules(table.rules.get(chain.name), wanted) ? [] : chainLines(chain.name, rules);
  const jump = `-j ${chain.name}`;
  const hookRules = table.rules.get(chain.hook) ?? [];
  const jumps = hookRules.filter(rule => rule === jump).length;
  const flannelPlace = flannel === undefined ? -1 : hookRules.findIndex(rule => jumpsTo(rule, flannel.name));
  if (jumps === 0)
    lines.push(
      flannelPlace < 0 ? `-A ${chain.hook} ${jump}` : `-I ${chain.hook} ${flannelPlace + 1} ${jump}`,
    );
  for (let surplus = jumps; surplus > 1; surplus--) lines.push(`-D ${chain.hook} ${jump}`);
  return [...lines, ...(flannel === undefined ? [] : linesToTakeOver(table, flannel))];
}

/** The lines that remove a chain with all jumps to it; none when it is not there. */
export function linesToRemove(table: SavedTable, chain: string): string[] {
  if (!table.rules.has(chain)) return [];
  const jumps = [...table.rules].flatMap(([from, rules]) =>
    rules.filter(rule => jumpsTo(rule, chain)).map(rule => `-D ${from} ${rule}`),
  );
  return [...jumps, `-F ${chain}`, `-X ${chain}`];
}

/**
 * The lines that remove what a flanneld of this network has left in its chain, and the chain with it unless it also
 * serves another network, whose flanneld may run.
 */
export function linesToTakeOver(table: SavedTable, { name, network }: FlannelChain): string[] {
  const rules = table.rules.get(name) ?? [];
  const ours = rules.filter(rule => rule.split(' ').includes(network));
  if (ours.length === 0) return [];
  const isShared = rules.some(rule => !ours.includes(rule) && /(?:^| )-[sd] /.test(rule));
  return isShared ? ours.map(rule => `-D ${name} ${rule}`) : linesToRemove(table, name);
}

/**
 * Whether packets that no rule of FORWARD accepts are dropped: by the policy, or by a rule at the end, which counts only
 * behind the jump to one of these chains: an admin's who drops before it wants to.
 */
export function dropsForwarded(table: SavedTable, chains: readonly string[]): boolean {
  if (table.policies.get('FORWARD') === 'DROP') return true;
  const rules = table.rules.get('FORWARD') ?? [];
  const jump = rules.findIndex(rule => chains.some(chain => jumpsTo(rule, chain)));
  return jump >= 0 && rules.slice(jump + 1).some(rule => /^-j (?:DROP|REJECT)(?: |$)/.test(rule));
}

/** What is behind a jump to a chain are no options of its own, so that the chain's name comes last. */
function jumpsTo(rule: string, chain: string): boolean {
  return / -[jg] \S+$/.test(` ${rule}`) && rule.endsWith(` ${chain}`);
}

function sameRules(found: readonly string[] | undefined, wanted: readonly string[]): boolean {
  return found?.join('\n') === wanted.join('\n');
}

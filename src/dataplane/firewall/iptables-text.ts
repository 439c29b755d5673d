/** Rules in the language of iptables-save and iptables-restore, which is the same for both variants. Pure. */
import type { Rule } from './model.js';

/** The tables that we look at. */
export type IptablesTable = 'filter' | 'nat';

const VERDICTS: Readonly<Record<Rule['verdict'], string>> = {
  accept: 'ACCEPT',
  return: 'RETURN',
  masquerade: 'MASQUERADE',
  'masquerade-random': 'MASQUERADE --random-fully',
};

/** A rule as iptables-save writes it, without `-A CHAIN`: what is read can be compared as it is. */
export function formatIptablesRule({ mark, from, notFrom, to, notTo, ...rule }: Rule): string {
  const words: string[] = [];
  if (from !== undefined) words.push(`-s ${from}`);
  if (notFrom !== undefined) words.push(`! -s ${notFrom}`);
  if (to !== undefined) words.push(`-d ${to}`);
  if (notTo !== undefined) words.push(`! -d ${notTo}`);
  if (rule.inDevice !== undefined) words.push(`-i ${rule.inDevice}`);
  if (rule.outDevice !== undefined) words.push(`-o ${rule.outDevice}`);
  if (mark !== undefined) words.push(`-m mark --mark ${hex(mark)}/${hex(mark)}`);
  return [...words, `-j ${VERDICTS[rule.verdict]}`].join(' ');
}

/** The lines that give a chain exactly these rules, making it if need be: a declaration empties a chain that is there. */
export function chainLines(chain: string, rules: readonly Rule[]): string[] {
  return [`:${chain} - [0:0]`, ...rules.map(rule => `-A ${chain} ${formatIptablesRule(rule)}`)];
}

/** The input of `iptables-restore --noflush` that changes one table, whole or not at all. */
export function restoreText(table: IptablesTable, lines: readonly string[]): string {
  return [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** Rules in nft's language. Pure. */
import type { Rule } from './model.js';

/** The chain of our table that masquerades. */
export const NFT_CHAIN = 'postrouting';

/**
 * Just behind everybody else's source NAT, which is at 100 (NF_IP_PRI_NAT_SRC of linux/netfilter_ipv4.h): the first to
 * translate a connection wins, and an admin's own rule is to win.
 */
export const NFT_PRIORITY = 105;

/**
 * The text that puts a table in place, whatever was there before, in one transaction: `nft -f -` does all of it or
 * nothing. The table is added first only so that it can be deleted.
 * @param table name as `firewallNamesOf` makes it
 * @param superseded IPv4 tables that go in the same moment
 */
export function nftReplaceTable(
  table: string,
  rules: readonly Rule[],
  superseded: readonly string[],
): string {
  return [
    `add table ip ${table}`,
    `delete table ip ${table}`,
    ...superseded.map(name => `delete table ip ${name}`),
    `add table ip ${table}`,
    `add chain ip ${table} ${NFT_CHAIN} { type nat hook postrouting priority ${NFT_PRIORITY}; policy accept; }`,
    ...rules.map(rule => `add rule ip ${table} ${NFT_CHAIN} ${formatNftRule(rule)}`),
    '',
  ].join('\n');
}

/** The text that removes a table that is there. */
export function nftDeleteTable(table: string): string {
  return `delete table ip ${table}\n`;
}

const VERDICTS: Readonly<Record<Rule['verdict'], string>> = {
  accept: 'accept',
  return: 'return',
  masquerade: 'masquerade',
  'masquerade-random': 'masquerade fully-random',
};

/** A rule without its table and chain. */
export function formatNftRule({ mark, from, notFrom, to, notTo, ...rule }: Rule): string {
  const words: string[] = [];
  if (mark !== undefined) words.push(`meta mark & ${hex(mark)} == ${hex(mark)}`);
  if (from !== undefined) words.push(`ip saddr ${from}`);
  if (notFrom !== undefined) words.push(`ip saddr != ${notFrom}`);
  if (to !== undefined) words.push(`ip daddr ${to}`);
  if (notTo !== undefined) words.push(`ip daddr != ${notTo}`);
  if (rule.inDevice !== undefined) words.push(`iifname "${rule.inDevice}"`);
  if (rule.outDevice !== undefined) words.push(`oifname "${rule.outDevice}"`);
  return [...words, VERDICTS[rule.verdict]].join(' ');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

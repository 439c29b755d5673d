/** What has to be changed in the packet filter so that it is as wished, a transaction each. Pure. */
import { formatPrefix, type Prefix } from '../../address/prefix.js';
import type { HeldFirewall, HeldNft, HeldVariant, NftTable, Reading, SavedTable, Variant } from './held.js';
import { restoreText, type IptablesTable } from './iptables-text.js';
import {
  forwardRules,
  isUsableInRules,
  masqueradeRules,
  type FirewallNames,
  type FirewallWish,
  type Rule,
} from './model.js';
import { NFT_CHAIN, NFT_PRIORITY, nftDeleteTable, nftReplaceTable } from './nft-text.js';
import { dropsForwarded, EMPTY_TABLE, linesToPut, linesToRemove, linesToTakeOver } from './table-edit.js';

/** What can change the packet filter. */
export type Tool = 'nft' | `iptables-${Variant}`;

/** One transaction: done as a whole or not at all. */
export interface Change {
  readonly tool: Tool;
  /** What the tool reads: `nft -f -`, or iptables-restore. */
  readonly text: string;
  readonly action: 'create' | 'change' | 'remove';
  /** What is changed, for people, such as `nft table ip selvedge-net`. */
  readonly what: string;
}

/** A thing that is wanted. It is in place when there is neither a change to make nor an error. */
export interface Part {
  /** Undefined when nothing is installed that could do it. */
  readonly tool: Tool | undefined;
  readonly change: Change | undefined;
  /** Why it can neither be told nor done. */
  readonly error: string | undefined;
}

/** How containers are masqueraded: by nft wherever it can. */
export interface MasqueradePart extends Part {
  /** Why nft does not do it; undefined when it does. */
  readonly withoutNft: string | undefined;
}

export interface FirewallPlan {
  /** Undefined when no masquerading is wanted. */
  readonly masquerade: MasqueradePart | undefined;
  /** One for each variant of iptables whose FORWARD chain drops. */
  readonly forward: readonly Part[];
  /** What is ours or flanneld's and not wanted any more, to go once all the rest is in place. */
  readonly removals: readonly Change[];
  /** Why it is not known of every variant whether it drops. */
  readonly unread: readonly string[];
}

/** Chains and the table that flanneld makes (pkg/trafficmngr/iptables, pkg/trafficmngr/nftables). */
const FLANNEL = { masquerade: 'FLANNEL-POSTRTG', forward: 'FLANNEL-FWD', nftTable: 'flannel-ipv4' } as const;
export const FLANNEL_NFT_TABLE = FLANNEL.nftTable;

/** @param wish undefined: nothing of ours is to stay */
export function planFirewall(
  wish: FirewallWish | undefined,
  held: HeldFirewall,
  names: FirewallNames,
): FirewallPlan {
  const masquerade = wish && wish.masquerade !== 'off' ? planMasquerade(wish, held, names) : undefined;
  const readable = held.iptables.flatMap(({ held: reading }) => (reading.ok ? [reading.value] : []));
  const forward = wish === undefined ? [] : readable.flatMap(each => planForward(wish, each, names) ?? []);
  return {
    masquerade,
    forward,
    removals: [
      ...removedNftTables(wish, held, names, masquerade),
      ...readable.flatMap(each => removedNatChains(wish, each, names, masquerade)),
      ...readable.flatMap(each => removedForwardChains(wish, each, names, forward)),
    ],
    unread: wish?.forwardDevices.length === 0 ? [] : held.iptables.flatMap(each => errorOf(each.held)),
  };
}

/**
 * The same host, made do without nft, which has refused to make a table.
 * @param cause what it said
 * @returns undefined where a table of ours shows that it can, so that what fails will pass, and where nothing else could
 */
export function hostWithoutNft(held: HeldFirewall, cause: string): HeldFirewall | undefined {
  if (held.nft?.ok !== true || held.nft.value.own !== undefined) return undefined;
  return held.iptables.some(each => each.held.ok) ? { ...held, nft: { ok: false, error: cause } } : undefined;
}

function planMasquerade(wish: FirewallWish, held: HeldFirewall, names: FirewallNames): MasqueradePart {
  const { nft, noNft } = held;
  if (nft?.ok === true) return { ...planNftMasquerade(wish, nft.value, names), withoutNft: undefined };
  const first = held.iptables.find(each => each.held.ok) ?? held.iptables[0];
  if (first !== undefined) {
    const withoutNft = nft?.error ?? noNft ?? 'nft is not installed';
    return { ...planIptablesMasquerade(wish, first, names), withoutNft };
  }
  const error =
    nft?.error ??
    (noNft === undefined
      ? 'neither nft nor iptables is installed'
      : `${noNft}, and iptables-legacy is not installed`);
  return { tool: nft && 'nft', change: undefined, error, withoutNft: undefined };
}

function planIptablesMasquerade(
  wish: FirewallWish,
  first: HeldFirewall['iptables'][number],
  names: FirewallNames,
): Part {
  const tool = toolOf(first.variant);
  if (!first.held.ok) return { tool, change: undefined, error: first.held.error };
  const nat = first.held.value.nat ?? EMPTY_TABLE;
  const chain = { name: names.masqueradeChain, hook: 'POSTROUTING' } as const;
  const lines = linesToPut(nat, chain, masqueradeRules(wish), flannelChain('masquerade', wish.network));
  return part(tool, restoreChange(tool, 'nat', chain.name, nat, lines));
}

function planNftMasquerade(wish: FirewallWish, { own, flannel }: HeldNft, { nftTable }: FirewallNames): Part {
  const rules = masqueradeRules(wish);
  if (own !== undefined && isExactly(own, rules)) return part('nft', undefined);
  const superseded = servesNetwork(flannel, wish.network) ? [FLANNEL.nftTable] : [];
  const text = nftReplaceTable(nftTable, rules, superseded);
  const action = own === undefined ? 'create' : 'change';
  return part('nft', { tool: 'nft', text, action, what: `nft table ip ${nftTable}` });
}

/** @returns undefined where nothing drops */
function planForward(wish: FirewallWish, held: HeldVariant, names: FirewallNames): Part | undefined {
  const { filter } = held;
  if (filter === undefined || !isForwardWanted(wish, filter, names)) return undefined;
  const tool = toolOf(held.variant);
  const unusable = wish.forwardDevices.find(device => !isUsableInRules(device));
  if (unusable !== undefined) {
    const error = `device ${JSON.stringify(unusable)} has a name that iptables takes for something else`;
    return { tool, change: undefined, error };
  }
  const chain = { name: names.forwardChain, hook: 'FORWARD' } as const;
  const lines = linesToPut(filter, chain, forwardRules(wish), flannelChain('forward', wish.network));
  return part(tool, restoreChange(tool, 'filter', chain.name, filter, lines));
}

function isForwardWanted(
  { forwardDevices }: FirewallWish,
  filter: SavedTable,
  { forwardChain }: FirewallNames,
): boolean {
  return forwardDevices.length > 0 && dropsForwarded(filter, [forwardChain, FLANNEL.forward]);
}

function removedNftTables(
  wish: FirewallWish | undefined,
  { nft }: HeldFirewall,
  { nftTable }: FirewallNames,
  masquerade: Part | undefined,
): Change[] {
  if (nft?.ok !== true) return [];
  const { own, flannel } = nft.value;
  const tables: string[] = [];
  if (masquerade === undefined && own !== undefined) tables.push(nftTable);
  // With a change of ours it goes in the same transaction.
  const isInPlace = masquerade !== undefined && masquerade.change === undefined;
  if (wish !== undefined && isInPlace && servesNetwork(flannel, wish.network)) tables.push(FLANNEL.nftTable);
  return tables.map(name => ({
    ...{ tool: 'nft', text: nftDeleteTable(name), action: 'remove' },
    what: `nft table ip ${name}`,
  }));
}

function removedNatChains(
  wish: FirewallWish | undefined,
  { variant, nat }: HeldVariant,
  { masqueradeChain }: FirewallNames,
  masquerade: Part | undefined,
): Change[] {
  const tool = toolOf(variant);
  if (nat === undefined || masquerade?.tool === tool) return [];
  const isReplaced = wish !== undefined && masquerade !== undefined;
  const theirs = isReplaced ? linesToTakeOver(nat, flannelChain('masquerade', wish.network)) : [];
  return [
    ...removalOf(tool, 'nat', masqueradeChain, linesToRemove(nat, masqueradeChain)),
    ...removalOf(tool, 'nat', FLANNEL.masquerade, theirs),
  ];
}

function removedForwardChains(
  wish: FirewallWish | undefined,
  { variant, filter }: HeldVariant,
  { forwardChain }: FirewallNames,
  forward: readonly Part[],
): Change[] {
  const tool = toolOf(variant);
  if (filter === undefined || forward.some(each => each.tool === tool)) return [];
  const isWanted = wish !== undefined && wish.forwardDevices.length > 0;
  const theirs = isWanted ? linesToTakeOver(filter, flannelChain('forward', wish.network)) : [];
  return [
    ...removalOf(tool, 'filter', forwardChain, linesToRemove(filter, forwardChain)),
    ...removalOf(tool, 'filter', FLANNEL.forward, theirs),
  ];
}

function removalOf(
  tool: `iptables-${Variant}`,
  table: IptablesTable,
  chain: string,
  lines: readonly string[],
): Change[] {
  if (lines.length === 0) return [];
  return [{ tool, text: restoreText(table, lines), action: 'remove', what: chainWords(tool, table, chain) }];
}

function restoreChange(
  tool: `iptables-${Variant}`,
  table: IptablesTable,
  chain: string,
  held: SavedTable,
  lines: readonly string[],
): Change | undefined {
  if (lines.length === 0) return undefined;
  const action = held.rules.has(chain) ? 'change' : 'create';
  return { tool, text: restoreText(table, lines), action, what: chainWords(tool, table, chain) };
}

function chainWords(tool: Tool, table: IptablesTable, chain: string): string {
  return `${tool} chain ${chain} of table ${table}`;
}

function part(tool: Tool, change: Change | undefined): Part {
  return { tool, change, error: undefined };
}

function toolOf(variant: Variant): `iptables-${Variant}` {
  return `iptables-${variant}`;
}

function flannelChain(purpose: 'masquerade' | 'forward', network: Prefix) {
  return { name: FLANNEL[purpose], network: formatPrefix(network) };
}

/** Nothing else in it, and nothing in another order. */
function isExactly(table: NftTable, rules: readonly Rule[]): boolean {
  const found = table.rules.get(NFT_CHAIN);
  return (
    table.chains.size === 1 &&
    table.chains.get(NFT_CHAIN) === `nat postrouting ${NFT_PRIORITY}` &&
    found?.length === rules.length &&
    rules.every((rule, index) => canonical(rule) === canonical(found[index]))
  );
}

function canonical(rule: Rule | undefined): string {
  return JSON.stringify(Object.entries(rule ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether it is the table of a flanneld of this network, and not of another one on this host. */
function servesNetwork(table: NftTable | undefined, network: Prefix): boolean {
  const name = formatPrefix(network);
  const rules = [...(table?.rules.values() ?? [])].flat();
  return rules.some(rule => rule?.from === name || rule?.to === name);
}

function errorOf(reading: Reading<unknown>): string[] {
  return reading.ok ? [] : [reading.error];
}

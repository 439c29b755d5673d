/** What the packet filter holds, as far as it concerns us. */
import type { Rule } from './model.js';

/** The two packet filters that programs called iptables write to; one host may use both. */
export type Variant = 'nft' | 'legacy';

export const VARIANTS: readonly Variant[] = ['nft', 'legacy'];

/** Something that was read, or why it could not be. */
export type Reading<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** A table as iptables-save tells it. */
export interface SavedTable {
  /** Of the built-in chains: ACCEPT or DROP. */
  readonly policies: ReadonlyMap<string, string>;
  /** By chain, in order, each without `-A CHAIN`. Every chain has its list. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

/** A table of nftables, read as our rules. */
export interface NftTable {
  /** Base chains have type, hook and priority: `nat postrouting 105`. */
  readonly chains: ReadonlyMap<string, string>;
  /** By chain; undefined stands for a rule that none of ours could be. */
  readonly rules: ReadonlyMap<string, readonly (Rule | undefined)[]>;
}

/** What nft holds. */
export interface HeldNft {
  /** Our own table. */
  readonly own: NftTable | undefined;
  /** The table that flanneld makes. */
  readonly flannel: NftTable | undefined;
}

/** What one variant of iptables holds. */
export interface HeldVariant {
  readonly variant: Variant;
  /** Undefined while nobody has used the table. */
  readonly filter: SavedTable | undefined;
  /** Undefined while nobody has used the table, and when it was not looked at. */
  readonly nat: SavedTable | undefined;
}

export interface HeldFirewall {
  /** Undefined: nft is not installed, or could not work here. */
  readonly nft: Reading<HeldNft> | undefined;
  /** Why `nft` is undefined where it is installed. */
  readonly noNft?: string;
  /** Those that are installed and may work, the one that people mean by `iptables` first. */
  readonly iptables: readonly { readonly variant: Variant; readonly held: Reading<HeldVariant> }[];
}

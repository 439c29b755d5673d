/** What nftables announces of its changes (linux/netfilter/nf_tables.h). Pure. */
import {
  NFGENMSG_BYTES,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG_DELCHAIN,
  NFT_MSG_DELRULE,
  NFT_MSG_DELTABLE,
  NFT_MSG_GETGEN,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_TABLE,
  NFTA_RULE_CHAIN,
  NFTA_RULE_TABLE,
  NFTA_TABLE_NAME,
} from './constants.js';
import type { Operation } from './exchange.js';
import { AttributeReader, structView, type Message } from './message.js';

/** Asks for the number of changes that there were: the smallest question of all. */
export const ASK_GENERATION: Operation = {
  type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
  flags: 0,
  describe: () => 'generation of nf_tables',
  // struct nfgenmsg: no family, version 0.
  write: writer => writer.u32(0),
};

/** A table, a chain or a rule has come, changed or gone. */
export interface NftAnnouncement {
  /** NFPROTO_* number, the same as AF_*: 2 is `ip`. */
  readonly family: number;
  readonly table: string;
  /** Of a chain or a rule. */
  readonly chain: string | undefined;
}

/** Where an announcement names its table and its chain. */
const NAMES = new Map<number, { readonly table: number; readonly chain?: number }>([
  [NFT_MSG_NEWTABLE, { table: NFTA_TABLE_NAME }],
  [NFT_MSG_DELTABLE, { table: NFTA_TABLE_NAME }],
  [NFT_MSG_NEWCHAIN, { table: NFTA_CHAIN_TABLE, chain: NFTA_CHAIN_NAME }],
  [NFT_MSG_DELCHAIN, { table: NFTA_CHAIN_TABLE, chain: NFTA_CHAIN_NAME }],
  [NFT_MSG_NEWRULE, { table: NFTA_RULE_TABLE, chain: NFTA_RULE_CHAIN }],
  [NFT_MSG_DELRULE, { table: NFTA_RULE_TABLE, chain: NFTA_RULE_CHAIN }],
]);

/**
 * @returns undefined for what is no table, chain or rule
 * @throws MalformedMessageError
 */
export function decodeNftAnnouncement({ type, body }: Message): NftAnnouncement | undefined {
  const names = type >> 8 === NFNL_SUBSYS_NFTABLES ? NAMES.get(type & 0xff) : undefined;
  if (names === undefined) return undefined;
  const family = structView(body, NFGENMSG_BYTES).getUint8(0);
  let table: string | undefined;
  let chain: string | undefined;
  const attributes = new AttributeReader(body, NFGENMSG_BYTES);
  while (attributes.next()) {
    if (attributes.type === names.table) table = attributes.string();
    else if (attributes.type === names.chain) chain = attributes.string();
  }
  return table === undefined ? undefined : { family, table, chain };
}

/**
 * Rules of others that drop what goes between this host and whole subnets of peers, as far as they can be told from texts.
 * Pure.
 */
import { containsPrefix, parsePrefix, type Prefix } from '../../address/prefix.js';
import type { HeldVariant, SavedTable } from './held.js';
import { parseNftRuleset, textsIn, type NftChain, type ParsedRule } from './nft-rule.js';

/** Such a rule. */
export interface SubnetDrop {
  /** `iptables-nft FORWARD`, `inet filter forward`. */
  readonly chain: string;
  readonly rule: string;
  /** Those that it is about. */
  readonly subnets: readonly Prefix[];
}

/** What is the overlay's on this host. */
export interface OverlayParts {
  /** Subnets of peers, and our own. */
  readonly subnets: readonly Prefix[];
  /** Undefined where packets go the way of the underlay: then a rule for a device alone says nothing. */
  readonly device: string | undefined;
  /** Of containers. */
  readonly bridges: readonly string[];
}

/** Rules that drop or reject by address or device alone; those that ask for more may mean some packets only. */
export function findSubnetDrops(
  iptables: readonly HeldVariant[],
  nftRuleset: string,
  overlay: OverlayParts,
): SubnetDrop[] {
  const saved = iptables.flatMap(({ variant, filter }) =>
    filter === undefined ? [] : savedDrops(`iptables-${variant}`, filter, overlay),
  );
  const nft = parseNftRuleset(nftRuleset)
    .filter(({ chain }) => isOnTheWay(chain))
    .flatMap(({ chain: { family, table, name }, rules }) => {
      const drop = firstDrop(rules.map(asTerms), overlay);
      return drop === undefined ? [] : [{ ...drop, chain: `${family} ${table} ${name}` }];
    });
  return [...saved, ...nft];
}

/** What a rule asks for, where it asks for nothing but addresses and devices: all that each match allows. */
interface Terms {
  readonly text: string;
  readonly verdict: ParsedRule['verdict'];
  readonly addresses: readonly (readonly string[])[];
  readonly devices: readonly (readonly string[])[];
}

/** A verdict on packets of a subnet that comes before the drop is taken to be meant. */
function firstDrop(
  rules: readonly (Terms | undefined)[],
  overlay: OverlayParts,
): Omit<SubnetDrop, 'chain'> | undefined {
  for (const rule of rules) {
    const subnets = rule?.verdict === undefined ? [] : concernedBy(rule, overlay);
    if (subnets.length > 0) return rule?.verdict === 'accept' ? undefined : { rule: rule!.text, subnets };
  }
  return undefined;
}

function concernedBy(rule: Terms, { subnets, device, bridges }: OverlayParts): readonly Prefix[] {
  const isHere = rule.devices.every(names => names.some(name => name === device || bridges.includes(name)));
  const isOverlay = rule.devices.some(names => device !== undefined && names.includes(device));
  // A rule about no address is of the overlay only with its device; one about all packets is told of as such.
  if (!isHere || (rule.addresses.length === 0 && !isOverlay)) return [];
  const found = rule.addresses.map(texts =>
    subnets.filter(subnet => texts.some(text => holds(text, subnet))),
  );
  if (found.some(each => each.length === 0)) return [];
  return found.length === 0 ? subnets : [...new Set(found.flat())];
}

function holds(text: string, subnet: Prefix): boolean {
  const prefix = parsePrefix(text.includes('/') ? text : `${text}/32`);
  return prefix !== undefined && containsPrefix(prefix, subnet);
}

/** Chains that see what is forwarded. What comes in for the host itself may well be forbidden to containers. */
function isOnTheWay({ family, table, name, hook }: NftChain): boolean {
  // Those of iptables-nft are read in its own words.
  if (table === 'filter' && name === name.toUpperCase()) return false;
  if (family === 'bridge') return true;
  return ['forward', 'prerouting', 'postrouting', 'ingress', 'egress'].includes(hook ?? '');
}

const ADDRESSES = new Set(['ip saddr', 'ip daddr']);
const DEVICES = new Set(['iifname', 'oifname', 'iif', 'oif']);
/** `ip saddr` in a table of another family comes with these. */
const FAMILIES = new Set(['nfproto', 'protocol', 'ether type']);

function asTerms({ matches, verdict, text }: ParsedRule): Terms | undefined {
  const isKnown = matches.every(
    ({ left, isNegated }) => !isNegated && (ADDRESSES.has(left) || DEVICES.has(left) || FAMILIES.has(left)),
  );
  if (!isKnown) return undefined;
  const of = (names: ReadonlySet<string>) =>
    matches.filter(({ left }) => names.has(left)).map(({ right }) => textsIn(right));
  return { text, verdict, addresses: of(ADDRESSES), devices: of(DEVICES) };
}

/** Of FORWARD, and of Docker's chain for an admin's own rules, which comes first. */
function savedDrops(program: string, { rules }: SavedTable, overlay: OverlayParts): SubnetDrop[] {
  return ['DOCKER-USER', 'FORWARD'].flatMap(chain => {
    const drop = firstDrop((rules.get(chain) ?? []).map(asSavedTerms), overlay);
    return drop === undefined
      ? []
      : [{ ...drop, chain: `${program} ${chain}`, rule: `-A ${chain} ${drop.rule}` }];
  });
}

const SAVED_VERDICTS = { ACCEPT: 'accept', DROP: 'drop', REJECT: 'reject' } as const;

/** @param text of a rule as iptables-save prints it, without its chain */
function asSavedTerms(text: string): Terms | undefined {
  const found = /^((?:-[sdio] \S+ )*)-j (ACCEPT|DROP|REJECT)(?: --reject-with \S+)?$/.exec(text);
  if (found === null) return undefined;
  const [, terms = '', verdict] = found;
  const of = (flag: RegExp) => [...terms.matchAll(flag)].map(match => [match[1]!]);
  return {
    text,
    verdict: SAVED_VERDICTS[verdict as keyof typeof SAVED_VERDICTS],
    addresses: of(/-[sd] (\S+)/g),
    devices: of(/-[io] (\S+)/g),
  };
}

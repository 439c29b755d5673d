/**
 * Rules of others that stand in the overlay's way, as far as they can be told from texts: in doubt nothing is said, because
 * a firewall that lets the right hosts in looks much like one that does not. Pure.
 */
import type { HeldVariant, SavedTable } from './held.js';
import { holdsNumber, parseNftRuleset, type ParsedRule } from './nft-rule.js';

/** A rule that drops or rejects the overlay's own packets. */
export interface PortDrop {
  readonly direction: 'in' | 'out';
  /** `iptables-nft INPUT`, `inet filter input`. */
  readonly chain: string;
  /** As the program prints it, of nftables near enough to find it. */
  readonly rule: string;
}

/**
 * Rules that drop UDP to a port.
 * @param iptables as read of each variant
 * @param nftRuleset what `nft --json list ruleset` printed, or anything else
 * @param device the underlay: a rule for other devices alone is none
 */
export function findPortDrops(
  iptables: readonly HeldVariant[],
  nftRuleset: string,
  port: number,
  device: string | undefined,
): PortDrop[] {
  const saved = iptables.flatMap(({ variant, filter }) =>
    (filter === undefined ? [] : dropsIn(filter, port, device)).map(drop => ({
      ...drop,
      chain: `iptables-${variant} ${drop.chain}`,
    })),
  );
  return [...saved, ...nftDrops(nftRuleset, port)];
}

const HOOKS = { INPUT: 'in', OUTPUT: 'out' } as const;

function dropsIn({ rules }: SavedTable, port: number, device: string | undefined): PortDrop[] {
  return Object.entries(HOOKS).flatMap(([chain, direction]) => {
    const all = rules.get(chain) ?? [];
    const named = all.filter(rule => namesPort(rule, port));
    // Whoever is let in by name before is let in.
    const [first] = named;
    if (first === undefined || !/ -j (DROP|REJECT)\b/.test(first) || isForOthers(first, device)) return [];
    return [{ direction, chain, rule: `-A ${chain} ${first}` }];
  });
}

/** `--dport 8472`, `--dports 53,8000:9000`. */
function namesPort(rule: string, port: number): boolean {
  const list = /-p udp .*[^!] --dports? (\S+)/.exec(rule)?.[1] ?? '';
  return list.split(',').some(each => {
    const [first = NaN, last = first] = each.split(':').map(Number);
    return first <= port && port <= last;
  });
}

/** A rule that spares the right hosts, or is for another device. */
function isForOthers(rule: string, device: string | undefined): boolean {
  const on = /(?:^| )-[io] (\S+)/.exec(rule)?.[1];
  return / ?! -[siod] /.test(` ${rule}`) || (on !== undefined && device !== undefined && on !== device);
}

const NFT_HOOKS: Readonly<Partial<Record<string, PortDrop['direction']>>> = {
  ingress: 'in',
  prerouting: 'in',
  input: 'in',
  output: 'out',
  postrouting: 'out',
  egress: 'out',
};

function nftDrops(json: string, port: number): PortDrop[] {
  return parseNftRuleset(json).flatMap(({ chain: { family, table, name, hook }, rules }) => {
    const direction = NFT_HOOKS[hook ?? ''];
    // Those of iptables-nft are read in its own words.
    if (direction === undefined || (table === 'filter' && name === name.toUpperCase())) return [];
    const first = rules.find(({ matches }) =>
      matches.some(({ left, right }) => PORT_FIELDS.has(left) && holdsNumber(right, port)),
    );
    if (first === undefined || !isDrop(first) || first.matches.some(({ isNegated }) => isNegated)) return [];
    return [{ direction, chain: `${family} ${table} ${name}`, rule: first.text }];
  });
}

const PORT_FIELDS: ReadonlySet<string> = new Set(['udp dport', 'th dport']);

function isDrop({ verdict }: ParsedRule): boolean {
  return verdict === 'drop' || verdict === 'reject';
}

/**
 * The rule of FORWARD that takes every packet before our chain is asked, or where that is not asked at all.
 * @param ownChain ours
 * @param words that say the overlay, device and network: an accept that names one, anywhere, is taken to let it through
 * @returns the rule without `-A FORWARD`, or undefined
 */
export function findRejectBefore(
  { rules }: SavedTable,
  ownChain: string,
  words: readonly string[],
): string | undefined {
  const forward = rules.get('FORWARD') ?? [];
  const jump = forward.indexOf(`-j ${ownChain}`);
  const before = jump < 0 ? forward : forward.slice(0, jump);
  const rejection = before.find(rule => /^-j (?:DROP|REJECT)(?: |$)/.test(rule));
  if (rejection === undefined) return undefined;
  const isAccepted = [...rules].some(
    ([chain, all]) =>
      chain !== ownChain &&
      all.some(rule => rule.endsWith('-j ACCEPT') && rule.split(' ').some(word => words.includes(word))),
  );
  return isAccepted ? undefined : rejection;
}

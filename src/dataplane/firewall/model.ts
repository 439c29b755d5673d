/**
 * The packet filter as the agent wants it: which packets are masqueraded, and which the FORWARD chain must let through.
 * Plain data, the same for nft and iptables. Pure.
 */
import { createHash } from 'node:crypto';
import { formatPrefix, type Prefix } from '../../address/prefix.js';

/** Whether packets that leave the network are masqueraded, and how they get their source ports. */
export type Masquerade = 'off' | 'kernel-ports' | 'random-ports';

/** What the agent asks of the packet filter. */
export interface FirewallWish {
  /** All containers of all hosts. */
  readonly network: Prefix;
  /** The containers of this host. */
  readonly subnet: Prefix;
  readonly masquerade: Masquerade;
  /**
   * Devices by which packets between containers of different hosts come and go; empty when nothing is to be accepted in
   * FORWARD chains.
   */
  readonly forwardDevices: readonly string[];
}

/** One rule. Prefixes are texts as `formatPrefix` writes them; what is left out matches everything. */
export interface Rule {
  /** This bit of the packet's mark is set. */
  readonly mark?: number;
  readonly from?: string;
  readonly notFrom?: string;
  readonly to?: string;
  readonly notTo?: string;
  readonly inDevice?: string;
  readonly outDevice?: string;
  readonly verdict: 'accept' | 'return' | 'masquerade' | 'masquerade-random';
}

/** What kube-proxy sets on packets that it masquerades itself; flannel leaves them to it (pkg/trafficmngr). */
export const KUBE_PROXY_MARK = 0x4000;

/** Multicast (RFC 5771): receivers must see who sends. */
const MULTICAST = '224.0.0.0/4';

/** Names in the packet filter that belong to one instance. */
export interface FirewallNames {
  readonly nftTable: string;
  readonly masqueradeChain: string;
  readonly forwardChain: string;
}

/** XT_EXTENSION_MAXNAMELEN of linux/netfilter/x_tables.h is 29, with the NUL. */
const LONGEST_CHAIN_NAME = 28;
const DIGEST_LENGTH = 8;

/** @param instance letters, digits, `_` and `-` */
export function firewallNamesOf(instance: string): FirewallNames {
  return {
    nftTable: `selvedge-${instance}`,
    masqueradeChain: chainName('SELVEDGE-MASQ-', instance),
    forwardChain: chainName('SELVEDGE-FWD-', instance),
  };
}

/** A long instance name is cut and told apart by a digest, one character longer than any name that is not cut. */
function chainName(begin: string, instance: string): string {
  const room = LONGEST_CHAIN_NAME - begin.length;
  if (instance.length < room) return begin + instance;
  const digest = createHash('sha256').update(instance).digest('hex').slice(0, DIGEST_LENGTH);
  return `${begin}${instance.slice(0, room - DIGEST_LENGTH - 1)}-${digest}`;
}

/**
 * The rules of POSTROUTING, flannel's in effect: containers see each other's own addresses, the world sees the host's.
 * Whoever is outside keeps its address towards containers of this host, but not when this host forwards it to another
 * one, which would answer by another way.
 */
export function masqueradeRules({ network, subnet, masquerade }: FirewallWish): readonly Rule[] {
  if (masquerade === 'off') return [];
  const all = formatPrefix(network);
  const verdict = masquerade === 'random-ports' ? 'masquerade-random' : 'masquerade';
  return [
    { mark: KUBE_PROXY_MARK, verdict: 'return' },
    { from: all, to: all, verdict: 'return' },
    { notFrom: all, to: formatPrefix(subnet), verdict: 'return' },
    { from: all, notTo: MULTICAST, verdict },
    { notFrom: all, to: all, verdict },
  ];
}

/** The rules of FORWARD: the traffic of the overlay and no other, so that a DROP goes on protecting what Docker protects. */
export function forwardRules({ network, subnet, forwardDevices }: FirewallWish): readonly Rule[] {
  const all = formatPrefix(network);
  const own = formatPrefix(subnet);
  return forwardDevices.flatMap(device => [
    { from: all, to: own, inDevice: device, verdict: 'accept' as const },
    { from: own, to: all, outDevice: device, verdict: 'accept' as const },
  ]);
}

/** Whether a device's name means in a rule what it means to the kernel: a `+` at its end would be a wildcard. */
export function isUsableInRules(device: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/.test(device);
}

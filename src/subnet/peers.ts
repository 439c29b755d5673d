/**
 * Which leases of others are peers, and which are set aside and why. Pure: no clock, no log.
 *
 * Nobody's data is trusted: a lease that is malformed, out of the network, or in the way of another is set aside with
 * its reason and changes nothing for the other peers. Of leases in conflict the oldest stays, so that a newcomer can
 * never take traffic from a host that was there first. A host that came by another subnet while the key of the first
 * still lives is in no conflict with itself: containers may use both, and what they share leads to it either way.
 *
 * The table is incremental: one changed key is judged against the few leases that it may conflict with, never against
 * all. The outcome depends on the leases alone, not on the order in which they came.
 */
import {
  containsIp,
  containsPrefix,
  formatPrefix,
  maskPrefix,
  overlaps,
  type Prefix,
} from '../address/prefix.js';
import { notAHostAddress, type IpAddress } from '../address/ip.js';
import { KeyIndex } from './key-index.js';
import { formatLeaseValue, parseLease, type Lease, type LeaseSubnets } from './lease.js';
import { isUnusedReservation } from './reservation.js';
import type { KeyChange, KeyValue } from './store.js';

/** Why a lease can be set aside; the README explains each. */
export const SET_ASIDE_CODES = [
  'bad-key',
  'bad-value',
  'outside-network',
  'overlaps-own',
  'overlaps',
  'bad-public-ip',
  'own-public-ip',
  'other-backend',
  'bad-backend-data',
  'duplicate',
  'reserved',
] as const;

/** Why a lease is not a peer: a code, and the reason with the values. */
export interface SetAside {
  readonly code: (typeof SET_ASIDE_CODES)[number];
  readonly reason: string;
}

/** A backend's word on a lease: fit, with what it claims for its host alone (such as a MAC), or not. */
export type Judgement =
  | { readonly ok: true; readonly claims: readonly string[] }
  | { readonly ok: false; readonly setAside: SetAside };

export interface PeerRules {
  /** `<prefix>/subnets/`, which every lease key starts with. */
  readonly keyPrefix: string;
  readonly network: Prefix;
  /** Whose peers they are; undefined judges all leases alike, as somebody does who is no host of the network. */
  readonly own:
    | {
        readonly key: string;
        readonly subnets: LeaseSubnets;
        /** Every address at which peers, or they alone, reach this host. */
        readonly addresses: readonly IpAddress[];
      }
    | undefined;
  readonly judge: (lease: Lease) => Judgement;
}

/** What a set of changes did to one peer; both undefined never occurs. */
export interface PeerChange {
  readonly key: string;
  readonly before: Lease | undefined;
  readonly after: Lease | undefined;
}

/** The outcome of a set of changes: peers that differ, and leases newly set aside. */
export interface PeerDelta {
  readonly peers: readonly PeerChange[];
  readonly setAside: readonly (SetAside & { readonly key: string })[];
}

/** A lease that passed all checks of its own and now only competes with others. */
interface Candidate {
  readonly lease: Lease;
  readonly claims: readonly string[];
}

export class PeerTable {
  readonly #rules: PeerRules;
  readonly #candidates = new Map<string, Candidate>();
  /** Candidates by prefix length, then by prefix, so that overlaps are found by look-up. */
  readonly #byLength = new Map<number, KeyIndex>();
  readonly #byClaim = new KeyIndex();
  readonly #accepted = new Map<string, Lease>();
  readonly #setAside = new Map<string, SetAside>();
  /** Keys that are gone from the store while its word is in doubt: still peers, but nobody stands behind them. */
  readonly #kept = new Set<string>();

  constructor(rules: PeerRules) {
    this.#rules = rules;
  }

  /** Peers by key. */
  get accepted(): ReadonlyMap<string, Lease> {
    return this.#accepted;
  }

  /** Leases set aside by key. */
  get setAside(): ReadonlyMap<string, SetAside> {
    return this.#setAside;
  }

  /** Peers whose key is gone, kept because the store's word is in doubt. */
  get kept(): ReadonlySet<string> {
    return this.#kept;
  }

  /** Keeps what another table kept and this one does not know. */
  keepFrom(other: PeerTable): PeerDelta {
    const missing = [...other.kept].filter(key => !this.#candidates.has(key));
    const leases = missing.flatMap(key => other.accepted.get(key) ?? []);
    const learnt = this.apply(
      leases.map(lease => ({ kind: 'put', entry: { ...lease, value: formatLeaseValue(lease) } })),
    );
    this.apply(
      leases.map(({ key, modRevision }) => ({ kind: 'delete', key, modRevision })),
      'keep',
    );
    return learnt;
  }

  /** Takes all that were kept at their key's word: they are gone. */
  forgetKept(): PeerDelta {
    return this.apply(Array.from(this.#kept, key => ({ kind: 'delete', key, modRevision: 0n })));
  }

  /**
   * Takes changes of keys in and says what they mean for peers. Keys outside `keyPrefix` and our own are passed over.
   * @param deletions `keep`: a peer whose key is gone stays one until its key comes back, another lease wants its place,
   *   or `forgetKept` is called
   */
  apply(changes: readonly KeyChange[], deletions: 'believe' | 'keep' = 'believe'): PeerDelta {
    const before = new Map<string, Lease | undefined>();
    const reasonsBefore = new Map<string, string | undefined>();
    const touched = new Set<string>();
    const note = (key: string) => {
      if (touched.has(key)) return;
      touched.add(key);
      before.set(key, this.#accepted.get(key));
      reasonsBefore.set(key, this.#setAside.get(key)?.reason);
    };
    for (const change of changes) {
      const key = change.kind === 'put' ? change.entry.key : change.key;
      if (!key.startsWith(this.#rules.keyPrefix) || key === this.#rules.own?.key) continue;
      note(key);
      if (change.kind === 'delete' && deletions === 'keep' && this.#candidates.has(key)) {
        this.#kept.add(key);
        continue;
      }
      for (const rival of this.#forget(key)) note(rival);
      if (change.kind === 'put') this.#learn(change.entry);
    }
    // Whoever competes with somebody whose place is in question may gain or lose his own by it.
    for (const key of touched) {
      const candidate = this.#candidates.get(key);
      if (candidate !== undefined) for (const rival of this.#rivals(candidate)) note(rival);
    }
    this.#decide([...touched].flatMap(key => this.#candidates.get(key) ?? []));
    return {
      peers: [...touched]
        .map(key => ({ key, before: before.get(key), after: this.#accepted.get(key) }))
        .filter(change => change.before !== change.after),
      setAside: [...touched].flatMap(key => {
        const now = this.#setAside.get(key);
        return now === undefined || now.reason === reasonsBefore.get(key) ? [] : [{ key, ...now }];
      }),
    };
  }

  /** Takes a key out. @returns the candidates that it stood in the way of */
  #forget(key: string): string[] {
    this.#kept.delete(key);
    this.#setAside.delete(key);
    this.#accepted.delete(key);
    const candidate = this.#candidates.get(key);
    if (candidate === undefined) return [];
    this.#candidates.delete(key);
    this.#unindex(candidate);
    return this.#rivals(candidate);
  }

  #learn(entry: KeyValue): void {
    const checked = checkLease(entry, this.#rules);
    if (!checked.ok) {
      this.#setAside.set(entry.key, checked.setAside);
      return;
    }
    this.#candidates.set(entry.key, checked.candidate);
    this.#index(checked.candidate);
  }

  /**
   * Accepts each candidate unless an accepted one of higher rank overlaps it, or is another host's and has one of its
   * claims. One that lost itself stands in nobody's way.
   * @param candidates with all their rivals, and their rivals' rivals
   */
  #decide(candidates: readonly Candidate[]): void {
    for (const { lease } of candidates) this.#accepted.delete(lease.key);
    const ranked = candidates.toSorted((a, b) => (this.#outranks(a.lease, b.lease) ? -1 : 1));
    for (const candidate of ranked) {
      const { lease } = candidate;
      const [winner] = this.#rivals(candidate)
        .flatMap(rival => this.#accepted.get(rival) ?? [])
        .sort((a, b) => (this.#outranks(a, b) ? -1 : 1));
      if (winner === undefined) {
        this.#setAside.delete(lease.key);
        this.#accepted.set(lease.key, lease);
      } else {
        this.#setAside.set(lease.key, whyRival(candidate, this.#candidates.get(winner.key)!));
      }
    }
  }

  /** A lease in the store before one that is only kept; then the older one. */
  #outranks(a: Lease, b: Lease): boolean {
    const [aIsKept, bIsKept] = [this.#kept.has(a.key), this.#kept.has(b.key)];
    return aIsKept === bIsKept ? isOlder(a, b) : bIsKept;
  }

  /** All other candidates that overlap this one, or claim the same for another host. IPv6 subnets have no data plane yet. */
  #rivals(candidate: Candidate): string[] {
    const subnet = candidate.lease.subnets.ipv4;
    const rivals = new Set<string>();
    for (const [length, index] of this.#byLength) {
      if (length <= subnet.length) {
        const wider = length === subnet.length ? subnet : maskPrefix({ ...subnet, length });
        for (const key of index.get(formatPrefix(wider))) rivals.add(key);
      } else {
        for (const key of index.all()) {
          if (containsPrefix(subnet, this.#candidates.get(key)!.lease.subnets.ipv4)) rivals.add(key);
        }
      }
    }
    for (const claim of candidate.claims) {
      for (const key of this.#byClaim.get(claim)) {
        // What leads to a host is made of its claims and its public IP: of the same ones, the same.
        if (this.#candidates.get(key)!.lease.publicIp !== candidate.lease.publicIp) rivals.add(key);
      }
    }
    rivals.delete(candidate.lease.key);
    return [...rivals];
  }

  #index({ lease, claims }: Candidate): void {
    const { length } = lease.subnets.ipv4;
    const ofLength = this.#byLength.get(length) ?? new KeyIndex();
    this.#byLength.set(length, ofLength);
    ofLength.add(formatPrefix(lease.subnets.ipv4), lease.key);
    for (const claim of claims) this.#byClaim.add(claim, lease.key);
  }

  #unindex({ lease, claims }: Candidate): void {
    const { length } = lease.subnets.ipv4;
    const ofLength = this.#byLength.get(length);
    ofLength?.remove(formatPrefix(lease.subnets.ipv4), lease.key);
    if (ofLength?.isEmpty === true) this.#byLength.delete(length);
    for (const claim of claims) this.#byClaim.remove(claim, lease.key);
  }
}

type Checked =
  { readonly ok: true; readonly candidate: Candidate } | { readonly ok: false; readonly setAside: SetAside };

/** The checks that look at one lease alone. */
function checkLease(entry: KeyValue, rules: PeerRules): Checked {
  const refuse = (code: SetAside['code'], reason: string): Checked => ({
    ok: false,
    setAside: { code, reason },
  });
  const parsed = parseLease(entry, rules.keyPrefix);
  if (!parsed.ok) return refuse(parsed.code, parsed.reason);
  const lease = parsed.value;
  const subnet = lease.subnets.ipv4;
  const ownSubnet = rules.own?.subnets.ipv4;
  if (!containsPrefix(rules.network, subnet)) {
    return refuse(
      'outside-network',
      `${formatPrefix(subnet)} is not in the network ${formatPrefix(rules.network)}`,
    );
  }
  if (ownSubnet !== undefined && overlaps(subnet, ownSubnet)) {
    return refuse(
      'overlaps-own',
      `${formatPrefix(subnet)} overlaps our own subnet ${formatPrefix(ownSubnet)}`,
    );
  }
  const notAHost = notAHostAddress(lease.publicIp);
  if (notAHost !== undefined) return refuse('bad-public-ip', `public IP ${lease.publicIp} is ${notAHost}`);
  if (containsIp(rules.network, lease.publicIp)) {
    return refuse('bad-public-ip', `public IP ${lease.publicIp} is inside the network itself`);
  }
  if (rules.own?.addresses.includes(lease.publicIp)) {
    return refuse('own-public-ip', `public IP ${lease.publicIp} is our own`);
  }
  if (isUnusedReservation(lease)) {
    return refuse('reserved', `reserved for ${lease.publicIp}, which has not come for it yet`);
  }
  const judgement = rules.judge(lease);
  if (!judgement.ok) return { ok: false, setAside: judgement.setAside };
  return { ok: true, candidate: { lease, claims: judgement.claims } };
}

function whyRival(loser: Candidate, winner: Candidate): SetAside {
  const holder = `${formatPrefix(winner.lease.subnets.ipv4)} (public IP ${winner.lease.publicIp}), which is older`;
  if (overlaps(loser.lease.subnets.ipv4, winner.lease.subnets.ipv4)) {
    return { code: 'overlaps', reason: `overlaps ${holder}` };
  }
  const claim = loser.claims.find(each => winner.claims.includes(each)) ?? 'claim';
  return { code: 'duplicate', reason: `${claim} is held by ${holder}` };
}

function isOlder(a: Lease, b: Lease): boolean {
  return a.createRevision === b.createRevision ? a.key < b.key : a.createRevision < b.createRevision;
}

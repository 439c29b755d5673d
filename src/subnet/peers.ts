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

/** A candidate, and the keys of all that it competes with; one that does so in two ways may be there twice. */
interface Contest {
  readonly candidate: Candidate;
  readonly rivals: readonly string[];
}

/** What was thought of a key. */
interface Standing {
  readonly lease: Lease | undefined;
  readonly reason: string | undefined;
}

const UNHEARD_OF: Standing = { lease: undefined, reason: undefined };

export class PeerTable {
  readonly #rules: PeerRules;
  readonly #candidates = new Map<string, Candidate>();
  /** Candidates by prefix length, then by base address, so that overlaps are found by look-up. */
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

  /** The peer that has exactly this subnet. */
  at(subnet: Prefix): Lease | undefined {
    for (const key of this.#byLength.get(subnet.length)?.under(subnet.address) ?? []) {
      const lease = this.#accepted.get(key);
      if (lease !== undefined) return lease;
    }
    return undefined;
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
    const before = new Map<string, Standing>();
    const note = (key: string) => {
      if (!before.has(key)) before.set(key, this.#standingOf(key));
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
    this.#decide(this.#contestsOf(before.keys(), note));
    return this.#differencesFrom(before);
  }

  #standingOf(key: string): Standing {
    const lease = this.#accepted.get(key);
    const reason = this.#setAside.get(key)?.reason;
    return lease === undefined && reason === undefined ? UNHEARD_OF : { lease, reason };
  }

  /**
   * The contests of the candidates among these keys, and of all that is drawn into them: whoever competes with somebody
   * whose place is in question may gain or lose his own by it.
   * @param note called with each key that a contest draws in; it adds the key to `keys`
   */
  #contestsOf(keys: Iterable<string>, note: (key: string) => void): Contest[] {
    const contests: Contest[] = [];
    for (const key of keys) {
      const candidate = this.#candidates.get(key);
      if (candidate === undefined) continue;
      const rivals = this.#rivals(candidate);
      for (const rival of rivals) note(rival);
      contests.push({ candidate, rivals });
    }
    return contests;
  }

  #differencesFrom(before: ReadonlyMap<string, Standing>): PeerDelta {
    const peers: PeerChange[] = [];
    const setAside: (SetAside & { readonly key: string })[] = [];
    for (const [key, { lease, reason }] of before) {
      const after = this.#accepted.get(key);
      if (after !== lease) peers.push({ key, before: lease, after });
      const now = this.#setAside.get(key);
      if (now !== undefined && now.reason !== reason) setAside.push({ key, ...now });
    }
    return { peers, setAside };
  }

  /** Takes a key out. @returns the candidates that it stood in the way of */
  #forget(key: string): readonly string[] {
    this.#setAside.delete(key);
    const candidate = this.#candidates.get(key);
    if (candidate === undefined) return [];
    this.#kept.delete(key);
    this.#accepted.delete(key);
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
   * @param contests of candidates with all their rivals, and their rivals' rivals
   */
  #decide(contests: readonly Contest[]): void {
    const contested: Contest[] = [];
    for (const contest of contests) {
      if (contest.rivals.length === 0) this.#accept(contest.candidate);
      else contested.push(contest);
    }
    for (const { candidate } of contested) this.#accepted.delete(candidate.lease.key);
    contested.sort((a, b) => (this.#outranks(a.candidate.lease, b.candidate.lease) ? -1 : 1));
    for (const { candidate, rivals } of contested) {
      const [winner] = rivals
        .flatMap(rival => this.#accepted.get(rival) ?? [])
        .sort((a, b) => (this.#outranks(a, b) ? -1 : 1));
      if (winner === undefined) this.#accept(candidate);
      else this.#setAside.set(candidate.lease.key, whyRival(candidate, this.#candidates.get(winner.key)!));
    }
  }

  #accept({ lease }: Candidate): void {
    this.#setAside.delete(lease.key);
    this.#accepted.set(lease.key, lease);
  }

  /** A lease in the store before one that is only kept; then the older one. */
  #outranks(a: Lease, b: Lease): boolean {
    const [aIsKept, bIsKept] = [this.#kept.has(a.key), this.#kept.has(b.key)];
    return aIsKept === bIsKept ? isOlder(a, b) : bIsKept;
  }

  /** All other candidates that overlap this one, or claim the same for another host. IPv6 subnets have no data plane yet. */
  #rivals({ lease, claims }: Candidate): readonly string[] {
    const { key, publicIp } = lease;
    const subnet = lease.subnets.ipv4;
    const rivals: string[] = [];
    for (const [length, index] of this.#byLength) {
      if (length <= subnet.length) {
        const wider = length === subnet.length ? subnet : maskPrefix({ ...subnet, length });
        rivals.push(...index.others(wider.address, key));
      } else {
        for (const other of index.all()) {
          if (containsPrefix(subnet, this.#candidates.get(other)!.lease.subnets.ipv4)) rivals.push(other);
        }
      }
    }
    for (const claim of claims) {
      for (const other of this.#byClaim.others(claim, key)) {
        // What leads to a host is made of its claims and its public IP: of the same ones, the same.
        if (this.#candidates.get(other)!.lease.publicIp !== publicIp) rivals.push(other);
      }
    }
    return rivals;
  }

  #index({ lease, claims }: Candidate): void {
    const { address, length } = lease.subnets.ipv4;
    let ofLength = this.#byLength.get(length);
    if (ofLength === undefined) this.#byLength.set(length, (ofLength = new KeyIndex()));
    ofLength.add(address, lease.key);
    for (const claim of claims) this.#byClaim.add(claim, lease.key);
  }

  #unindex({ lease, claims }: Candidate): void {
    const { address, length } = lease.subnets.ipv4;
    const ofLength = this.#byLength.get(length);
    ofLength?.remove(address, lease.key);
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

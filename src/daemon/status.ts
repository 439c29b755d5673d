/**
 * The status document: everything the agent knows of itself, typed and versioned.
 *
 * The control socket serves it, `selvedge status` prints it, later the metrics are made from it. Fields are only ever
 * added within one `version`; a reader ignores what it does not know. All times are ISO 8601 in UTC.
 */

/** Raised when a field is removed or changes its meaning. */
export const STATUS_VERSION = 1;

/** What the agent is doing, in the order in which a start passes through. */
export type Phase =
  'waiting-for-etcd' | 'waiting-for-config' | 'acquiring' | 'programming' | 'running' | 'stopping';

/** Something an operator should act on: what is seen, the probable cause, the next command to run. */
export interface Problem {
  /** A warning is of something to come: it makes no agent degraded. */
  readonly severity: 'error' | 'warning';
  /** Stable name, such as `etcd-away`. */
  readonly code: string;
  readonly seen: string;
  readonly cause: string;
  readonly next: string;
}

export interface ConfigStatus {
  /** `differs`: the store holds a valid config that is not the one we run; `invalid` and `missing`: it holds no valid one. */
  readonly state: 'missing' | 'invalid' | 'running' | 'differs';
  /** Key of the document in the store. */
  readonly key: string;
  /** Faults of the document in the store, a line each. */
  readonly faults: readonly string[];
  /** What we took for granted or ignored in the running document, a line each. */
  readonly notes: readonly string[];
  /** The document that we run, as it was read; null until the first valid one. */
  readonly running: string | null;
  /** Who says so: etcd, or only our own copy in the state directory, because etcd had none since we started. */
  readonly source: 'etcd' | 'state' | null;
}

export interface UnderlayStatus {
  readonly device: string;
  readonly address: string;
  readonly publicIp: string;
  readonly mtu: number;
  /** Why this device and address were chosen. */
  readonly reason: string;
}

export interface LeaseStatus {
  readonly subnet: string;
  readonly key: string;
  /** etcd lease in hexadecimal as etcdctl prints it, or null for a reservation (a key that never expires). */
  readonly etcdLease: string | null;
  /** How we came by it: `own` key found by public IP, `state` file, `subnet-file`, or `free` subnet. */
  readonly origin: 'own' | 'state' | 'subnet-file' | 'free';
  readonly renewedAt: string | null;
  readonly expiresAt: string | null;
}

/** The subnets of the range. */
export interface SubnetsStatus {
  readonly total: number;
  /** Those that no key stands in the way of: not leased, not reserved, not overlapped. */
  readonly free: number;
}

export interface EtcdDoubt {
  readonly reason: string;
  readonly since: string;
  /** When peers that have not come back will be removed. */
  readonly until: string;
  /** Peers that etcd no longer lists. */
  readonly keptPeers: number;
}

export interface CertificateStatus {
  readonly role: 'client' | 'CA';
  readonly file: string;
  /** When it ends; of several certificates in one file, when the next of them does. */
  readonly endsAt: string;
}

/** What is known of an endpoint beside what calls show. */
export interface EndpointStatus {
  readonly url: string;
  /** While another one serves in its place; null: nothing is known against it. */
  readonly passedOver: { readonly since: string; readonly cause: string } | null;
  /** When its certificate ends; null without TLS, and in the first minute. */
  readonly certificateEndsAt: string | null;
}

export interface EtcdStatus {
  readonly endpoints: readonly string[];
  readonly connected: boolean;
  /** Since when it has been connected or away. */
  readonly since: string;
  /** What the last failed call said; null while connected, unless etcd refuses a part of what we ask. */
  readonly lastError: string | null;
  /** What that is: no answer, no secure connection, or refused for want of permission or as a request. */
  readonly lastErrorKind: 'unavailable' | 'tls' | 'denied' | 'invalid' | null;
  /** Of which there is something to say. */
  readonly endpointStates: readonly EndpointStatus[];
  /** Certificate files in use. */
  readonly certificates: readonly CertificateStatus[];
  /** While etcd's word on who is gone is not believed; null otherwise. */
  readonly doubt: EtcdDoubt | null;
}

export interface PeerStatus {
  /** The host's name, or null: flanneld does not say. */
  readonly node: string | null;
  readonly subnet: string;
  readonly publicIp: string;
  /** Backend of the path: `vxlan`, `host-gw`, or `direct` for a vxlan peer on our own link. */
  readonly path: string;
  /** `programmed`: the kernel holds all entries; `pending`: not yet; `failing`: the kernel refused one. */
  readonly state: 'programmed' | 'pending' | 'failing';
  readonly error: string | null;
  /** Address of the peer's own behind the tunnel; null where there is no tunnel to it. */
  readonly overlayAddress: string | null;
  /** Null: it is not probed. */
  readonly probe: PeerProbe | null;
}

/** What the probes have shown of one peer. */
export interface PeerProbe {
  /**
   * `reachable`: packets between containers pass. `overlay-blocked`: its host answers, and nothing comes through the tunnel.
   * `unreachable`: it has answered before, and does not any more. `unknown`: no probe tells; all may be well.
   */
  readonly state: 'reachable' | 'unreachable' | 'overlay-blocked' | 'unknown';
  readonly since: string;
  readonly underlay: PathProbe;
  readonly overlay: PathProbe;
  /** Null until it was looked for. */
  readonly pathMtu: PathMtu | null;
}

export interface PathProbe {
  /** `untested`: too few probes to say. `never`: none was ever answered. `silent`: the last ones were not. */
  readonly word: 'untested' | 'answers' | 'silent' | 'never';
  /** Smoothed round-trip time; null before the first answer. */
  readonly rttMs: number | null;
  /** Of the latest 20 probes; null before the first. */
  readonly lossPercent: number | null;
  readonly answeredAt: string | null;
}

/** How large packets may be on their way to the peer. */
export interface PathMtu {
  /** `fits`: full-size packets pass whole. `fragmented`: in pieces. `black-hole`: they vanish. `unknown`: cannot be told. */
  readonly finding: 'fits' | 'fragmented' | 'black-hole' | 'unknown';
  /** Full size on the underlay, bytes: containers' MTU and what wraps their packets. */
  readonly wanted: number;
  /** The largest that passes whole, bytes on the underlay; null when that is not known. */
  readonly size: number | null;
  readonly testedAt: string;
}

/** The probes as a whole. */
export interface ProbesStatus {
  /** Packets per second at most, for all peers together. */
  readonly rate: number;
  /** Why there are none; null while they work. */
  readonly off: string | null;
  /** How long it takes to probe all peers once. */
  readonly roundSeconds: number;
  /** How many peers are in each state. */
  readonly peers: Readonly<Record<PeerProbe['state'], number>>;
  /** Packets since the start; those that were to find out the path MTU apart. */
  readonly sent: Readonly<Record<'underlay' | 'overlay' | 'mtu', number>>;
  readonly lost: Readonly<Record<'underlay' | 'overlay', number>>;
}

export interface SetAsideStatus {
  readonly key: string;
  readonly code: string;
  readonly reason: string;
}

/** How many entries of each kind are wanted, and how many of these the kernel holds. */
export type EntryCounts = Readonly<Record<'address' | 'fdb' | 'neighbour' | 'nexthop' | 'route', number>>;

/** Whether the overlay device leaves checksums to the hardware below it (`tx-checksum-ip-generic`). */
export interface TxChecksumStatus {
  /** Null: left as found. */
  readonly wanted: 'on' | 'off' | null;
  /** As last read, or null: not read yet, or the kernel cannot be asked. */
  readonly active: 'on' | 'off' | null;
  /** Why that is wanted, or left. */
  readonly reason: string;
}

export interface DataPlaneStatus {
  /** The overlay device, or null for a backend without one. */
  readonly device: { readonly name: string; readonly mac: string; readonly mtu: number } | null;
  /** Null for a backend without a device. */
  readonly txChecksum: TxChecksumStatus | null;
  readonly desired: EntryCounts;
  readonly held: EntryCounts;
  /** Entries put back or removed after the first complete programming, since the start. */
  readonly repairs: number;
  /** The latest of these that concern entries, the newest first, five at most. */
  readonly lastRepairs: readonly { readonly at: string; readonly what: string }[];
  readonly lastFullCheckAt: string | null;
  /** What is done in another way than usual and is no fault, a line each: a classic route in place of a nexthop object. */
  readonly notes: readonly string[];
  readonly failing: readonly { readonly entry: string; readonly error: string }[];
  /** Foreign kernel entries in the place of ours; left alone. */
  readonly conflicts: readonly { readonly wanted: string; readonly found: string }[];
}

/** One thing that is wanted of the packet filter. */
export interface FirewallPartStatus {
  /** Who writes it: `nft`, `iptables-nft` or `iptables-legacy`; null when nothing is installed that could. */
  readonly tool: string | null;
  readonly inPlace: boolean;
  readonly error: string | null;
}

export interface MasqueradeStatus extends FirewallPartStatus {
  /** Why nft does not do it; null when it does. */
  readonly withoutNft: string | null;
}

export interface FirewallStatus {
  /** Null: not wanted (`--ip-masq=false`). */
  readonly masquerade: MasqueradeStatus | null;
  /** Accepting the overlay's traffic: one for each variant of iptables whose FORWARD chain drops. */
  readonly forward: readonly FirewallPartStatus[];
  /** What was put right since the start. */
  readonly repairs: number;
  readonly checkedAt: string;
}

export interface StatusDocument {
  readonly version: typeof STATUS_VERSION;
  readonly agent: {
    readonly version: string;
    readonly instance: string;
    readonly pid: number;
    readonly startedAt: string;
  };
  readonly verdict: 'healthy' | 'degraded' | 'starting';
  readonly phase: Phase;
  /** While starting: the one thing that is awaited. */
  readonly awaiting: string | null;
  readonly problems: readonly Problem[];
  readonly etcd: EtcdStatus;
  readonly config: ConfigStatus;
  readonly underlay: UnderlayStatus | null;
  readonly lease: LeaseStatus | null;
  /** Null until the network is joined. */
  readonly subnets: SubnetsStatus | null;
  readonly peers: readonly PeerStatus[];
  /** Null when the operator wants none (`--probe-rate 0`). */
  readonly probes: ProbesStatus | null;
  readonly setAside: readonly SetAsideStatus[];
  readonly dataPlane: DataPlaneStatus | null;
  /** Null until it was looked at, which is when there is a lease. */
  readonly firewall: FirewallStatus | null;
  /** Files for Docker and others, by path. */
  readonly files: readonly { readonly path: string; readonly writtenAt: string }[];
}

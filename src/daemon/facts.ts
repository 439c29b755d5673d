/**
 * What the agent knows at one moment: the main flow writes it, the status document is made from it. All moments are
 * milliseconds of `performance.now()`, which no change of the wall clock moves.
 */
import type { Prefix } from '../address/prefix.js';
import type { Backend } from '../backends/backend.js';
import type { FirewallKeeper } from '../dataplane/firewall/keeper.js';
import type { OffloadKeeper } from '../dataplane/offload-keeper.js';
import type { Reconciler } from '../dataplane/reconciler.js';
import type { StoreConnection } from '../subnet/connection-watch.js';
import type { Doubt } from '../subnet/doubt.js';
import type { CredentialsView, EndpointView } from '../subnet/etcd3-store.js';
import type { Awaiting, HeldLease, LeaseManager, Loss, OwnLease } from '../subnet/manager.js';
import type { Position } from '../subnet/mirror.js';
import type { StoreError } from '../subnet/store.js';
import type { SubnetUsage } from '../subnet/subnet-usage.js';
import { emptyCounts, type Counts } from './counts.js';
import type { EnvFiles } from './env-files.js';
import type { ConfigFollower } from './config-follower.js';
import type { ChosenInterface } from './interface.js';
import type { Overlay } from './overlay.js';
import type { Probing } from './probing.js';
import type { SavedState } from './saved-state.js';
import type { TxChecksumChoice } from './tx-checksum.js';
import type { WatchToKernel } from './watch-to-kernel.js';

/** Both clocks at one moment: milliseconds since the epoch, and of the clock that facts are kept in. */
export interface Moment {
  readonly wall: number;
  readonly steady: number;
}

/** A moment of that clock as ISO 8601. */
export type ToIso = (steady: number) => string;

/** Tells moments by where the two clocks stand now. */
export function isoAt({ wall, steady: now }: Moment): ToIso {
  return steady => new Date(wall - (now - steady)).toISOString();
}

/** What is the matter with our lease. */
export interface LeaseTrouble {
  /** For people. */
  readonly seen: string;
  /** When the store failed or refused. */
  readonly error?: StoreError;
}

/** This host had to take another subnet while it ran. */
export interface Move {
  readonly from: Prefix;
  readonly loss: Loss;
  /** When it had the other one. */
  readonly at: number;
}

export interface Facts {
  readonly startedAt: number;
  readonly counts: Counts;
  stopping: boolean;
  connection: StoreConnection | undefined;
  /** How the files that let us into etcd are doing. */
  credentials: CredentialsView | undefined;
  /** What is known of the endpoints beside what calls show; empty until there is something. */
  endpoints: readonly EndpointView[];
  /** Whether the store's deletions are believed. */
  doubt: Doubt | undefined;
  /** The first complete list of keys has arrived. */
  mirrored: boolean;
  /** What this host remembers, read at the start and brought up to date with each lease. */
  saved: SavedState;
  /** How far an earlier run of this host had followed etcd. */
  history: Position | undefined;
  config: ConfigFollower | undefined;
  underlay: ChosenInterface | undefined;
  backend: Backend | undefined;
  own: OwnLease | undefined;
  renewedAt: number | undefined;
  expiresAt: number | undefined;
  /** What became of the lease in `own`, until another is acquired. */
  ownLost: Loss | undefined;
  /** The subnet that was lost last, until one is acquired. */
  lostSubnet: Prefix | undefined;
  moved: Move | undefined;
  leaseTrouble: LeaseTrouble | undefined;
  /** The lease whose holder may live and be us. */
  awaiting: Awaiting | undefined;
  /** The lease of another host that lives and has our public IP. */
  duplicate: HeldLease | undefined;
  /** How many subnets the range has, when none of them is free. */
  exhausted: bigint | undefined;
  /** How much of the range is left. */
  usage: SubnetUsage | undefined;
  overlay: Overlay | undefined;
  reconciler: Reconciler | undefined;
  firewall: FirewallKeeper | undefined;
  /** Of the overlay device, when there is one. */
  checksum: { readonly choice: TxChecksumChoice; readonly keeper: OffloadKeeper } | undefined;
  manager: LeaseManager | undefined;
  files: EnvFiles | undefined;
  /** Undefined when the operator wants no probes. */
  probing: Probing | undefined;
  /** Address of Docker's bridge, as last read. */
  dockerBridge: Prefix | undefined;
  /** Times what the watch brings, when somebody asks for metrics. */
  watchToKernel: WatchToKernel | undefined;
  /** Is told of each answer to a probe, when somebody asks for metrics. */
  onProbeAnswer: ((path: 'underlay' | 'overlay', rttMs: number) => void) | undefined;
  /** When the reconciler last ended a pass, whatever came of it. */
  lastPassAt: number | undefined;
  /** Why the health port cannot be served. */
  healthPortError: string | undefined;
  /** Why the state could not be saved. */
  stateError: string | undefined;
  /** Why it could not be noted how far we followed etcd. */
  historyError: string | undefined;
}

export function emptyFacts(startedAt: number): Facts {
  return {
    startedAt,
    counts: emptyCounts(),
    stopping: false,
    connection: undefined,
    credentials: undefined,
    endpoints: [],
    doubt: undefined,
    mirrored: false,
    saved: {},
    history: undefined,
    config: undefined,
    underlay: undefined,
    backend: undefined,
    own: undefined,
    renewedAt: undefined,
    expiresAt: undefined,
    ownLost: undefined,
    lostSubnet: undefined,
    moved: undefined,
    leaseTrouble: undefined,
    awaiting: undefined,
    duplicate: undefined,
    exhausted: undefined,
    usage: undefined,
    overlay: undefined,
    reconciler: undefined,
    firewall: undefined,
    checksum: undefined,
    manager: undefined,
    files: undefined,
    probing: undefined,
    dockerBridge: undefined,
    watchToKernel: undefined,
    onProbeAnswer: undefined,
    lastPassAt: undefined,
    healthPortError: undefined,
    stateError: undefined,
    historyError: undefined,
  };
}

/** Whether the kernel holds the host's own part, with all peers handed over: the files may say so. */
export function isHostProgrammed({ reconciler }: Facts): boolean {
  return reconciler?.view.settled === true && reconciler.hostState().programmed;
}

/**
 * What was seen of a host, as plain data: each fact is a value, or why it could not be had. The checks read nothing else.
 */
import type { HeldVariant } from '../dataplane/firewall/held.js';
import type { HostInterface, LinkState, RouteTo } from '../dataplane/host-network.js';
import type { HeldLink } from '../dataplane/kernel.js';
import type { Entry } from '../dataplane/model.js';
import type { RunningFlanneld } from '../daemon/host-checks.js';
import type { HostReading } from '../daemon/host-setup/judge.js';
import type { ChosenInterface } from '../daemon/interface.js';
import type { AgentOptions } from '../daemon/options.js';
import type { SavedState } from '../daemon/saved-state.js';
import type { StatusDocument } from '../daemon/status.js';
import type { KeyValue, StoreError } from '../subnet/store.js';

/** Something that was looked for. */
export type Fact<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** The agent of the instance. */
export type AgentFact =
  /** With the user whose process it is; undefined when that is not to be seen. */
  | { readonly kind: 'answers'; readonly status: StatusDocument; readonly uid: number | undefined }
  /** Nobody holds the instance's lock. */
  | { readonly kind: 'down'; readonly otherInstances: readonly string[] }
  /** Somebody holds the lock, and gives no sound answer. */
  | { readonly kind: 'silent'; readonly seen: string; readonly cause: string; readonly next: string };

/** Everything under the prefix, asked for by ourselves. */
export type EtcdFact =
  | { readonly kind: 'read'; readonly entries: readonly KeyValue[] }
  | { readonly kind: 'failed'; readonly error: StoreError }
  /** Not even tried: a credential file cannot be used. */
  | { readonly kind: 'unusable'; readonly fault: string };

/** What one endpoint says of itself by HTTP. */
export interface EtcdServer {
  readonly url: string;
  /** Such as `3.4.23`; undefined when it does not say. */
  readonly version: string | undefined;
  /** How far its clock is ahead of ours, milliseconds, to the second; undefined when it does not tell the time. */
  readonly aheadMs: number | undefined;
}

/** The host's own network. */
export interface NetworkFact {
  readonly interfaces: readonly HostInterface[];
  readonly states: ReadonlyMap<string, LinkState>;
  readonly links: readonly HeldLink[];
  /** All addresses, nexthops and routes of table main, and what is on the overlay devices. */
  readonly entries: readonly Entry[];
  /** The interface by the options, or why there is none. */
  readonly chosen: ChosenInterface | { readonly refusal: string };
}

/** The packet filter. */
export interface FirewallFact {
  readonly iptables: readonly HeldVariant[];
  /** What `nft --json list ruleset` printed; empty without nft. */
  readonly nftRuleset: string;
  /** Why something of it could not be read. */
  readonly unread: readonly string[];
}

export interface FilesFact {
  /** By path; undefined: not there. */
  readonly subnetEnv: string | undefined;
  readonly dockerEnv: string | undefined;
}

export interface StateFact {
  readonly state: SavedState;
  /** What is wrong with the file. */
  readonly fault: string | undefined;
  /** Undefined: this host has none yet. */
  readonly nodeId: string | undefined;
}

/** UdpInCsumErrors of this network namespace, twice. */
export interface ChecksumFact {
  readonly before: number;
  readonly after: number;
  readonly seconds: number;
}

export interface SettingsFact {
  readonly setup: HostReading;
  /** net.bridge.bridge-nf-call-iptables; undefined: br_netfilter is not loaded. */
  readonly bridgeNetfilter: string | undefined;
  /** Devices by which no packet may come in that is to be forwarded (net.ipv4.conf.DEVICE.forwarding). */
  readonly unforwarding: readonly string[];
}

/** Packets of the overlay device since it was made. */
export interface DeviceCounters {
  readonly received: number;
  readonly sent: number;
  /** That it could not hand to the underlay: dropped by this very host, or without a way. */
  readonly unsent: number;
}

/** The counters twice, while the agent's probes of all peers are lost in the tunnel. */
export interface TunnelFact {
  readonly device: string;
  readonly before: DeviceCounters;
  readonly after: DeviceCounters;
  readonly seconds: number;
}

/** The kernel's way to a peer, by the agent's word programmed. */
export interface PeerWay {
  readonly subnet: string;
  /** The address in the subnet that was asked for. */
  readonly target: string;
  /** For packets of this host; undefined: there is no way. */
  readonly ofHost: RouteTo | undefined;
  /** For packets that come from a container; undefined also where that cannot be asked. */
  readonly ofContainers: RouteTo | undefined;
}

/** What each fact is, by its name. */
export interface FactValues {
  readonly agent: AgentFact;
  readonly etcd: EtcdFact;
  readonly etcdServers: readonly EtcdServer[];
  readonly network: NetworkFact;
  readonly firewall: FirewallFact;
  readonly settings: SettingsFact;
  readonly files: FilesFact;
  readonly state: StateFact;
  readonly checksums: ChecksumFact;
  /** Undefined: there is nothing to count, for some peer is reached, or none is probed. */
  readonly tunnel: TunnelFact | undefined;
  readonly ways: readonly PeerWay[];
  readonly flannelds: readonly RunningFlanneld[];
  /** Whether the kernel makes VXLAN devices. */
  readonly hasVxlan: boolean;
}

export type FactName = keyof FactValues;

/** All of it. */
export interface HostFacts {
  readonly options: AgentOptions;
  readonly facts: { readonly [N in FactName]: Fact<FactValues[N]> };
}

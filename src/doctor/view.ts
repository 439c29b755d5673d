/** What several facts say together: who answers counts before who is asked for, and that before what was kept. Pure. */
import type { IpAddress } from '../address/ip.js';
import { containsPrefix, parsePrefix, type Prefix } from '../address/prefix.js';
import type { Entry } from '../dataplane/model.js';
import { readConfigDocument, type RunnableConfig } from '../daemon/config-document.js';
import type { StatusDocument } from '../daemon/status.js';
import { parseLease, type Lease } from '../subnet/lease.js';
import type { FactName, FactValues, HostFacts } from './facts.js';

/** A fact that a check can do without. */
export function known<N extends FactName>({ facts }: HostFacts, name: N): FactValues[N] | undefined {
  const fact = facts[name];
  return fact.ok ? fact.value : undefined;
}

/** What the agent says, when one answers. */
export function statusOf(host: HostFacts): StatusDocument | undefined {
  const agent = known(host, 'agent');
  return agent?.kind === 'answers' ? agent.status : undefined;
}

/** The config that runs, else the one in etcd, else the one that ran last; undefined when there is none, or a faulty one. */
export function configOf(host: HostFacts): RunnableConfig | undefined {
  const texts = [statusOf(host)?.config.running, documentIn(host), known(host, 'state')?.state.config];
  const text = texts.find(each => typeof each === 'string');
  const read = typeof text === 'string' ? readConfigDocument(text) : undefined;
  return read?.ok === true ? read.config : undefined;
}

/** The document in etcd; undefined when etcd was not read, null when there is none. */
export function documentIn(host: HostFacts): string | null | undefined {
  const etcd = known(host, 'etcd');
  if (etcd?.kind !== 'read') return undefined;
  const key = `${host.options.etcd.prefix}/config`;
  return etcd.entries.find(entry => entry.key === key)?.value ?? null;
}

/** The underlay that the agent uses, else the one that it would choose. */
export interface UnderlayView {
  readonly device: string;
  readonly address: IpAddress;
  readonly publicIp: IpAddress;
  /** As the device has it now; undefined when there is no such device. */
  readonly mtu: number | undefined;
}

/** @returns undefined when there is no telling */
export function underlayOf(host: HostFacts): UnderlayView | undefined {
  const network = known(host, 'network');
  const mtuOf = (device: string) => network?.links.find(({ name }) => name === device)?.mtu;
  const used = statusOf(host)?.underlay;
  if (used !== undefined && used !== null) {
    const { device, address, publicIp } = used;
    return { device, address, publicIp, mtu: mtuOf(device) };
  }
  if (network === undefined || 'refusal' in network.chosen) return undefined;
  const { name, address, publicIp } = network.chosen;
  return { device: name, address, publicIp, mtu: mtuOf(name) };
}

/** All leases in etcd that can be read; none when etcd was not read. */
export function leasesIn(host: HostFacts): readonly Lease[] {
  const etcd = known(host, 'etcd');
  if (etcd?.kind !== 'read') return [];
  const keyPrefix = `${host.options.etcd.prefix}/subnets/`;
  return etcd.entries
    .filter(({ key }) => key.startsWith(keyPrefix))
    .map(entry => parseLease(entry, keyPrefix))
    .flatMap(parsed => (parsed.ok ? [parsed.value] : []));
}

/** This host's lease in etcd: the one that the agent holds, else the one with our public IP. */
export function ownLeaseIn(host: HostFacts): Lease | undefined {
  const held = statusOf(host)?.lease?.key;
  const publicIp = underlayOf(host)?.publicIp;
  return leasesIn(host).find(lease =>
    held === undefined ? lease.publicIp === publicIp : lease.key === held,
  );
}

/** Whether a lease with our public IP is ours as far as can be told: it is the agent's, or bears our node id or none. */
export function isHolder(host: HostFacts, lease: Lease): boolean {
  if (lease.key === statusOf(host)?.lease?.key) return true;
  const nodeId = known(host, 'state')?.nodeId;
  return lease.holder === undefined || nodeId === undefined || lease.holder.nodeId === nodeId;
}

/** The subnet that this host has, or had last. */
export function ownSubnetOf(host: HostFacts): Prefix | undefined {
  const held = statusOf(host)?.lease?.subnet;
  if (held !== undefined) return parsePrefix(held);
  return ownLeaseIn(host)?.subnets.ipv4 ?? known(host, 'state')?.state.subnet;
}

/** The subnets of peers: the agent's word, else all leases but ours. */
export function peerSubnetsOf(host: HostFacts): readonly Prefix[] {
  const status = statusOf(host);
  if (status === undefined) {
    const own = ownLeaseIn(host)?.key;
    return leasesIn(host).flatMap(({ key, subnets }) => (key === own ? [] : [subnets.ipv4]));
  }
  return status.peers.flatMap(({ subnet }) => parsePrefix(subnet) ?? []);
}

/** Devices that have an address of this subnet: the bridges of containers. */
export function bridgesOf(entries: readonly Entry[], subnet: Prefix, overlay: string | undefined): string[] {
  return entries.flatMap(entry =>
    entry.kind === 'address' && entry.device !== overlay && containsPrefix(subnet, entry.prefix)
      ? [entry.device]
      : [],
  );
}

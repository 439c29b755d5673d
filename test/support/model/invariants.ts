/** What must be true of the hosts of the model. Pure. */
import { formatPrefix, overlaps, samePrefix } from '../../../src/address/prefix.js';
import { formatLeaseValue, parseSubnetKey } from '../../../src/subnet/lease.js';
import type { KeyValue } from '../../../src/subnet/store.js';
import { SUBNETS } from './actions.js';
import { KEY_PREFIX, type Agent } from './agent.js';
import type { Ledger } from './ledger.js';
import type { Host } from './system.js';
import { macOf, readWire } from './wire.js';

type LiveHost = Host & { readonly agent: Agent };

/** Two that live and hold one subnet. */
export function sharedSubnets(hosts: readonly Host[]): string[] {
  const holders = live(hosts).flatMap(({ publicIp, agent: { facts } }) =>
    facts.own === undefined || facts.ownLost !== undefined ? [] : [{ publicIp, subnet: facts.own.subnet }],
  );
  return holders.flatMap((one, index) =>
    holders
      .slice(index + 1)
      .filter(other => overlaps(one.subnet, other.subnet))
      .map(other => `${one.publicIp} and ${other.publicIp} both hold ${formatPrefix(one.subnet)}`),
  );
}

/** All that is not as it should be once nothing has happened for long enough. */
export function restFaults(hosts: readonly Host[], entries: readonly KeyValue[], ledger: Ledger): string[] {
  return [
    ...sharedSubnets(hosts),
    ...live(hosts).flatMap(host => [
      ...ownFaults(host, entries),
      ...wireRestFaults(host, entries),
      ...keptFaults(host, entries, ledger),
      ...peerFaults(host, hosts, entries),
    ]),
  ];
}

function live(hosts: readonly Host[]): LiveHost[] {
  return hosts.filter((host): host is LiveHost => host.agent !== undefined);
}

/** Its lease is in the store, says what it should and will expire without it; without one there is none to be had. */
function ownFaults({ publicIp, agent }: LiveHost, entries: readonly KeyValue[]): string[] {
  const { own, ownLost, doubt } = agent.facts;
  if (doubt?.state !== undefined) return [`${publicIp} doubts: ${doubt.state.reason}`];
  if (own === undefined || ownLost !== undefined) {
    return freeSubnets(entries) === 0 ? [] : [`${publicIp} has no lease, and there are free subnets`];
  }
  const entry = entries.find(({ key }) => key === own.key);
  if (entry === undefined) return [`${publicIp} holds ${own.key}, which is not in the store`];
  if (entry.value !== own.value) return [`${own.key} of ${publicIp} says ${entry.value}`];
  return [];
}

/**
 * Rules 6 and 7 of the wire: what flanneld would find by the public IP is the lease of this host and nothing else, and the
 * MAC in it is that of the device. What the test wrote has no etcd lease.
 */
function wireRestFaults({ publicIp, agent, deviceMac }: LiveHost, entries: readonly KeyValue[]): string[] {
  const ownKey = agent.facts.own?.key;
  const found = entries.filter(
    ({ key, value, leaseId }) =>
      readWire(value)?.PublicIP === publicIp && (leaseId !== '0' || key === ownKey),
  );
  const keys = found.map(({ key }) => key).join(' and ');
  if (keys !== (ownKey ?? ''))
    return [`rule 6: ${publicIp} has ${ownKey ?? 'no lease'}, and there is ${keys}`];
  const mac = deviceMac ?? agent.saved.mac;
  const published = found.map(({ value }) => macOf(value));
  return published.some(each => each !== mac)
    ? [`rule 7: ${publicIp} has the MAC ${mac}, and its key says ${published.join()}`]
    : [];
}

/**
 * Who had a subnet has it still, unless somebody else got it or another was reserved for him; who was left alone did not
 * even write his key.
 */
function keptFaults(host: LiveHost, entries: readonly KeyValue[], ledger: Ledger): string[] {
  const { expected, publicIp } = host;
  const { own } = host.agent.facts;
  if (expected === undefined || own === undefined) return [];
  if (!samePrefix(own.subnet, expected.subnet)) {
    if (ledger.mayHaveLeft(expected.subnet, publicIp)) return [];
    return [
      `${publicIp} moved from ${formatPrefix(expected.subnet)} to ${formatPrefix(own.subnet)}, which nobody wanted`,
    ];
  }
  const entry = entries.find(({ key }) => key === own.key);
  if (expected.modRevision === undefined || entry?.modRevision === expected.modRevision) return [];
  return [`${own.key} of ${publicIp} was written without need`];
}

/** Its peers are all others that hold leases, as these say of themselves; and nobody who is gone. */
function peerFaults(
  { publicIp, agent }: LiveHost,
  hosts: readonly Host[],
  entries: readonly KeyValue[],
): string[] {
  const { own, overlay } = agent.facts;
  if (own === undefined) return [];
  const accepted = overlay?.peers?.accepted ?? new Map<string, never>();
  const missing = live(hosts).flatMap(other => {
    const theirs = other.agent.facts.own;
    if (theirs === undefined || other.publicIp === publicIp) return [];
    const peer = accepted.get(theirs.key);
    if (peer !== undefined && formatLeaseValue(peer) === theirs.value) return [];
    const why = overlay?.peers?.setAside.get(theirs.key)?.reason ?? 'unknown to it';
    return [`${publicIp} has not got ${other.publicIp} at ${theirs.key}: ${why}`];
  });
  const stale = [...accepted.values()]
    .filter(peer => !entries.some(({ key, value }) => key === peer.key && value === formatLeaseValue(peer)))
    .map(({ key }) => `${publicIp} has a peer at ${key} that is not in the store`);
  return [...missing, ...stale];
}

function freeSubnets(entries: readonly KeyValue[]): number {
  const taken = entries.flatMap(({ key }) => {
    const parsed = parseSubnetKey(key.slice(KEY_PREFIX.length));
    return parsed.ok ? [formatPrefix(parsed.value.ipv4)] : [];
  });
  return SUBNETS - new Set(taken).size;
}

/** Any number of hosts that exist in etcd only, by number from 1: their leases and what tells them apart. Pure. */
import { macFromBytes, type MacAddress } from '../src/address/mac.js';
import { parsePrefix, type Prefix } from '../src/address/prefix.js';
import type { IpAddress } from '../src/address/ip.js';
import { formatLeaseValue, formatSubnetKey } from '../src/subnet/lease.js';
import type { KeyValue } from '../src/subnet/store.js';

/** A /8 has room for 65,000 subnets of 24 bits. */
export const NETWORK = '10.0.0.0/8';
export const KEY_PREFIX = '/net/subnets/';
/** Of all subnets. */
export const SUBNET_LENGTH = 24;
export const MOST_PEERS = 60_000;

/** Where all their public IPs are. */
export const PUBLIC_IPS = '172.16.0.0/16';

/** The config of a network with these peers; the agents' own subnets come after the last of them. */
export const CONFIG = {
  Network: NETWORK,
  SubnetLen: SUBNET_LENGTH,
  SubnetMin: '10.250.0.0',
  SubnetMax: '10.255.0.0',
  Backend: { Type: 'vxlan' },
} as const;

/** A host as others see it. */
export interface Peer {
  readonly subnet: Prefix;
  readonly publicIp: IpAddress;
  readonly mac: MacAddress;
}

/** @param number 1 to MOST_PEERS */
export function peer(number: number): Peer {
  const [high, low] = [number >> 8, number & 0xff];
  return {
    subnet: parsePrefix(`10.${high}.${low}.0/${SUBNET_LENGTH}`)!,
    publicIp: `172.16.${high}.${low}`,
    mac: macFromBytes(Uint8Array.of(0x02, 0x5e, 0, 0, high, low)),
  };
}

/** Key and value of the peer's lease, as a vxlan host writes them. */
export function leaseOf(number: number): { readonly key: string; readonly value: string } {
  const { subnet, publicIp, mac } = peer(number);
  const backendData = { VNI: 1, VtepMAC: mac };
  return {
    key: `${KEY_PREFIX}${formatSubnetKey({ ipv4: subnet })}`,
    value: formatLeaseValue({ publicIp, backendType: 'vxlan', backendData }),
  };
}

/** The leases of peers 1 to `count` as a store lists them. */
export function leasesUpTo(count: number): KeyValue[] {
  return Array.from({ length: count }, (_, index) => {
    const revision = BigInt(index + 2);
    return { ...leaseOf(index + 1), createRevision: revision, modRevision: revision, leaseId: '0' };
  });
}

/**
 * What a host may write where flanneld nodes read: a strict reader of keys and values, which shares nothing with the
 * product's. Pure.
 *
 * The rules, by the numbers that the faults name. Of the missing ones 5 leaves the TTL to us and 10 is about what we read.
 *
 *  1. Nothing but a subnet key with a value that can be decoded: at whatever else is put or deleted under the prefix,
 *     flanneld nodes drop all their peers.
 *  2. PublicIP is an IPv4 text, PublicIPv6 null or an IPv6 text, BackendType lower case, VtepMAC six bytes with colons, VNI a
 *     number.
 *  3. `A-L` and `A-L&V6-L6` are never mixed, and a dual-stack key needs PublicIPv6 and BackendV6Data: flanneld nodes without
 *     IPv6 panic at either.
 *  4. A key is created only if absent and under an etcd lease; its subnet is aligned, of the configured length, and from
 *     SubnetMin to SubnetMax.
 *  6. One key for each public IP, which is the writer's own.
 *  7. Another MAC is told by a new value of the key.
 *  8. Nobody deletes the key of another.
 *  9. The VNI is the configured one.
 */
import type { KeyValue } from '../../../src/subnet/store.js';

/** A network as its config says, all of IPv4. */
export interface WireNetwork {
  /** `<prefix>/subnets/`. */
  readonly keyPrefix: string;
  /** `A.B.C.D/L`. */
  readonly network: string;
  readonly subnetMin: string;
  readonly subnetMax: string;
  readonly subnetLength: number;
  readonly backend: { readonly type: 'vxlan'; readonly vni: number } | { readonly type: 'host-gw' };
}

/** As Go's ParseIP: four decimal numbers without leading zeros. */
const IPV4 = String.raw`(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$|-)|(?=$|-))){4}`;
const KEY = new RegExp(`^(${IPV4})-([1-9]|[12]\\d|3[01])$`);
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** As flanneld writes them, and reads them whatever their order. */
const FIELDS = ['PublicIP', 'PublicIPv6', 'BackendType', 'BackendData', 'BackendV6Data'];
/** What is ours, and ignored by flanneld. */
const OUR_FIELD = 'Selvedge';

type Json = Readonly<Record<string, unknown>>;

/** All that flanneld nodes could stumble over in a key and value that a host of this network wrote. */
export function wireFaults({ key, value }: Pick<KeyValue, 'key' | 'value'>, network: WireNetwork): string[] {
  const faults = [...keyFaults(key, network), ...valueFaults(value, network)];
  return faults.map(fault => `${key} = ${value}: ${fault}`);
}

/** What a value says; undefined when it cannot be decoded to an object. */
export function readWire(value: string): Json | undefined {
  try {
    const json: unknown = JSON.parse(value);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** The MAC that a value gives its host, if any. */
export function macOf(value: string): unknown {
  const data = readWire(value)?.BackendData;
  return isObject(data) ? data.VtepMAC : undefined;
}

/** What is wrong with a key of this network, whatever its value. */
export function keyFaults(
  key: string,
  { keyPrefix, subnetMin, subnetMax, subnetLength }: WireNetwork,
): string[] {
  if (!key.startsWith(keyPrefix)) return [`rule 1: not under ${keyPrefix}`];
  const text = key.slice(keyPrefix.length);
  if (text.includes('&')) return ['rule 3: a dual-stack key in a network of IPv4'];
  const [, address, lengthText] = KEY.exec(text) ?? [];
  if (address === undefined) return ['rule 1: not a subnet key'];
  const [base, length] = [numberOf(address), Number(lengthText)];
  const size = 2 ** (32 - length);
  return [
    ...unless(length === subnetLength, `rule 4: not a /${subnetLength}`),
    ...unless(base % size === 0, 'rule 4: host bits are set'),
    ...unless(
      base >= numberOf(subnetMin) && base <= numberOf(subnetMax),
      `rule 4: not from ${subnetMin} to ${subnetMax}`,
    ),
  ];
}

function valueFaults(value: string, network: WireNetwork): string[] {
  const json = readWire(value);
  if (json === undefined) return ['rule 1: not a JSON object'];
  const order = [...FIELDS, OUR_FIELD].filter(field => field in json);
  return [
    // What was read twice, or with blanks, comes out otherwise.
    ...unless(JSON.stringify(json) === value, 'rule 1: not compact JSON, or a field stands twice'),
    ...unless(Object.keys(json).join() === order.join(), `rule 1: the fields are not ${order.join()}`),
    ...addressFaults(json, network),
    ...unless(json.PublicIPv6 === null, 'rule 3: PublicIPv6 in a network of IPv4'),
    ...unless(!('BackendV6Data' in json), 'rule 3: BackendV6Data in a network of IPv4'),
    ...unless(
      json.BackendType === network.backend.type,
      `rule 2: BackendType is not ${network.backend.type}`,
    ),
    ...dataFaults(json, network),
  ];
}

function addressFaults({ PublicIP: address }: Json, { network }: WireNetwork): string[] {
  if (typeof address !== 'string' || !new RegExp(`^${IPV4}$`).test(address)) {
    return ['rule 2: PublicIP is not an IPv4 text'];
  }
  const number = numberOf(address);
  const [first, second] = address.split('.').map(Number);
  const isUnicast = first! > 0 && first! < 224 && first !== 127 && !(first === 169 && second === 254);
  const [base, length] = network.split('/');
  const size = 2 ** (32 - Number(length));
  const isInside = Math.floor(number / size) === Math.floor(numberOf(base!) / size);
  return [
    ...unless(isUnicast, 'rule 2: PublicIP is not the address of a host'),
    ...unless(!isInside, 'rule 2: PublicIP is inside the network itself'),
  ];
}

function dataFaults(json: Json, { backend }: WireNetwork): string[] {
  const { BackendData: data } = json;
  switch (backend.type) {
    case 'host-gw':
      return unless(!('BackendData' in json), 'rule 2: host-gw has no BackendData');
    case 'vxlan': {
      if (!isObject(data)) return ['rule 2: BackendData is not an object'];
      const { VNI: vni, VtepMAC: mac } = data;
      const firstByte = typeof mac === 'string' && MAC.test(mac) ? parseInt(mac.slice(0, 2), 16) : undefined;
      const isHosts = firstByte !== undefined && firstByte % 2 === 0 && mac !== '00:00:00:00:00:00';
      return [
        ...unless(
          Object.keys(data).join() === 'VNI,VtepMAC',
          'rule 2: BackendData is not of VNI and VtepMAC',
        ),
        ...unless(isHosts, 'rule 2: VtepMAC is not the address of a device'),
        ...unless(Number.isInteger(vni), 'rule 2: VNI is not a whole number'),
        ...unless(vni === backend.vni, `rule 9: VNI is not ${backend.vni}`),
      ];
    }
  }
}

function isObject(json: unknown): json is Json {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function numberOf(address: string): number {
  return address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0);
}

function unless(holds: boolean, fault: string): string[] {
  return holds ? [] : [fault];
}

/**
 * The admin's JSON document at `<prefix>/config` → NetworkConfig, all faults named at once. Pure.
 *
 * Fields, defaults and rules are flannel's (pkg/subnet/config.go), with two differences: a missing Backend means vxlan,
 * as flannel's documentation promises, and SubnetMin must not lie beyond SubnetMax.
 */
import * as z from 'zod';
import { bitsOf, ipFromNumber, ipToNumber, type Family, type IpAddress } from '../address/ip.js';
import { containsIp, formatPrefix, makePrefix, overlaps, rangeOf, type Prefix } from '../address/prefix.js';
import { flag, ipAddress, jsonObject, network, wholeNumber } from '../schema/fields.js';
import { readGoObject, type Fault } from '../schema/go-json.js';

/** The subnets that hosts may lease from one network. */
export interface SubnetRange {
  readonly network: Prefix;
  /** Prefix length of one host's subnet. */
  readonly subnetLength: number;
  /** Base address of the first and of the last subnet that may be leased. */
  readonly subnetMin: IpAddress;
  readonly subnetMax: IpAddress;
}

/** The Backend object as found: each backend reads its own settings. */
export interface BackendSettings {
  /** Lower case. */
  readonly type: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface NetworkConfig {
  readonly ipv4?: SubnetRange;
  readonly ipv6?: SubnetRange;
  readonly backend: BackendSettings;
  /** What was taken for granted or ignored, a line each. */
  readonly notes: readonly string[];
}

export type ParsedConfig =
  | { readonly ok: true; readonly config: NetworkConfig }
  | {
      readonly ok: false;
      readonly faults: readonly Fault[];
      /** The Backend object, if that much could be read: its own faults belong into the same message. */
      readonly backend: BackendSettings | undefined;
    };

const shape = {
  EnableIPv4: flag.default(true),
  EnableIPv6: flag.default(false),
  EnableNFTables: flag.optional(),
  Network: network(4).optional(),
  SubnetLen: wholeNumber(0, 32).optional(),
  SubnetMin: ipAddress(4).optional(),
  SubnetMax: ipAddress(4).optional(),
  IPv6Network: network(6).optional(),
  IPv6SubnetLen: wholeNumber(0, 128).optional(),
  IPv6SubnetMin: ipAddress(6).optional(),
  IPv6SubnetMax: ipAddress(6).optional(),
  Backend: jsonObject.optional(),
};

/** What is nested thousands deep would overflow the stack of whoever walks through it. */
const LONGEST_DOCUMENT = 4096;

/** Reads the document. Faults come back in the order of the fields above, at most one line each. */
export function parseNetworkConfig(text: string): ParsedConfig {
  if (text.length > LONGEST_DOCUMENT) {
    const fault = {
      field: '',
      value: undefined,
      rule: `must not be longer than ${LONGEST_DOCUMENT} characters`,
    };
    return { ok: false, faults: [fault], backend: undefined };
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    // The detail quotes the document, and a message is one line.
    const fault = { field: '', value: text, rule: `is not JSON (${detail.replace(/\s+/g, ' ')})` };
    return { ok: false, faults: [fault], backend: undefined };
  }
  const { fields, faults: found, unknown } = readGoObject(shape, json);
  const faults = [...found];
  const notes = unknown.map(key => `unknown field ${key} is ignored`);
  if (fields.EnableNFTables !== undefined)
    notes.push('EnableNFTables is ignored: no firewall rules are written yet');
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return { ok: false, faults, backend: undefined };

  const isFaulty = (name: string) => found.some(fault => fault.field === name);
  const v4 = fields.EnableIPv4 === false ? undefined : rangeFields(4, fields);
  const v6 = fields.EnableIPv6 === true ? rangeFields(6, fields) : undefined;
  if (v4 === undefined && v6 === undefined) {
    faults.push({
      field: 'EnableIPv4',
      value: false,
      rule: 'leaves no address family: EnableIPv6 is not true either',
    });
  }
  const ipv4 = v4 && resolveRange(v4, faults, isFaulty);
  const ipv6 = v6 && resolveRange(v6, faults, isFaulty);
  const backend = isFaulty('Backend') ? undefined : resolveBackend(fields.Backend, faults, notes);
  if (faults.length > 0 || backend === undefined) return { ok: false, faults, backend };
  return { ok: true, config: { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }), backend, notes } };
}

/** The four fields of one family, with the names that an admin wrote them under. */
interface RangeFields {
  readonly family: Family;
  readonly names: {
    readonly network: string;
    readonly length: string;
    readonly min: string;
    readonly max: string;
  };
  readonly network: Prefix | undefined;
  readonly length: number | undefined;
  readonly min: IpAddress | undefined;
  readonly max: IpAddress | undefined;
}

type ConfigFields = ReturnType<typeof readGoObject<typeof shape>>['fields'];

function rangeFields(family: Family, fields: ConfigFields): RangeFields {
  const prefix = family === 4 ? '' : 'IPv6';
  return {
    family,
    names: {
      network: `${prefix}Network`,
      length: `${prefix}SubnetLen`,
      min: `${prefix}SubnetMin`,
      max: `${prefix}SubnetMax`,
    },
    network: family === 4 ? fields.Network : fields.IPv6Network,
    length: family === 4 ? fields.SubnetLen : fields.IPv6SubnetLen,
    min: family === 4 ? fields.SubnetMin : fields.IPv6SubnetMin,
    max: family === 4 ? fields.SubnetMax : fields.IPv6SubnetMax,
  };
}

/** What no container can have, or no kernel sends to another host (RFC 6890; net/ipv4/route.c, martian addresses). */
const NEVER_NETWORKS = [
  { prefix: makePrefix('0.0.0.0', 8)!, why: 'no host has such an address' },
  { prefix: makePrefix('127.0.0.0', 8)!, why: 'these addresses never leave a host' },
  { prefix: makePrefix('224.0.0.0', 4)!, why: 'these are multicast groups' },
] as const;

/** flannel's limits: a network must hold at least four subnets, and a subnet at least four addresses. */
function resolveRange(
  given: RangeFields,
  faults: Fault[],
  isFaulty: (name: string) => boolean,
): SubnetRange | undefined {
  const { names, family, network } = given;
  if (network === undefined) {
    if (!isFaulty(names.network)) faults.push({ field: names.network, value: undefined, rule: 'is missing' });
    return undefined;
  }
  const longest = bitsOf(family) - 2;
  if (network.length + 2 > longest) {
    const rule = `is too small: its prefix length must be at most ${longest - 2}, to hold four subnets`;
    faults.push({ field: names.network, value: formatPrefix(network), rule });
    return undefined;
  }
  const reserved = NEVER_NETWORKS.find(({ prefix }) => overlaps(prefix, network));
  if (reserved !== undefined) {
    const rule = `overlaps ${formatPrefix(reserved.prefix)}: ${reserved.why}`;
    faults.push({ field: names.network, value: formatPrefix(network), rule });
    return undefined;
  }
  const subnetLength = isFaulty(names.length) ? undefined : resolveLength(given, network, faults);
  // Without a length the bounds can still be wrong for every length: single addresses stand in for subnets.
  const length = subnetLength ?? bitsOf(family);
  const size = 1n << BigInt(bitsOf(family) - length);
  const whole = rangeOf(network);
  const subnetMin = given.min ?? ipFromNumber(whole.first + size, family);
  const subnetMax = given.max ?? ipFromNumber(whole.last + 1n - size, family);
  const misplaced = misplacedBounds(given, network, length);
  faults.push(...misplaced);
  if (misplaced.length === 0 && !isFaulty(names.min) && ipToNumber(subnetMin) > ipToNumber(subnetMax)) {
    const rule = `must not lie beyond ${names.max} (${subnetMax})`;
    faults.push({ field: names.min, value: subnetMin, rule });
  }
  return subnetLength === undefined ? undefined : { network, subnetLength, subnetMin, subnetMax };
}

function misplacedBounds({ names, family, min, max }: RangeFields, network: Prefix, length: number): Fault[] {
  const size = 1n << BigInt(bitsOf(family) - length);
  const faults: Fault[] = [];
  for (const [field, value] of [[names.min, min] as const, [names.max, max] as const]) {
    if (value === undefined) continue;
    if (!containsIp(network, value)) {
      faults.push({ field, value, rule: `must lie in the network ${formatPrefix(network)}` });
    } else if (ipToNumber(value) % size !== 0n) {
      faults.push({ field, value, rule: `must be the base address of a /${length} subnet` });
    }
  }
  return faults;
}

function resolveLength(
  { names, family, length }: RangeFields,
  network: Prefix,
  faults: Fault[],
): number | undefined {
  const least = network.length + 2;
  const most = bitsOf(family) - 2;
  if (length === undefined) return Math.max(family === 4 ? 24 : 64, least);
  if (length >= least && length <= most) return length;
  const rule = `must be between ${least} and ${most} for the network ${formatPrefix(network)}`;
  faults.push({ field: names.length, value: length, rule });
  return undefined;
}

function resolveBackend(
  given: Readonly<Record<string, unknown>> | undefined,
  faults: Fault[],
  notes: string[],
): BackendSettings | undefined {
  if (given === undefined) {
    notes.push('no Backend given: vxlan');
    return { type: 'vxlan', settings: {} };
  }
  const { fields, faults: found } = readGoObject(
    { Type: z.string({ error: 'must name a backend, such as "vxlan"' }) },
    given,
    'Backend.',
  );
  faults.push(...found);
  if (fields.Type === undefined) return undefined;
  const settings = Object.entries(given).filter(([key]) => key.toLowerCase() !== 'type');
  return { type: fields.Type.toLowerCase(), settings: Object.fromEntries(settings) };
}

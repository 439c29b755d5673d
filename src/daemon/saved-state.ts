/** What an instance keeps across restarts and reboots, in `<state-dir>/<instance>/state.json`. */
import { join } from 'node:path';
import * as z from 'zod';
import { parseMac, type MacAddress } from '../address/mac.js';
import { formatPrefix, parsePrefix, type Prefix } from '../address/prefix.js';
import { readFileIfPresent, type WriteFile } from './files.js';

const VERSION = 1;

/** Everything is optional: a part that cannot be read is as if it had never been written. */
export interface SavedState {
  /** The boot in which the lease was held last. */
  readonly bootId?: string | undefined;
  /** Where in etcd the network of all the rest lives, such as `/net`. */
  readonly prefix?: string;
  readonly subnet?: Prefix;
  /** Key of our lease in the store. */
  readonly leaseKey?: string | undefined;
  /** MAC of the overlay device. */
  readonly mac?: MacAddress;
  /** Name of the overlay device, as long as it may exist. */
  readonly device?: string;
  /** Name of the underlay device that routes may lead over. */
  readonly underlay?: string;
  /** The config document that ran last. */
  readonly config?: string;
  /** What an earlier config left on this host and is yet to be removed. */
  readonly retired?: Retired;
}

export interface Retired {
  readonly devices: readonly string[];
  readonly networks: readonly Prefix[];
}

const text = z.string().optional().catch(undefined);
const shape = z.object({
  version: z.literal(VERSION),
  bootId: text,
  prefix: text,
  subnet: text.transform(value => (value === undefined ? undefined : parsePrefix(value))),
  leaseKey: text,
  mac: text.transform(value => (value === undefined ? undefined : parseMac(value))),
  device: text,
  underlay: text,
  config: text,
  retired: z
    .object({ devices: z.array(z.string()), networks: z.array(z.string()) })
    .transform(({ devices, networks }) => ({
      devices,
      networks: networks.flatMap(each => parsePrefix(each) ?? []),
    }))
    .optional()
    .catch(undefined),
});

export function stateFileOf(instanceStateDir: string): string {
  return join(instanceStateDir, 'state.json');
}

/**
 * Reads the file.
 * @returns the state, empty when there is none, and what was wrong with the file if anything
 */
export async function readSavedState(
  path: string,
): Promise<{ state: SavedState; fault: string | undefined }> {
  try {
    const contents = await readFileIfPresent(path);
    if (contents === undefined) return { state: {}, fault: undefined };
    const parsed = shape.parse(JSON.parse(contents));
    const { bootId, prefix, subnet, leaseKey, mac, device, underlay, config, retired } = parsed;
    const state = withoutUndefined({
      bootId,
      prefix,
      subnet,
      leaseKey,
      mac,
      device,
      underlay,
      config,
      retired,
    });
    return { state, fault: undefined };
  } catch {
    return { state: {}, fault: `${path} cannot be read as the state of an agent: going on without it` };
  }
}

/**
 * The config document that ran last on this very prefix; a copy of another network's is of no use.
 * @param prefix where the network lives in etcd, such as `/net`
 */
export function savedConfig(state: SavedState, prefix: string): string | undefined {
  return state.prefix === prefix ? state.config : undefined;
}

/** Key of the lease that this host had on this very prefix. @param prefix as above */
export function savedLeaseKey(state: SavedState, prefix: string): string | undefined {
  return state.prefix === prefix ? state.leaseKey : undefined;
}

/** Replaces the file in one step. @throws Error that names the path */
export async function writeSavedState(path: string, state: SavedState, writeFile: WriteFile): Promise<void> {
  const { subnet, retired, ...rest } = state;
  const json = {
    version: VERSION,
    ...(subnet && { subnet: formatPrefix(subnet) }),
    ...rest,
    ...(retired && { retired: { devices: retired.devices, networks: retired.networks.map(formatPrefix) } }),
  };
  await writeFile(path, `${JSON.stringify(json, null, 2)}\n`);
}

function withoutUndefined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

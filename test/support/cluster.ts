/** A lab whose hosts have agents and one container each: what most end-to-end tests begin with. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Container } from '../../src/demo/container.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import type { JsonObject } from '../../src/demo/namespace.js';
import { createLab } from './lab.js';

export const BACKENDS = ['vxlan', 'host-gw'] as const;
export type BackendName = (typeof BACKENDS)[number];

export interface ClusterOptions {
  readonly hosts?: number;
  /** The Backend object of the config. */
  readonly backend?: object;
  /** More fields of the config. */
  readonly config?: object;
  /** More options for every agent. */
  readonly agentOptions?: readonly string[];
}

/** Starts etcd, writes the config, and starts hosts until all are healthy and have a container. */
export async function startCluster(t: Test, options: ClusterOptions = {}): Promise<Lab> {
  const { hosts = 3, backend = { Type: 'vxlan' }, config = {}, agentOptions = [] } = options;
  const lab = await createLab(t);
  await lab.startEtcd();
  // Hosts choose at random: what a test puts elsewhere in the network by hand must be out of their range.
  const range = { SubnetMin: '10.5.1.0', SubnetMax: '10.5.60.0' };
  await lab.setConfig({ Network: '10.5.0.0/16', ...range, Backend: backend, ...config });
  for (let i = 0; i < hosts; i++) await (await lab.addHost()).startAgent(agentOptions);
  for (const host of lab.hosts) {
    await host.waitForHealth(hosts - 1);
    await host.addContainer();
  }
  return lab;
}

/** The host's only container. */
export function containerOf(host: Host): Container {
  const container = host.containers[0];
  if (container === undefined) throw new Error(`${host.name} has no container`);
  return container;
}

/** The host with this number, counted from 1. */
export function hostOf(lab: Lab, number: number): Host {
  const host = lab.hosts[number - 1];
  if (host === undefined) throw new Error(`the lab has no host${number}`);
  return host;
}

/** Whether one container reaches another; a first packet may wait for the bridges to learn. */
export async function reaches(from: Host, to: Host): Promise<boolean> {
  const { code } = await containerOf(from).namespace.exec([
    'ping',
    '-c',
    '3',
    '-i',
    '0.2',
    '-w',
    '5',
    containerOf(to).address,
  ]);
  return code === 0;
}

/** Every ordered pair of hosts whose containers do not reach each other; empty when all is well. */
export async function unreachedPairs(hosts: readonly Host[]): Promise<string[]> {
  const failed: string[] = [];
  for (const from of hosts) {
    for (const to of hosts) {
      if (from !== to && !(await reaches(from, to))) failed.push(`${from.name} to ${to.name}`);
    }
  }
  return failed;
}

/** A key of etcd with what etcdctl says of it. */
export interface EtcdKey {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Decimal; `0` without an etcd lease. */
  readonly lease: string;
}

/** All keys under `<prefix>/subnets/`. */
export async function leaseKeys(lab: Lab): Promise<EtcdKey[]> {
  return parseKeys(await lab.etcd.ctl('get', '--prefix', `${lab.prefix}/subnets/`, '--write-out=json'));
}

/** @param text what `etcdctl get --write-out=json` printed */
export function parseKeys(text: string): EtcdKey[] {
  // Lease ids are wider than a JavaScript number.
  const quoted = text.replace(/"lease":(\d+)/g, '"lease":"$1"');
  const { kvs = [] } = JSON.parse(quoted) as { kvs?: RangeEntry[] };
  const decode = (base64: string) => Buffer.from(base64, 'base64').toString();
  return kvs.map(entry => ({
    key: decode(entry.key),
    value: decode(entry.value),
    createRevision: entry.create_revision,
    modRevision: entry.mod_revision,
    lease: entry.lease ?? '0',
  }));
}

/** A key as `etcdctl --write-out=json` prints it. */
interface RangeEntry {
  readonly key: string;
  readonly value: string;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly lease?: string;
}

/** The lease of a host, found by its public IP. */
export async function leaseOf(lab: Lab, host: Host): Promise<EtcdKey> {
  const own = (await leaseKeys(lab)).filter(({ value }) => value.includes(`"PublicIP":"${host.address}"`));
  if (own.length !== 1) throw new Error(`${host.name} has ${own.length} leases`);
  return own[0]!;
}

/** The subnet of a lease key, such as `10.5.34.0/24`. */
export function subnetOf({ key }: EtcdKey): string {
  return key.slice(key.lastIndexOf('/') + 1).replace('-', '/');
}

/** Puts a directory where the agent keeps one of its files, which it writes anew as soon as it sees that it is gone. */
export async function putDirectoryInPlaceOf(lab: Lab, file: string): Promise<void> {
  await lab.waitFor({
    what: `a directory in the place of ${file}`,
    intervalMs: 1,
    read: async () => {
      await rm(file, { recursive: true, force: true });
      await mkdir(join(file, 'in-the-way'), { recursive: true });
    },
    until: () => true,
  });
}

/** Routes of the host that lead into the network, without those of its own bridge: destination, gateway, device, flags. */
export async function overlayRoutes(host: Host): Promise<JsonObject[]> {
  const routes = await host.namespace.ipJson('route', 'show');
  return routes
    .filter(({ dst, dev }) => String(dst).startsWith('10.5.') && dev !== 'br0')
    .map(({ dst, gateway, dev, flags, protocol }) => ({ dst, gateway, dev, flags, protocol }));
}

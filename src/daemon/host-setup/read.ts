/** Reads what decides whether containers of this host can reach those of others. Effects; nothing is changed. */
import { execFile } from 'node:child_process';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readFileIfPresent } from '../files.js';
import { readConfigDocument } from '../config-document.js';
import { readDockerCommand } from '../install-units.js';
import { readSavedState, stateFileOf } from '../saved-state.js';
import { closedIptablesChains, closedNftChains } from './input-chains.js';
import type { HostReading } from './judge.js';

export const SYSCTL = '/proc/sys';
/** Names of the tables of legacy iptables in this network namespace, a line each (net/netfilter/x_tables.c). */
const LEGACY_TABLES = '/proc/net/ip_tables_names';
const OTHERS_READ = 0o004;
/** As long as another program may hold the lock of iptables. */
const LONGEST_RUN_MS = 10_000;
/** Until a config is known: what flannel and the kernel take. */
const USUAL_PORT = 8472;
/** sbin is not in every service's PATH. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** @param stateDir where the instances keep the configs that they ran last */
export async function readHost(stateDir: string): Promise<HostReading> {
  const port = await readPort(stateDir);
  return {
    ipForward: await readSysctl('net/ipv4/ip_forward'),
    rpFilterOfAll: await readSysctl('net/ipv4/conf/all/rp_filter'),
    devices: await readDevices(),
    dockerForwards: await readDockerForwards(),
    networkdRemovesRoutes: await readManager(
      '/run/systemd/netif/state',
      NETWORKD_CONFIGS,
      /^\s*ManageForeignRoutes\s*=\s*(no|false|0)\s*$/m,
    ),
    networkManagerTakesDevices: await readManager(
      '/run/NetworkManager',
      NETWORK_MANAGER_CONFIGS,
      /^\s*unmanaged-devices.*interface-name:flannel/m,
    ),
    hiddenTables: await readHiddenTables(),
    closedChains: port === undefined ? [] : await readClosedChains(port),
    port,
  };
}

const NETWORKD_CONFIGS = [
  '/etc/systemd/networkd.conf',
  ...['/etc', '/run', '/usr/local/lib', '/usr/lib'].map(each => `${each}/systemd/networkd.conf.d`),
];
const NETWORK_MANAGER_CONFIGS = [
  '/etc/NetworkManager/NetworkManager.conf',
  ...['/etc', '/run', '/usr/lib'].map(each => `${each}/NetworkManager/conf.d`),
];

/** @returns its value, undefined when the kernel has none of this name */
async function readSysctl(path: string): Promise<string | undefined> {
  return (await readFile(join(SYSCTL, path), 'utf8').catch(() => undefined))?.trim();
}

async function readDevices(): Promise<HostReading['devices']> {
  const names = await readdir(join(SYSCTL, 'net/ipv4/conf')).catch(() => []);
  const overlays = names.filter(name => /^flannel(-v6)?\./.test(name));
  return Promise.all(
    overlays.map(async name => ({ name, rpFilter: await readSysctl(`net/ipv4/conf/${name}/rp_filter`) })),
  );
}

/** It does, unless it is told not to manage iptables or not to forward. */
async function readDockerForwards(): Promise<boolean | undefined> {
  const command = await readDockerCommand('/');
  if (command === undefined) return undefined;
  const options = await Promise.all(['/etc/default/docker', '/etc/sysconfig/docker'].map(readText));
  const json = await readText('/etc/docker/daemon.json');
  const isOff =
    /--(iptables|ip-forward)=(false|0)\b/.test([command, ...options].join('\n')) ||
    /"(iptables|ip-forward)"\s*:\s*false/.test(json);
  return !isOff;
}

async function readHiddenTables(): Promise<string | undefined> {
  const found = await stat(LEGACY_TABLES).catch(() => undefined);
  return found !== undefined && (found.mode & OTHERS_READ) === 0 ? LEGACY_TABLES : undefined;
}

/** Whether a manager of networks runs and none of its files says what we need. */
async function readManager(
  sign: string,
  configs: readonly string[],
  wanted: RegExp,
): Promise<boolean | undefined> {
  const runs = await access(sign).then(
    () => true,
    () => false,
  );
  if (!runs) return undefined;
  const texts = await Promise.all(configs.map(readAll));
  return !wanted.test(texts.join('\n'));
}

/** A file, or all files of a directory. */
async function readAll(path: string): Promise<string> {
  const names = await readdir(path).catch(() => undefined);
  const files =
    names === undefined ? [path] : names.filter(name => name.endsWith('.conf')).map(name => join(path, name));
  return (await Promise.all(files.map(readText))).join('\n');
}

async function readText(path: string): Promise<string> {
  return (await readFileIfPresent(path).catch(() => undefined)) ?? '';
}

/** The overlay's port by the config that ran last; undefined when that had no overlay. */
async function readPort(stateDir: string): Promise<number | undefined> {
  for (const name of await readdir(stateDir).catch(() => [])) {
    const { state } = await readSavedState(stateFileOf(join(stateDir, name)));
    const read = state.config === undefined ? undefined : readConfigDocument(state.config);
    if (read?.ok !== true) continue;
    return read.config.backend.port;
  }
  return USUAL_PORT;
}

async function readClosedChains(port: number): Promise<string[]> {
  const nft = await output('nft', '--json', 'list', 'ruleset');
  const variants = [
    await output('iptables-nft', '--list-rules').then(text =>
      closedIptablesChains(text, port, 'iptables-nft'),
    ),
  ];
  // Looking at a legacy table makes it, where there is none.
  const legacy = await readText(LEGACY_TABLES);
  if (legacy.split('\n').includes('filter'))
    variants.push(
      closedIptablesChains(await output('iptables-legacy', '--list-rules'), port, 'iptables-legacy'),
    );
  return [...closedNftChains(nft, port), ...variants.flat()];
}

/** What a program prints; nothing when it is missing or fails. */
async function output(program: string, ...args: string[]): Promise<string> {
  const options = { timeout: LONGEST_RUN_MS, maxBuffer: 64 << 20, env: { PATH, LC_ALL: 'C' } };
  try {
    return (await promisify(execFile)(program, args, options)).stdout;
  } catch {
    return '';
  }
}

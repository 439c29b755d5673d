/** What must hold on this host before the agent may start: capabilities, no flanneld beside it, writable paths. */
import { readFileSync } from 'node:fs';
import { open, readFile, readdir, readlink, stat, unlink } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { makeDirectory, readFileIfPresent, temporaryPath } from './files.js';
import type { KernelWord } from './tx-checksum.js';
import { OperatorError, messageOf } from './operator-error.js';

/** Bits in a capability set (linux/capability.h). */
const CAPABILITIES = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n } as const;
const HOW_TO_GIVE =
  'run as root, or give both capabilities (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)';

/** No space, or no more of it for this user. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** flannel's default of `--etcd-prefix`. */
const FLANNEL_DEFAULT_PREFIX = '/coreos.com/network';

/** @throws OperatorError when the process may not change the network */
export async function requireNetAdmin(): Promise<void> {
  if (await hasCapability('CAP_NET_ADMIN')) return;
  throw new OperatorError(`CAP_NET_ADMIN is missing, so that no device or route can be made: ${HOW_TO_GIVE}`);
}

/** @returns what does not work for want of CAP_NET_RAW, undefined when it is there: most hosts can do without */
export async function noteNetRaw(): Promise<string | undefined> {
  if (await hasCapability('CAP_NET_RAW')) return undefined;
  return `CAP_NET_RAW is missing, so that peers are not probed, nor iptables-legacy used where it is in use: ${HOW_TO_GIVE}`;
}

async function hasCapability(name: keyof typeof CAPABILITIES): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective === undefined || ((BigInt(`0x${effective}`) >> CAPABILITIES[name]) & 1n) === 1n;
}

/**
 * Makes the directory if need be, and a file in it for a moment: root may write everywhere by permission, and yet nothing
 * can be made in /proc.
 * @throws OperatorError when it cannot be made or not be written to
 */
export async function requireWritableDirectory(path: string, option: string): Promise<void> {
  const trial = temporaryPath(join(path, 'trial'));
  try {
    await makeDirectory(path);
    await (await open(trial, 'wx')).close();
    await unlink(trial);
  } catch (error) {
    // A full disk is mended while the agent runs; it says so when it has something to write.
    if (FULL.has((error as NodeJS.ErrnoException).code ?? '')) return;
    throw new OperatorError(`cannot write to ${path} (${option}): ${messageOf(error)}`);
  }
}

/** @throws OperatorError when the path of a file is a directory's, which no file can replace */
export async function requireNoDirectory(path: string, option: string): Promise<void> {
  const isDirectory = await stat(path).then(
    found => found.isDirectory(),
    () => false,
  );
  if (isDirectory) throw new OperatorError(`${path} (${option}) is a directory: name a file`);
}

/** A flanneld of this network namespace, and the network that it serves. */
export interface RunningFlanneld {
  readonly pid: string;
  readonly etcdPrefix: string;
}

/** All flannelds that run in this process's network namespace. */
export async function findFlannelds(): Promise<RunningFlanneld[]> {
  const own = await readlink('/proc/self/ns/net');
  const found: RunningFlanneld[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || nameOf(pid) !== 'flanneld' || !(await isIn(own, pid))) continue;
    found.push({ pid, etcdPrefix: await flanneldPrefix(pid) });
  }
  return found;
}

/**
 * A flanneld that still serves the same network in this network namespace would fight with us over every entry.
 * @throws OperatorError that names it
 */
export async function requireNoFlanneld(etcdPrefix: string): Promise<void> {
  const other = (await findFlannelds()).find(each => each.etcdPrefix === etcdPrefix);
  if (other === undefined) return;
  throw new OperatorError(
    `flanneld (pid ${other.pid}) still runs on the network ${etcdPrefix} in this network namespace: stop and disable it ` +
      'first (systemctl disable --now flanneld); its lease, device and routes are then taken over',
  );
}

/** The running kernel's version, in its own words. */
export async function readKernelWord(): Promise<KernelWord> {
  const signature = await readFileIfPresent('/proc/version_signature').catch(() => undefined);
  return { release: release(), signature };
}

/**
 * A process's name, undefined when it has ended meanwhile. Synchronous, because the kernel answers at once, and there may be
 * thousands: a way through Node's threads takes ten times as long, and every start waits for all of them.
 */
function nameOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Whether a process is in this network namespace. */
async function isIn(namespace: string, pid: string): Promise<boolean> {
  try {
    return (await readlink(`/proc/${pid}/ns/net`)) === namespace;
  } catch (error) {
    // Only root may see another user's namespaces; a flanneld is hardly ever in one of its own.
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** From its arguments, else its environment, else flannel's default. */
async function flanneldPrefix(pid: string): Promise<string> {
  const list = async (file: string) =>
    (await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')).split('\0');
  const args = await list('cmdline');
  const index = args.findIndex(arg => /^--?etcd-prefix(=|$)/.test(arg));
  const given = index < 0 ? undefined : (/=(.*)$/.exec(args[index]!)?.[1] ?? args[index + 1]);
  const fromEnvironment = (await list('environ')).find(each => each.startsWith('FLANNELD_ETCD_PREFIX='));
  const prefix = given ?? fromEnvironment?.slice('FLANNELD_ETCD_PREFIX='.length) ?? FLANNEL_DEFAULT_PREFIX;
  return `/${prefix
    .split('/')
    .filter(part => part !== '')
    .join('/')}`;
}

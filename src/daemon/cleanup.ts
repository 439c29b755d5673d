/** Takes everything of an instance off this host, and nothing else. */
import { readFile, rm } from 'node:fs/promises';
import { allKeys, byKey, diff } from '../dataplane/diff.js';
import { describe } from '../dataplane/kinds/index.js';
import { NetlinkKernel } from '../dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { samePrefix, type Prefix } from '../address/prefix.js';
import { readConfigDocument } from './config-document.js';
import { requireNetAdmin, requireNoFlanneld } from './host-checks.js';
import { takeLock } from './lock.js';
import { OperatorError } from './operator-error.js';
import { readSavedState, stateFileOf, type SavedState } from './saved-state.js';
import { parseSubnetEnv } from './subnet-env.js';

export interface CleanupOptions {
  readonly instance: string;
  readonly etcdPrefix: string;
  readonly instanceStateDir: string;
  readonly socketPath: string;
  readonly subnetFile: string;
  readonly dockerEnvFile: string;
  readonly dockerOptsFile: string;
  /** Say what would go and change nothing. */
  readonly dryRun: boolean;
  /** Leave the state directory: the host comes back with its subnet and MAC. */
  readonly keepState: boolean;
}

/**
 * Removes routes, neighbours, forwarding entries and the device of the instance, its files and its state. The lease in
 * etcd stays until it expires.
 * @param say is told each thing that goes, a line each
 * @throws OperatorError while an agent or a flanneld runs, without CAP_NET_ADMIN, or when the kernel refuses
 */
export async function cleanUp(options: CleanupOptions, say: (line: string) => void): Promise<void> {
  await requireNetAdmin();
  const holder = { pid: process.pid, instance: options.instance };
  const lock = await takeLock(`instance ${options.instance}`, holder);
  try {
    await requireNoFlanneld(options.etcdPrefix);
    const { state, fault } = await readSavedState(stateFileOf(options.instanceStateDir));
    if (fault !== undefined) say(fault);
    if (state.device !== undefined) await takeLock(`device ${state.device}`, holder);
    const env = parseSubnetEnv(await readFile(options.subnetFile, 'utf8').catch(() => ''));
    const network = networkOf(state) ?? env.network;
    if (network === undefined) {
      say(
        `nothing is known of instance ${options.instance}: no state in ${options.instanceStateDir}, no network in ${options.subnetFile}`,
      );
      return;
    }
    await removeKernelState(network, state, options, say);
    const isOurs =
      state.subnet !== undefined && env.subnet !== undefined && samePrefix(state.subnet, env.subnet);
    const files = isOurs ? [options.subnetFile, options.dockerEnvFile, options.dockerOptsFile] : [];
    await removePaths(
      [...files, options.socketPath, ...(options.keepState ? [] : [options.instanceStateDir])],
      options,
      say,
    );
  } finally {
    lock.release();
  }
}

function networkOf(state: SavedState): Prefix | undefined {
  const read = state.config === undefined ? undefined : readConfigDocument(state.config);
  return read?.ok === true ? read.config.range.network : undefined;
}

async function removeKernelState(
  network: Prefix,
  state: SavedState,
  options: CleanupOptions,
  say: (line: string) => void,
): Promise<void> {
  const socket = new NetlinkSocket();
  try {
    const kernel = new NetlinkKernel(socket);
    const links = await kernel.readLinks();
    const devices = new Set(state.device === undefined ? [] : [state.device]);
    const held = byKey(await kernel.readEntries(devices));
    const ownership = { network, devices, underlay: state.underlay ?? '', peerAt: () => undefined };
    const { ops } = diff(allKeys(held), new Map(), held, ownership, true);
    for (const op of ops) if (op.kind === 'remove') say(`remove ${describe(op.held)}`);
    const results = options.dryRun ? [] : await kernel.apply(ops);
    for (const result of results) if (result.kind === 'refused') throw new OperatorError(result.message);
    const device = links.find(link => link.name === state.device);
    if (device?.kind !== 'vxlan') return;
    say(`remove device ${device.name}`);
    if (!options.dryRun) await kernel.removeLink(device.name);
  } finally {
    socket.close();
  }
}

async function removePaths(
  paths: readonly string[],
  options: CleanupOptions,
  say: (line: string) => void,
): Promise<void> {
  for (const path of paths) {
    say(`remove ${path}`);
    if (!options.dryRun) await rm(path, { recursive: true, force: true });
  }
}

/** Takes everything of an instance off this host, and nothing else. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry } from '../dataplane/model.js';
import { SystemFirewall } from '../dataplane/firewall/system-firewall.js';
import { NetlinkKernel } from '../dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { samePrefix } from '../address/prefix.js';
import { readConfigDocument } from './config-document.js';
import { removeFirewall } from './firewall.js';
import { requireNetAdmin, requireNoFlanneld } from './host-checks.js';
import { removeLeftovers, type Leftovers } from './leftovers.js';
import { takeLock } from './lock.js';
import { OperatorError } from './operator-error.js';
import { nodeIdFileOf } from './node-id.js';
import { readSavedState, stateFileOf, type SavedState } from './saved-state.js';
import { parseSubnetEnv } from './subnet-env.js';

export interface CleanupOptions {
  readonly instance: string;
  readonly etcdPrefix: string;
  readonly stateDir: string;
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
 * Removes firewall rules, routes, neighbours, forwarding entries and the device of the instance, its files and its state. The lease in
 * etcd stays until it expires.
 * @param say is told each thing that goes, a line each
 * @throws OperatorError while an agent or a flanneld runs, without CAP_NET_ADMIN, when the kernel refuses, or when there is
 * no state by which to know what is the instance's, and yet something that may be
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
    // Its rules bear the instance's name, and need no state to be known by.
    const firewallFault = await removeFirewall(new SystemFirewall(), options, say);
    await removeAllElse(state, options, say);
    if (firewallFault !== undefined) throw new OperatorError(firewallFault);
  } finally {
    lock.release();
  }
}

async function removeAllElse(
  state: SavedState,
  options: CleanupOptions,
  say: (line: string) => void,
): Promise<void> {
  const leftovers = leftoversOf(state);
  if (leftovers.length === 0) {
    const unknown = `nothing is known of an instance ${options.instance}: there is no state in ${options.instanceStateDir}`;
    const rest = (await hintAtOthers(options)) ?? (await hintAtMarked());
    if (rest !== undefined) throw new OperatorError(`${unknown}; ${rest}`);
    say(unknown);
    return;
  }
  await removeKernelState(leftovers, options, say);
  const env = parseSubnetEnv(await readFile(options.subnetFile, 'utf8').catch(() => ''));
  const isOurs =
    state.subnet !== undefined && env.subnet !== undefined && samePrefix(state.subnet, env.subnet);
  const files = isOurs ? [options.subnetFile, options.dockerEnvFile, options.dockerOptsFile] : [];
  const stateFiles = options.keepState ? [] : await stateFilesOf(options);
  await removePaths([...files, options.socketPath, ...stateFiles], options, say);
}

/** The instances that have state there, of which one may be meant. */
async function hintAtOthers({ stateDir, instanceStateDir }: CleanupOptions): Promise<string | undefined> {
  const entries = await readdir(stateDir, { withFileTypes: true }).catch(() => []);
  const others = entries
    .filter(entry => entry.isDirectory() && entry.name !== basename(instanceStateDir))
    .map(({ name }) => `--instance=${name}`);
  return others.length === 0 ? undefined : `there is some of ${others.join(', ')}`;
}

/** What bears our marks, and nobody knows of any more. Whose it is cannot be told, so that it is left to the operator. */
async function hintAtMarked(): Promise<string | undefined> {
  const socket = new NetlinkSocket();
  try {
    const kernel = new NetlinkKernel(socket);
    const links = await kernel.readLinks();
    const marked = (await kernel.readEntries(new Set())).filter(
      entry => 'protocol' in entry && entry.protocol === SELVEDGE_ROUTE_PROTOCOL,
    );
    // A device bears no mark of its own: one that none of these lead over may be flanneld's.
    const devices = links.filter(
      ({ name, kind }) => kind === 'vxlan' && marked.some(({ device }) => device === name),
    );
    const count = (wanted: Entry['kind']) => marked.filter(({ kind }) => kind === wanted).length;
    const [routes, nexthops] = [count('route'), count('nexthop')];
    const commands = [
      ...(routes > 0 ? [`ip route flush proto ${SELVEDGE_ROUTE_PROTOCOL}`] : []),
      ...(nexthops > 0 ? [`ip nexthop flush proto ${SELVEDGE_ROUTE_PROTOCOL}`] : []),
      ...devices.map(({ name }) => `ip link delete ${name}`),
    ];
    if (commands.length === 0) return undefined;
    const names = devices.map(({ name }) => `device ${name}, `).join('');
    return `but there are ${names}${routes} routes and ${nexthops} nexthop objects with our marks, which go by: ${commands.join('; ')}`;
  } finally {
    socket.close();
  }
}

/** By this instance's own word alone: the subnet file may be another's. */
function leftoversOf(state: SavedState): Leftovers[] {
  const read = state.config === undefined ? undefined : readConfigDocument(state.config);
  const networks = [
    ...(read?.ok === true ? [read.config.range.network] : []),
    ...(state.retired?.networks ?? []),
  ];
  const devices = [...(state.device === undefined ? [] : [state.device]), ...(state.retired?.devices ?? [])];
  return networks.map(network => ({ network, devices, underlay: state.underlay ?? '' }));
}

async function removeKernelState(
  leftovers: readonly Leftovers[],
  { dryRun }: CleanupOptions,
  say: (line: string) => void,
): Promise<void> {
  const socket = new NetlinkSocket();
  try {
    const kernel = new NetlinkKernel(socket);
    for (const each of leftovers) await removeLeftovers(kernel, each, { desired: new Map(), dryRun, say });
  } finally {
    socket.close();
  }
}

/** The node id is shared by all instances of the host: the last one takes it along. */
async function stateFilesOf({ stateDir, instanceStateDir }: CleanupOptions): Promise<string[]> {
  const nodeIdFile = nodeIdFileOf(stateDir);
  const own = new Set([basename(instanceStateDir), basename(nodeIdFile)]);
  const hasOthers = (await readdir(stateDir)).some(name => !own.has(name));
  return hasOthers ? [instanceStateDir] : [instanceStateDir, nodeIdFile];
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

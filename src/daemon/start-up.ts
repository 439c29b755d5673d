/** What must be settled before the network can be joined; what is wrong here only the operator can mend. */
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { localMac, type MacAddress } from '../address/mac.js';
import { containsPrefix, formatPrefix, type Prefix } from '../address/prefix.js';
import type { Backend, Underlay } from '../backends/backend.js';
import { lookUpRoute, readHostNetwork } from '../dataplane/host-network.js';
import type { HeldLink, Kernel } from '../dataplane/kernel.js';
import type { LinkTrouble } from '../dataplane/link-keeper.js';
import type { NetlinkSocket } from '../dataplane/netlink/socket.js';
import type { Lease } from '../subnet/lease.js';
import {
  findFlannelds,
  noteNetRaw,
  requireNetAdmin,
  requireNoDirectory,
  requireNoFlanneld,
  requireWritableDirectory,
} from './host-checks.js';
import { chooseInterface, type ChosenInterface } from './interface.js';
import { OperatorError } from './operator-error.js';
import type { AgentOptions } from './options.js';

/** @throws OperatorError */
export async function checkHost(options: AgentOptions, log: Logger): Promise<void> {
  await requireNetAdmin();
  const note = await noteNetRaw();
  if (note !== undefined) log.warn(note);
  await requireNoFlanneld(options.etcd.prefix);
  await requireWritableDirectory(options.instanceStateDir, '--state-dir');
  await requireWritableDirectory(options.runDir, '--run-dir');
  for (const [path, option] of envFilesOf(options)) await requireWritableDirectory(dirname(path), option);
  await checkPaths(options);
}

/** What can be known of the files' paths without a change. @throws OperatorError */
export async function checkPaths(options: AgentOptions): Promise<void> {
  for (const [path, option] of envFilesOf(options)) await requireNoDirectory(path, option);
}

function envFilesOf({ subnetFile, dockerEnvFile, dockerOptsFile }: AgentOptions) {
  return [
    [subnetFile, '--subnet-file'],
    [dockerEnvFile, '--docker-env-file'],
    [dockerOptsFile, '--docker-opts-file'],
  ] as const;
}

/** @throws OperatorError */
export async function chooseUnderlay(
  options: AgentOptions,
  netlink: NetlinkSocket,
): Promise<ChosenInterface> {
  const { canReach } = options.underlay;
  const route = canReach === undefined ? undefined : await lookUpRoute(netlink, canReach);
  return chooseInterface(options.underlay, await readHostNetwork(netlink), route);
}

/** @throws OperatorError when this backend cannot work on this underlay, or its device's name is taken */
export function checkBackend(backend: Backend, underlay: Underlay, links: readonly HeldLink[]): void {
  const refusal = backend.cannotRun(underlay);
  if (refusal !== undefined) throw new OperatorError(refusal);
  const found = links.find(link => link.name === backend.device);
  if (found === undefined || found.kind === backend.type) return;
  const what = found.kind === '' ? 'not a virtual one' : `of kind ${found.kind}`;
  throw new OperatorError(
    `device ${found.name} exists and is ${what}: rename or remove it, or choose another VNI in the config`,
  );
}

/**
 * A device of the right name that has an address of another network is another overlay's, most likely of a flanneld with
 * another prefix and the same VNI: taking it over would cut this host off that network.
 * @throws OperatorError that names the address, and the flanneld if one runs
 */
export async function requireDeviceOfNetwork(kernel: Kernel, device: string, network: Prefix): Promise<void> {
  const entries = await kernel.readEntries(new Set([device]));
  const foreign = entries.find(
    entry => entry.kind === 'address' && entry.device === device && !containsPrefix(network, entry.prefix),
  );
  if (foreign?.kind !== 'address') return;
  const flannelds = (await findFlannelds()).map(
    ({ pid, etcdPrefix }) => `; flanneld (pid ${pid}) runs on ${etcdPrefix}`,
  );
  throw new OperatorError(
    `device ${device} has the address ${formatPrefix(foreign.prefix)}, which is not in the network ${formatPrefix(network)}: ` +
      `it belongs to another overlay${flannelds.join('')}. Choose another VNI in the config, or remove the device`,
  );
}

/**
 * The MAC that the overlay device keeps: a device that is there, else our own lease, else the state of an earlier run;
 * a host without any of them draws one.
 */
export function chooseMac(
  backend: Backend,
  links: readonly HeldLink[],
  ownLease: Lease | undefined,
  saved: MacAddress | undefined,
): MacAddress | undefined {
  if (backend.device === undefined) return undefined;
  const device = links.find(link => link.name === backend.device);
  const published = ownLease && backend.publishedMac(ownLease);
  return device?.mac ?? published ?? saved ?? localMac(randomBytes(6));
}

/** Trouble with the device that no waiting mends, as an operator reads it; undefined for trouble that may pass. */
export function asOperatorError(trouble: LinkTrouble): OperatorError | undefined {
  const { device, error, code } = trouble;
  switch (code) {
    case 'EADDRINUSE':
      return new OperatorError(
        `${error}: its UDP port is used by another program; see "ss -lunp", or choose another Port in the config`,
      );
    case 'EEXIST':
      return new OperatorError(
        `${error}: another VXLAN device has the same VNI and port; see "ip -d link show type vxlan", or choose another VNI`,
      );
    case 'EPERM':
    case 'EACCES':
      return new OperatorError(`${error}: CAP_NET_ADMIN is missing in this network namespace; run as root`);
    case 'EOPNOTSUPP':
      return new OperatorError(`${error}: this kernel has no VXLAN (modprobe vxlan), or host-gw could serve`);
    case 'refused':
      return new OperatorError(`device ${device}: ${error}`);
    default:
      return undefined;
  }
}

/** Joining a network: what this host has and had decides what it will be in it. */
import { hostname } from 'node:os';
import type { IpAddress } from '../address/ip.js';
import type { MacAddress } from '../address/mac.js';
import type { Backend, Underlay } from '../backends/backend.js';
import { OffloadKeeper } from '../dataplane/offload-keeper.js';
import { printableName } from '../subnet/holder.js';
import { parseLease } from '../subnet/lease.js';
import { findOwnLease, type LeaseWish } from '../subnet/manager.js';
import { readBootId } from './boot-id.js';
import type { RunnableConfig } from './config-document.js';
import type { Facts } from './facts.js';
import { keyPrefixOf } from './feed.js';
import { readKernelWord } from './host-checks.js';
import type { ChosenInterface } from './interface.js';
import { retiredBy } from './leftovers.js';
import { Membership, type Context } from './membership.js';
import { recallSubnets } from './memory.js';
import { readNodeId } from './node-id.js';
import { chooseTxChecksum } from './tx-checksum.js';
import { checkBackend, chooseMac, requireDeviceOfNetwork } from './start-up.js';

/**
 * Joins the network with this config and stays until `signal` aborts.
 * @throws OperatorError for what only the operator can mend
 */
export async function joinNetwork(
  context: Context,
  config: RunnableConfig,
  chosen: ChosenInterface,
  signal: AbortSignal,
): Promise<void> {
  const { options, log, facts, mirror, host } = context;
  const { backend, range } = config;
  if (backend.device !== undefined) await host.takeDevice(backend.device);
  const { name: device, address, mtu, publicIp } = chosen;
  const underlay: Underlay = { device, address, mtu, publicIp, routes: [] };
  const links = await host.kernel.readLinks();
  checkBackend(backend, underlay, links);
  const { saved } = facts;
  if (backend.device !== undefined && backend.device !== saved.device) {
    await requireDeviceOfNetwork(host.kernel, backend.device, range.network);
  }

  const node = { nodeId: await readNodeId(options, log, host.writeFile), name: printableName(hostname()) };
  const ownLease = findOwnLease(mirror.entries.values(), keyPrefixOf(options), {
    publicIp,
    node,
    range,
    preferredKey: saved.leaseKey,
  });
  const mac = chooseMac(backend, links, ownLease, unclonedMac(saved.mac, context, backend, publicIp));
  const retired = retiredBy(saved, { device: backend.device, network: range.network });
  const checksum = backend.device === undefined ? undefined : await planChecksum(context);
  const membership = new Membership(context, config, {
    underlay,
    mac,
    retired,
    bootId: await readBootId(),
    checksum,
  });
  const wish: LeaseWish = {
    range,
    publicIp,
    node,
    preferred: await recallSubnets(saved, options.subnetFile),
    preferredKey: saved.leaseKey,
    attributes: { publicIp, ...backend.leaseData(mac) },
  };
  await membership.run(wish, signal);
}

async function planChecksum({ options, log, host }: Context): Promise<Facts['checksum']> {
  const choice = chooseTxChecksum(options.txChecksum, await readKernelWord());
  return { choice, keeper: new OffloadKeeper(host.offload, choice.value, log) };
}

/**
 * The MAC in the state, unless another host's lease has it: then the state was cloned along with the host, and two hosts
 * with one MAC would cut each other off.
 */
function unclonedMac(
  saved: MacAddress | undefined,
  { options, mirror, log }: Context,
  backend: Backend,
  publicIp: IpAddress,
): MacAddress | undefined {
  for (const entry of saved === undefined ? [] : mirror.entries.values()) {
    if (!entry.key.startsWith(keyPrefixOf(options))) continue;
    const lease = parseLease(entry, keyPrefixOf(options));
    if (!lease.ok || lease.value.publicIp === publicIp || backend.publishedMac(lease.value) !== saved)
      continue;
    log.warn(
      { key: entry.key },
      `the MAC ${saved} of our state is in use by ${lease.value.publicIp}: another is drawn`,
    );
    return undefined;
  }
  return saved;
}

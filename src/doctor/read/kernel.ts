/** What the kernel says of this host. Effects; nothing is changed, and no root is needed. */
import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { readHostNetwork, readLinkStates } from '../../dataplane/host-network.js';
import { NetlinkKernel } from '../../dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../../dataplane/netlink/socket.js';
import { OperatorError } from '../../daemon/operator-error.js';
import type { AgentOptions } from '../../daemon/options.js';
import { chooseUnderlay } from '../../daemon/start-up.js';
import type { NetworkFact } from '../facts.js';

/** @throws NetlinkError */
export async function readNetwork(options: AgentOptions): Promise<NetworkFact> {
  const netlink = new NetlinkSocket();
  try {
    const kernel = new NetlinkKernel(netlink);
    const links = await kernel.readLinks();
    const overlays = links.filter(({ kind, name }) => kind === 'vxlan' && name.startsWith('flannel'));
    return {
      interfaces: (await readHostNetwork(netlink)).interfaces,
      states: await readLinkStates(netlink),
      links,
      entries: await kernel.readEntries(new Set(overlays.map(({ name }) => name))),
      chosen: await choose(options, netlink),
    };
  } finally {
    netlink.close();
  }
}

async function choose(options: AgentOptions, netlink: NetlinkSocket): Promise<NetworkFact['chosen']> {
  try {
    return await chooseUnderlay(options, netlink);
  } catch (error) {
    if (error instanceof OperatorError) return { refusal: error.message };
    throw error;
  }
}

/**
 * Whether VXLAN is loaded, built in, or can be loaded.
 * @throws Error when the modules of the running kernel are not there to look at, as in a container
 */
export async function readHasVxlan(): Promise<boolean> {
  const isLoaded = await access('/sys/module/vxlan').then(
    () => true,
    () => false,
  );
  if (isLoaded) return true;
  const directory = `/lib/modules/${release()}`;
  const lists = ['modules.builtin', 'modules.dep'].map(name => `${directory}/${name}`);
  const texts = await Promise.all(lists.map(path => readFile(path, 'utf8').catch(() => undefined)));
  if (texts.every(text => text === undefined)) throw new Error(`${directory} is not there to look at`);
  return texts.some(text => text?.includes('/vxlan.ko'));
}

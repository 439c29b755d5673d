/** What the kernel says of this host. Effects; nothing is changed, and no root is needed. */
import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { readHostNetwork, readLinkStates } from '../../dataplane/host-network.js';
import { NetlinkKernel } from '../../dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../../dataplane/netlink/socket.js';
import { OperatorError } from '../../daemon/operator-error.js';
import type { AgentOptions } from '../../daemon/options.js';
import { chooseUnderlay } from '../../daemon/start-up.js';
import type { ChecksumFact, NetworkFact } from '../facts.js';

/** Between two looks at a counter. */
const SAMPLE_MS = 500;

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

/** Reads how often a UDP checksum was wrong, twice. @param sleep resolves after that many milliseconds */
export async function readChecksums(sleep: (ms: number) => Promise<void>): Promise<ChecksumFact> {
  const before = await readChecksumErrors();
  await sleep(SAMPLE_MS);
  return { before, after: await readChecksumErrors(), seconds: SAMPLE_MS / 1000 };
}

async function readChecksumErrors(): Promise<number> {
  return parseUdpCounter(await readFile('/proc/self/net/snmp', 'utf8'), 'InCsumErrors');
}

/**
 * A counter out of /proc/net/snmp: a line of names and one of values for each protocol (net/ipv4/proc.c).
 * @throws Error when it is not there
 */
export function parseUdpCounter(text: string, name: string): number {
  const [names = '', values = ''] = text.split('\n').filter(line => line.startsWith('Udp:'));
  const index = names.split(' ').indexOf(name);
  const value = Number(index < 0 ? NaN : values.split(' ')[index]);
  if (Number.isNaN(value)) throw new Error(`/proc/net/snmp has no ${name} of UDP`);
  return value;
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

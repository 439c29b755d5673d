/** The kernel of this process's network namespace, over netlink. */
import { writeFile } from 'node:fs/promises';
import { familyOf, ipFromBytes, ipToBytes } from '../address/ip.js';
import { macFromBytes, macToBytes } from '../address/mac.js';
import { ChangeForm } from './change-form.js';
import { entryOf, type Op } from './diff.js';
import { atTheirOps, firstStepsOf } from './first-steps.js';
import type { HeldLink, HeldVxlan, Kernel, LinkChange, OpTrouble } from './kernel.js';
import { describe, kindOf, KINDS } from './kinds/index.js';
import { toWire, UnknownDeviceError, type DeviceTable, type DumpRequest, type Kind } from './kinds/kind.js';
import type { Entry, Link, NeighbourEntry } from './model.js';
import {
  AF_INET,
  AF_INET6,
  IFF_UP,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETNEXTHOP,
  RTM_NEWLINK,
} from './netlink/constants.js';
import { isAlreadyGone, NetlinkError } from './netlink/errors.js';
import type { Operation, Trouble } from './netlink/exchange.js';
import {
  decodeLink,
  encodeLink,
  encodeLinkDump,
  encodeLinkSelector,
  type Link as DecodedLink,
  type LinkRequest,
} from './netlink/link.js';
import type { Message, MessageWriter } from './netlink/message.js';
import { encodeNeighbourSelector } from './netlink/neighbour.js';
import { encodeNexthopSelector } from './netlink/nexthop.js';
import type { NetlinkSocket } from './netlink/socket.js';

/** How kernels refuse a type of request that they do not know. */
const UNKNOWN_REQUEST: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'EINVAL']);

/** How they answer of a single entry without a word on it. What has become of a device that is gone, a reading tells. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([...UNKNOWN_REQUEST, 'ENODEV']);

export class NetlinkKernel implements Kernel {
  readonly #socket: NetlinkSocket;
  #devices = new Devices([]);
  #hasNexthops = true;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  get hasNexthops(): boolean {
    return this.#hasNexthops;
  }

  /** Devices as last read, for whoever decodes notifications. */
  get devices(): DeviceTable {
    return this.#devices;
  }

  async readLinks(): Promise<readonly HeldLink[]> {
    const replies = await this.#socket.dump({
      type: RTM_GETLINK,
      flags: 0,
      describe: () => 'list of devices',
      write: encodeLinkDump,
    });
    const links = replies.map(({ body }) => toHeldLink(decodeLink(body)));
    this.#devices = new Devices(links);
    return links;
  }

  async readEntries(overlay: ReadonlySet<string>, only?: Entry['kind']): Promise<readonly Entry[]> {
    const devices = this.#devices;
    const present = [...overlay].filter(name => devices.has(name));
    const entries: Entry[] = [];
    for (const kind of KINDS) {
      if (only !== undefined && kind.name !== only) continue;
      if (kind.name === 'nexthop' && !this.#hasNexthops) continue;
      for (const dump of kind.dumps(present, devices)) {
        for (const { body } of await this.#dump(kind, dump)) {
          const entry = kind.decode(body, devices);
          if (entry !== undefined) entries.push(entry);
        }
      }
    }
    return entries;
  }

  async #dump(kind: Kind, { type, write }: DumpRequest): Promise<readonly Message[]> {
    const describe = () => `list of ${kind.name} entries`;
    try {
      return await this.#socket.dump({ type, flags: 0, describe, write });
    } catch (error) {
      const isUnknown = error instanceof NetlinkError && UNKNOWN_REQUEST.has(error.code);
      if (kind.name !== 'nexthop' || !isUnknown) throw error;
      this.#hasNexthops = false;
      return [];
    }
  }

  async hasNexthop(id: number): Promise<boolean> {
    const write = (writer: MessageWriter) => encodeNexthopSelector(writer, id);
    const found = await this.#find({
      type: RTM_GETNEXTHOP,
      flags: 0,
      describe: () => `nexthop ${id}`,
      write,
    });
    return found !== undefined;
  }

  async findNeighbour(entry: NeighbourEntry): Promise<Entry | undefined | 'unknown'> {
    const devices = this.#devices;
    const family = familyOf(entry.address) === 4 ? AF_INET : AF_INET6;
    const write = (writer: MessageWriter) =>
      encodeNeighbourSelector(writer, family, devices.indexOf(entry.device), toWire(entry.address));
    try {
      const found = await this.#find({
        type: RTM_GETNEIGH,
        flags: 0,
        describe: () => describe(entry),
        write,
      });
      return found && kindOf(entry).decode(found.body, devices);
    } catch (error) {
      const isOfKernel = error instanceof NetlinkError || error instanceof UnknownDeviceError;
      if (isOfKernel && SAYS_NOTHING.has(error.code)) return 'unknown';
      throw error;
    }
  }

  /** @returns the answer to a request for one entry, undefined when there is no such entry */
  async #find(request: Operation): Promise<Message | undefined> {
    try {
      const [answer] = await this.#socket.request(request);
      return answer;
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async apply(ops: readonly Op[]): Promise<ReadonlyMap<number, OpTrouble>> {
    const steps = firstStepsOf(ops);
    if (steps.length === 0) return this.#carryOut(ops);
    return atTheirOps(await this.#carryOut([...steps.map(({ op }) => op), ...ops]), steps);
  }

  async #carryOut(ops: readonly Op[]): Promise<ReadonlyMap<number, OpTrouble>> {
    const devices = this.#devices;
    const form = new ChangeForm(devices);
    if (devices.hasAll(ops)) return toTroubles(await this.#socket.batch(ops, form), place => place);
    const possible = [...ops.keys()].filter(place => missingDevice(ops[place]!, devices) === undefined);
    const sent = possible.map(place => ops[place]!);
    const troubles = toTroubles(await this.#socket.batch(sent, form), index => possible[index]!);
    for (const [place, op] of ops.entries()) {
      const device = missingDevice(op, devices);
      // What was on a device that is gone is gone as well.
      if (device !== undefined && op.kind !== 'remove') troubles.set(place, withoutDevice(op.entry, device));
    }
    return troubles;
  }

  async createLink(link: Link): Promise<void> {
    await this.#request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, `device ${link.name}`, {
      name: link.name,
      mtu: link.mtu,
      transmitQueueLength: 0,
      linkAddress: macToBytes(link.mac),
      vxlan: {
        id: link.vni,
        link: this.#devices.indexOf(link.underlay),
        local: ipToBytes(link.local),
        ttl: 0,
        tos: 0,
        learning: link.learning,
        proxy: false,
        rsc: false,
        l2miss: false,
        l3miss: false,
        udpZeroCsum6Tx: false,
        udpZeroCsum6Rx: false,
        ...(link.gbp && { gbp: true }),
        port: link.port,
      },
    });
    // As flannel: no router of the overlay shall advertise anything to this host. Without IPv6 there is no such file.
    await writeFile(`/proc/sys/net/ipv6/conf/${link.name}/accept_ra`, '0').catch(() => undefined);
    await this.readLinks();
    try {
      await this.changeLink(link, { up: true });
    } catch (error) {
      // A device that cannot be set up (its port is in use) would stay behind as half a job.
      await this.removeLink(link.name).catch(() => undefined);
      throw error;
    }
  }

  async changeLink(link: Link, change: LinkChange): Promise<void> {
    const vxlan = {
      ...(change.local !== undefined && { local: ipToBytes(change.local) }),
      ...(change.learning !== undefined && { learning: change.learning }),
    };
    const general = {
      ...(change.mtu !== undefined && { mtu: change.mtu }),
      ...(change.mac !== undefined && { linkAddress: macToBytes(change.mac) }),
      ...(change.up === true && { flags: { value: IFF_UP, mask: IFF_UP } }),
    };
    const index = this.#devices.indexOf(link.name);
    const subject = `device ${link.name}`;
    // Two requests: the driver refuses settings of its own that come with an MTU (vxlan_nl2conf: EOPNOTSUPP).
    if (Object.keys(vxlan).length > 0) await this.#request(RTM_NEWLINK, 0, subject, { index, vxlan });
    if (Object.keys(general).length > 0) await this.#request(RTM_NEWLINK, 0, subject, { index, ...general });
  }

  async removeLink(name: string): Promise<void> {
    try {
      await this.#socket.request({
        type: RTM_DELLINK,
        flags: 0,
        describe: () => `device ${name}`,
        write: writer => encodeLinkSelector(writer, name),
      });
    } catch (error) {
      if (!(error instanceof NetlinkError && isAlreadyGone(error))) throw error;
    }
  }

  async #request(type: number, flags: number, subject: string, link: LinkRequest): Promise<void> {
    const write: Operation['write'] = writer => encodeLink(writer, link);
    await this.#socket.request({ type, flags, describe: () => subject, write });
  }
}

function missingDevice(op: Op, devices: Devices): string | undefined {
  const { device } = entryOf(op);
  return device === undefined || devices.has(device) ? undefined : device;
}

function withoutDevice(entry: Entry, device: string): OpTrouble {
  return { kind: 'refused', code: 'ENODEV', message: `${describe(entry)}: no device ${device}` };
}

/** Devices by name and by index, as of one reading. */
class Devices implements DeviceTable {
  readonly #byName: ReadonlyMap<string, number>;
  readonly #byIndex: ReadonlyMap<number, string>;

  constructor(links: readonly HeldLink[]) {
    this.#byName = new Map(links.map(link => [link.name, link.index]));
    this.#byIndex = new Map(links.map(link => [link.index, link.name]));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Whether all devices of these exist. */
  hasAll(ops: readonly Op[]): boolean {
    let known: string | undefined;
    for (const op of ops) {
      const { device } = entryOf(op);
      // Of thousands, most are on one device.
      if (device === known || device === undefined) continue;
      if (!this.has(device)) return false;
      known = device;
    }
    return true;
  }

  indexOf(name: string): number {
    const index = this.#byName.get(name);
    if (index === undefined) throw new UnknownDeviceError(`no device ${name}`);
    return index;
  }

  nameOf(index: number): string | undefined {
    return this.#byIndex.get(index);
  }
}

/** @param placeOf the place among the ops of what is here at a place among the messages */
function toTroubles(
  troubles: ReadonlyMap<number, Trouble>,
  placeOf: (index: number) => number,
): Map<number, OpTrouble> {
  const left = new Map<number, OpTrouble>();
  for (const [index, trouble] of troubles) {
    if (trouble.kind === 'unknown') left.set(placeOf(index), trouble);
    else if (!isAlreadyGone(trouble.error)) {
      const { code, message } = trouble.error;
      left.set(placeOf(index), { kind: 'refused', code, message });
    }
  }
  return left;
}

function toHeldLink(link: DecodedLink): HeldLink {
  const vxlan = link.kind === 'vxlan' ? toHeldVxlan(link) : undefined;
  return {
    name: link.name,
    index: link.index,
    kind: link.kind ?? '',
    mtu: link.mtu,
    mac: link.linkAddress?.length === 6 ? macFromBytes(link.linkAddress) : undefined,
    up: (link.flags & IFF_UP) !== 0,
    ...(vxlan && { vxlan }),
  };
}

function toHeldVxlan({ vxlan }: DecodedLink): HeldVxlan {
  return {
    vni: vxlan?.id ?? 0,
    port: vxlan?.port ?? 0,
    underlayIndex: vxlan?.link ?? 0,
    local: vxlan?.local && ipFromBytes(vxlan.local),
    learning: vxlan?.learning ?? false,
    gbp: vxlan?.gbp ?? false,
  };
}

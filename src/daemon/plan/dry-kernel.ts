/** A kernel that is read as it is and changed on paper: what was noted as done is read back as done. */
import type { HeldLink, HeldVxlan, Kernel, LinkChange, OpTrouble } from '../../dataplane/kernel.js';
import { entryOf, type Op } from '../../dataplane/diff.js';
import { describe, keyOf } from '../../dataplane/kinds/index.js';
import type { Entry, Link, NeighbourEntry } from '../../dataplane/model.js';
import type { NoteChange } from './changes.js';

export class DryKernel implements Kernel {
  readonly #kernel: Kernel;
  readonly #note: NoteChange;
  /** Devices as they would be, by name; undefined: removed. */
  readonly #links = new Map<string, HeldLink | undefined>();
  /** Entries as they would be, by kernel key; undefined: removed. */
  readonly #entries = new Map<string, Entry | undefined>();
  /** Devices that would be new, or would have lost what was on them. */
  readonly #emptied = new Set<string>();
  /** Devices whose neighbours would be gone with their old MAC. */
  readonly #readdressed = new Set<string>();
  #held: readonly HeldLink[] = [];

  constructor(kernel: Kernel, note: NoteChange) {
    this.#kernel = kernel;
    this.#note = note;
  }

  get hasNexthops(): boolean {
    return this.#kernel.hasNexthops;
  }

  async readLinks(): Promise<readonly HeldLink[]> {
    const links = new Map((await this.#kernel.readLinks()).map(link => [link.name, link]));
    for (const [name, link] of this.#links) {
      if (link === undefined) links.delete(name);
      else links.set(name, link);
    }
    this.#held = [...links.values()];
    return this.#held;
  }

  async readEntries(devices: ReadonlySet<string>, only?: Entry['kind']): Promise<readonly Entry[]> {
    const found = await this.#kernel.readEntries(devices, only);
    const untouched = found.filter(entry => !this.#entries.has(keyOf(entry)) && !this.#isLost(entry));
    const put = [...this.#entries.values()].filter(entry => entry !== undefined);
    return [...untouched, ...put.filter(({ kind }) => only === undefined || kind === only)];
  }

  async hasNexthop(id: number): Promise<boolean> {
    const all = await this.readEntries(new Set(this.#held.map(({ name }) => name)), 'nexthop');
    return all.some(entry => entry.kind === 'nexthop' && entry.id === id);
  }

  async findNeighbour(wanted: NeighbourEntry): Promise<Entry | undefined> {
    const all = await this.readEntries(new Set([wanted.device]), 'neighbour');
    return all.find(entry => keyOf(entry) === keyOf(wanted));
  }

  apply(ops: readonly Op[]): Promise<ReadonlyMap<number, OpTrouble>> {
    for (const op of ops) {
      const entry = entryOf(op);
      this.#entries.set(keyOf(entry), op.kind === 'remove' ? undefined : entry);
      this.#note({
        where: 'kernel',
        action: op.kind === 'replace' ? 'change' : op.kind,
        what: describe(entry),
      });
    }
    return Promise.resolve(new Map());
  }

  createLink(link: Link): Promise<void> {
    this.#empty(link.name);
    const underlay = this.#held.find(({ name }) => name === link.underlay);
    this.#links.set(link.name, asCreated(link, underlay?.index ?? 0));
    const what = `device ${link.name} type vxlan id ${link.vni} dstport ${link.port} dev ${link.underlay} local ${link.local} mtu ${link.mtu} address ${link.mac}`;
    this.#note({ where: 'kernel', action: 'create', what });
    return Promise.resolve();
  }

  changeLink(link: Link, change: LinkChange): Promise<void> {
    const before = this.#held.find(({ name }) => name === link.name);
    if (before !== undefined) this.#links.set(link.name, asChanged(before, change));
    if (change.mac !== undefined) this.#readdressed.add(link.name);
    const words = Object.entries(change).map(([name, value]) => `${name} ${String(value)}`);
    this.#note({ where: 'kernel', action: 'change', what: `device ${link.name}: ${words.join(', ')}` });
    return Promise.resolve();
  }

  removeLink(name: string): Promise<void> {
    this.#empty(name);
    this.#links.set(name, undefined);
    this.#note({ where: 'kernel', action: 'remove', what: `device ${name}` });
    return Promise.resolve();
  }

  #empty(device: string): void {
    this.#emptied.add(device);
    for (const [key, entry] of this.#entries) if (entry?.device === device) this.#entries.delete(key);
  }

  #isLost(entry: Entry): boolean {
    if (entry.device === undefined) return false;
    if (this.#emptied.has(entry.device)) return true;
    return entry.kind === 'neighbour' && this.#readdressed.has(entry.device);
  }
}

/** A device has its index from the kernel: one that does not exist has none. */
function asCreated(link: Link, underlayIndex: number): HeldLink {
  const { name, kind, mtu, mac, vni, port, local, learning, gbp } = link;
  const vxlan = { vni, port, underlayIndex, local, learning, gbp };
  return { name, index: 0, kind, mtu, mac, up: true, vxlan };
}

function asChanged(link: HeldLink, { mtu, mac, up, local, learning }: LinkChange): HeldLink {
  const vxlan: HeldVxlan | undefined = link.vxlan && {
    ...link.vxlan,
    ...(local !== undefined && { local }),
    ...(learning !== undefined && { learning }),
  };
  return {
    ...link,
    ...(mtu !== undefined && { mtu }),
    ...(mac !== undefined && { mac }),
    ...(up !== undefined && { up }),
    ...(vxlan && { vxlan }),
  };
}

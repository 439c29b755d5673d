/** Who has held which subnet, as everybody can see it in the store; and who wrote or deleted what he must not. */
import { overlaps, type Prefix } from '../../../src/address/prefix.js';
import { parseLease, parseSubnetKey, type Lease } from '../../../src/subnet/lease.js';
import type { KeyValue } from '../../../src/subnet/store.js';
import { KEY_PREFIX } from './agent.js';
import { ADMIN, type Journal } from './journal.js';
import { keyFaults, readWire, wireFaults, type WireNetwork } from './wire.js';

export class Ledger {
  readonly #journal: Journal;
  readonly #network: WireNetwork;
  readonly #present = new Map<string, KeyValue>();
  /** Public IPs of all that ever had a sound lease at a key. */
  readonly #holders = new Map<string, Set<string>>();
  /** Which agent wrote a value at a key first. */
  readonly #authors = new Map<string, string>();
  /** Whatever was put since the last rest. */
  #recent: {
    readonly subnet: Prefix;
    readonly publicIp: string | undefined;
    /** Nothing makes it expire, and it can be had. */
    readonly isReserved: boolean;
  }[] = [];
  readonly #complaints: string[] = [];

  /** @param journal where all requests of agents and test are noted before they are sent */
  constructor(journal: Journal, network: WireNetwork) {
    this.#journal = journal;
    this.#network = network;
  }

  /** What agents did that no agent may. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** What is there now, however it came about. */
  onSnapshot(entries: readonly KeyValue[]): void {
    this.#present.clear();
    for (const entry of entries) {
      this.#present.set(entry.key, entry);
      this.#noteHolder(entry);
    }
    this.note(entries);
  }

  onPut(entry: KeyValue): void {
    const before = this.#present.get(entry.key);
    const by = this.#journal.takeWriter(entry, before);
    this.#complaints.push(...this.#faultsOfWrite(by, entry, before));
    this.#present.set(entry.key, entry);
    const text = textOf(entry);
    if (by !== undefined && by !== ADMIN && !this.#authors.has(text)) this.#authors.set(text, by);
    this.note([entry]);
    this.#noteHolder(entry);
  }

  onDelete(key: string): void {
    const before = this.#present.get(key);
    if (before === undefined) return;
    const by = this.#journal.takeDeleter(before);
    this.#complaints.push(...this.#faultsOfDeletion(by, before));
    this.#present.delete(key);
  }

  /** These are in the store, whether written just now or not. */
  note(present: readonly KeyValue[]): void {
    for (const entry of present) {
      const subnet = parseSubnetKey(entry.key.slice(KEY_PREFIX.length));
      if (!subnet.ok) continue;
      this.#recent.push({
        subnet: subnet.value.ipv4,
        // A spoilt key is in the way of all.
        publicIp: leaseOf(entry)?.publicIp,
        isReserved: entry.leaseId === '0' && keyFaults(entry.key, this.#network).length === 0,
      });
    }
  }

  /** From now on it counts who takes a subnet. */
  rest(present: readonly KeyValue[]): void {
    this.#recent = [];
    this.note(present);
  }

  /** Whether since the last rest somebody else has held the subnet, or a part of it, or another was reserved for the host. */
  mayHaveLeft(subnet: Prefix, publicIp: string): boolean {
    return this.#recent.some(each =>
      each.publicIp === publicIp
        ? each.isReserved && !overlaps(each.subnet, subnet)
        : overlaps(each.subnet, subnet),
    );
  }

  #noteHolder(entry: KeyValue): void {
    const lease = leaseOf(entry);
    if (lease === undefined) return;
    const holders = this.#holders.get(entry.key) ?? new Set();
    this.#holders.set(entry.key, holders.add(lease.publicIp));
  }

  #faultsOfWrite(by: string | undefined, after: KeyValue, before: KeyValue | undefined): string[] {
    if (by === ADMIN) return [];
    const { key, value, leaseId } = after;
    if (by === undefined) return [`${key} = ${value} was written, and no create or compare can have done it`];
    const faults = wireFaults(after, this.#network);
    if (readWire(value)?.PublicIP !== by)
      faults.push(`rule 6: ${by} wrote ${key} = ${value}, not in its name`);
    if (leaseId === '0' && before?.leaseId !== '0')
      faults.push(`rule 4: ${by} wrote ${key} without etcd lease`);
    const grantee = this.#journal.granteeOf(leaseId);
    if (leaseId !== '0' && leaseId !== before?.leaseId && grantee !== by)
      faults.push(`${by} hung ${key} on the etcd lease of ${grantee}`);
    if (before !== undefined && !this.#ownersOf(before).has(by))
      faults.push(`${by} overwrote ${key} = ${before.value}, which is another's`);
    return faults;
  }

  #faultsOfDeletion(by: string | undefined, before: KeyValue): string[] {
    const { key, value, leaseId } = before;
    if (by === ADMIN) return [];
    if (by === undefined) {
      return leaseId === '0' ? [`${key} = ${value} went, and had no etcd lease that could end`] : [];
    }
    if (leaseOf(before) === undefined) return [`rule 1: ${by} deleted ${key} = ${value}`];
    // Its public IP is not enough: an admin has reserved it, or a flanneld of this host wrote it.
    if (this.#authors.get(textOf(before)) === by || this.#journal.granteeOf(leaseId) === by) return [];
    return [`rule 8: ${by} deleted ${key} = ${value}, which it has not written`];
  }

  /**
   * By its public IP or by its etcd lease. A spoilt key belongs to all that had it: who wrote last before may be what its
   * holder never saw.
   */
  #ownersOf(entry: KeyValue): ReadonlySet<string | undefined> {
    const holder = leaseOf(entry)?.publicIp;
    const holders = holder === undefined ? (this.#holders.get(entry.key) ?? []) : [holder];
    return new Set([...holders, this.#journal.granteeOf(entry.leaseId)]);
  }
}

function textOf({ key, value }: KeyValue): string {
  return `${key} ${value}`;
}

function leaseOf(entry: KeyValue): Lease | undefined {
  const parsed = parseLease(entry, KEY_PREFIX);
  return parsed.ok && parsed.value.publicIp !== '0.0.0.0' ? parsed.value : undefined;
}

/** Who has held which subnet, as everybody can see it in the store; and who wrote what he must not. */
import { formatPrefix, overlaps, type Prefix } from '../../../src/address/prefix.js';
import { parseLease, parseSubnetKey, type Lease } from '../../../src/subnet/lease.js';
import type { KeyValue } from '../../../src/subnet/store.js';
import { KEY_PREFIX } from './agent.js';

export class Ledger {
  readonly #present = new Map<string, KeyValue>();
  /** Public IPs of all that ever had a sound lease at a key. */
  readonly #holders = new Map<string, Set<string>>();
  /** Values that the test wrote itself. */
  readonly #ours = new Set<string>();
  /** Whatever was put since the last rest. */
  #recent: { readonly subnet: Prefix; readonly publicIp: string | undefined }[] = [];
  readonly #complaints: string[] = [];

  /** What agents did that no agent may. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** The test is about to write this itself. */
  expect(key: string, value: string): void {
    this.#ours.add(`${key} ${value}`);
  }

  onPut(entry: KeyValue): void {
    const before = this.#present.get(entry.key);
    this.#present.set(entry.key, entry);
    const lease = leaseOf(entry);
    const isOurs = this.#ours.has(`${entry.key} ${entry.value}`);
    if (before !== undefined && lease !== undefined && !isOurs) this.#judge(before, entry, lease);
    const subnet = parseSubnetKey(entry.key.slice(KEY_PREFIX.length));
    if (subnet.ok) this.#recent.push({ subnet: subnet.value.ipv4, publicIp: lease?.publicIp });
    if (lease === undefined) return;
    const holders = this.#holders.get(entry.key) ?? new Set();
    this.#holders.set(entry.key, holders.add(lease.publicIp));
  }

  onDelete(key: string): void {
    this.#present.delete(key);
  }

  /** The store has lost everything. */
  forget(): void {
    this.#present.clear();
  }

  /** These are in the store without having been written. */
  note(present: readonly KeyValue[]): void {
    for (const entry of present) {
      const lease = leaseOf(entry);
      if (lease !== undefined) this.#recent.push({ subnet: lease.subnets.ipv4, publicIp: lease.publicIp });
    }
  }

  /** From now on it counts who takes a subnet. */
  rest(present: readonly KeyValue[]): void {
    this.#recent = [];
    this.note(present);
  }

  /** Whether somebody else has held the subnet, or a part of it, since the last rest. */
  wasTaken(subnet: Prefix, publicIp: string): boolean {
    return this.#recent.some(each => each.publicIp !== publicIp && overlaps(each.subnet, subnet));
  }

  /**
   * A key is changed only by whom it belongs to: by its public IP or by its etcd lease. A spoilt one belongs to all that
   * had it: who wrote last before may be what its holder never saw.
   */
  #judge(before: KeyValue, after: KeyValue, { publicIp, subnets }: Lease): void {
    const holder = leaseOf(before)?.publicIp;
    const holders = holder === undefined ? this.#holders.get(before.key) : new Set([holder]);
    const sameLease = before.leaseId !== '0' && before.leaseId === after.leaseId;
    if (holders === undefined || holders.has(publicIp) || sameLease) return;
    const subnet = formatPrefix(subnets.ipv4);
    this.#complaints.push(`${publicIp} overwrote the lease of ${[...holders].join(' and ')} for ${subnet}`);
  }
}

function leaseOf(entry: KeyValue): Lease | undefined {
  const parsed = parseLease(entry, KEY_PREFIX);
  return parsed.ok && parsed.value.publicIp !== '0.0.0.0' ? parsed.value : undefined;
}

/**
 * Leases in, desired kernel state out: the host's own lease and its peers, planned by the backend, handed to the
 * reconciler. Synchronous and without effects of its own.
 */
import type { Logger } from 'pino';
import { containsPrefix, formatPrefix, samePrefix, type Prefix } from '../address/prefix.js';
import type { IpAddress } from '../address/ip.js';
import type { Backend, Self, UnderlayRoute } from '../backends/backend.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry } from '../dataplane/model.js';
import type { Reconciler } from '../dataplane/reconciler.js';
import { formatLeaseValue, type Lease } from '../subnet/lease.js';
import type { OwnLease } from '../subnet/manager.js';
import { PeerTable, type PeerDelta } from '../subnet/peers.js';
import type { KeyChange, KeyValue } from '../subnet/store.js';

export interface OverlayOptions {
  readonly backend: Backend;
  readonly network: Prefix;
  /** `<prefix>/subnets/`. */
  readonly keyPrefix: string;
  readonly log: Logger;
}

export class Overlay {
  readonly #options: OverlayOptions;
  #reconciler: Reconciler | undefined;
  #self: Self | undefined;
  #peers: PeerTable | undefined;
  /** Another lease is acquired: its key may be known before it is known to be ours. */
  #isAcquiring = false;
  #revision = 0;

  constructor(options: OverlayOptions) {
    this.#options = options;
  }

  /** The reconciler asks back for peers, so it can only be made after this. */
  attach(reconciler: Reconciler): void {
    this.#reconciler = reconciler;
  }

  get self(): Self | undefined {
    return this.#self;
  }

  get peers(): PeerTable | undefined {
    return this.#peers;
  }

  /** Rises whenever a peer is planned, planned anew or forgotten. */
  get revision(): number {
    return this.#revision;
  }

  /** Of the peer that has this subnet, for telling flanneld's routes from anybody's. */
  publicIpAt(destination: Prefix): IpAddress | undefined {
    return this.#peers?.at(destination)?.publicIp;
  }

  /** Our lease is lost, and we acquire another. What we hold stays planned until then. */
  noteLoss(): void {
    this.#isAcquiring = true;
  }

  /**
   * A lease is ours: plans the host, and all its peers when the subnet is another than before.
   * @param entries everything under the prefix
   * @param isInDoubt whether they may lack peers that live
   */
  setOwn(own: OwnLease, self: Self, entries: ReadonlyMap<string, KeyValue>, isInDoubt: boolean): void {
    this.#isAcquiring = false;
    // The same subnet again, after its key was lost: what is known of the peers stays, also of those in doubt.
    if (this.#self !== undefined && samePrefix(this.#self.subnets.ipv4, self.subnets.ipv4)) return;
    const { backend, network, keyPrefix, log } = this.#options;
    const before = this.#peers;
    for (const key of before?.accepted.keys() ?? []) this.#reconciler?.setPeer(key, []);
    this.#self = self;
    this.#peers = new PeerTable({
      keyPrefix,
      network,
      own: {
        key: own.key,
        subnets: self.subnets,
        addresses: [self.underlay.publicIp, self.underlay.address],
      },
      judge: lease => backend.judge(lease, self),
    });
    const plan = backend.planHost(self);
    this.#reconciler?.setHost(plan.links, plan.entries);
    this.#take(this.#peers.apply(Array.from(entries.values(), toPut)), 'quietly');
    if (before !== undefined) this.#take(this.#peers.keepFrom(before), 'quietly');
    const peers = this.#peers.accepted.size;
    log.info({ peers }, `peers known: ${peers}`);
    this.#reconciler?.setPeersComplete();
    if (!isInDoubt) this.#reconciler?.allowPruning();
  }

  /**
   * Keys under the prefix have changed.
   * @param deletions `keep` while the store is in doubt
   * @returns how many peers have changed by it
   */
  applyChanges(changes: readonly KeyChange[], deletions: 'believe' | 'keep'): number {
    if (this.#peers === undefined) return 0;
    const delta = this.#peers.apply(changes, deletions);
    this.#take(delta);
    return delta.peers.length;
  }

  /** The doubt is over: peers whose key did not come back are gone, those of before the start too. */
  forgetKept(): void {
    if (this.#peers === undefined) return;
    this.#take(this.#peers.forgetKept());
    this.#reconciler?.allowPruning();
  }

  /**
   * Which peers are on-link follows the routes of the underlay: plans the peers anew when these have changed, and the
   * backend asks for them.
   */
  followRoutes(entries: readonly Entry[]): void {
    const { backend, network } = this.#options;
    if (!backend.followsRoutes || this.#self === undefined) return;
    const routes = entries.flatMap(entry => toUnderlayRoute(entry, network, backend.device));
    if (JSON.stringify(routes) === JSON.stringify(this.#self.underlay.routes)) return;
    this.#self = { ...this.#self, underlay: { ...this.#self.underlay, routes } };
    this.#plan([...(this.#peers?.accepted.values() ?? [])]);
  }

  #take(delta: PeerDelta, how?: 'quietly'): void {
    const { log } = this.#options;
    this.#revision++;
    const planned: Lease[] = [];
    for (const { key, before, after } of delta.peers) {
      if (after === undefined) this.#reconciler?.setPeer(key, []);
      else planned.push(after);
      if (how === undefined && !saysTheSame(before, after)) log.info({ key }, describeChange(before, after));
    }
    this.#plan(planned);
    for (const { key, code, reason } of delta.setAside) {
      // Most likely the one that we have just created; whoever else has our public IP, status tells.
      if (code === 'own-public-ip' && this.#isAcquiring) continue;
      if (code === 'reserved') log.info({ key }, `lease ${key} is ${reason}`);
      else log.warn({ key, code }, `lease ${key} set aside: ${reason}`);
    }
  }

  #plan(leases: readonly Lease[]): void {
    const self = this.#self;
    if (self === undefined) return;
    this.#revision++;
    this.#reconciler?.setPeers(leases, lease => this.#options.backend.planPeer(lease, self));
  }
}

/** flanneld rewrites its lease as it is whenever it renews it. */
function saysTheSame(before: Lease | undefined, after: Lease | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  return formatLeaseValue(before) === formatLeaseValue(after);
}

function describeChange(before: Lease | undefined, after: Lease | undefined): string {
  const name = (lease: Lease) => `peer ${formatPrefix(lease.subnets.ipv4)} at ${lease.publicIp}`;
  if (after === undefined) return before === undefined ? 'no peer' : `${name(before)} is gone`;
  return `${name(after)} ${before === undefined ? 'has joined' : 'has changed'}`;
}

function toPut(entry: KeyValue): KeyChange {
  return { kind: 'put', entry };
}

/** Ours, those on the overlay device and those into the Network lead to containers: no peer's host is reached by them. */
function toUnderlayRoute(entry: Entry, network: Prefix, overlay: string | undefined): UnderlayRoute[] {
  if (entry.kind !== 'route' || entry.protocol === SELVEDGE_ROUTE_PROTOCOL) return [];
  if (entry.device === undefined || entry.device === overlay || containsPrefix(network, entry.destination))
    return [];
  return [{ destination: entry.destination, device: entry.device, hasGateway: entry.gateway !== undefined }];
}

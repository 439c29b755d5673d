/** A host that leases a subnet: a LeaseManager on a store in memory, with a mirror that can fall behind. */
import { setImmediate as settle } from 'node:timers/promises';
import { ipToNumber } from '../../src/address/ip.js';
import { parsePrefix } from '../../src/address/prefix.js';
import { formatLeaseValue, type LeaseAttributes } from '../../src/subnet/lease.js';
import { LeaseManager, type Awaiting, type LeaseWish, type OwnLease } from '../../src/subnet/manager.js';
import type { MirrorHistory } from '../../src/subnet/mirror.js';
import type { KeyChange, KeyValue, Snapshot, Store } from '../../src/subnet/store.js';
import type { SubnetRange } from '../../src/subnet/network-config.js';
import type { FakeClock } from './fake-clock.js';
import { recordedLog, type LogLine } from './recorded-log.js';

export const KEY_PREFIX = '/net/subnets/';
export const TTL_SECONDS = 600;

/** `10.5.1.0/24` to `10.5.LAST.0/24`. */
export function rangeUpTo(last: number): SubnetRange {
  const network = parsePrefix('10.5.0.0/16')!;
  return { network, subnetLength: 24, subnetMin: '10.5.1.0', subnetMax: `10.5.${last}.0` };
}

/** What the host with this public IP says of itself. */
export function attributesOf(publicIp: string): LeaseAttributes {
  return { publicIp, backendType: 'host-gw' };
}

/** When a fake clock begins, on the wall. */
const WALL_START = Date.UTC(2026, 0, 1);

/** A node id for each public IP. */
export function nodeOf(publicIp: string): LeaseWish['node'] {
  return { nodeId: ipToNumber(publicIp).toString(16).padStart(32, '0'), name: `host-${publicIp}` };
}

/** The value that the host with this public IP writes at this moment of a fake clock. */
export function valueSince(publicIp: string, ms = 0, attributes = attributesOf(publicIp)): string {
  const since = `${new Date(WALL_START + ms).toISOString().slice(0, 19)}Z`;
  return formatLeaseValue({ ...attributes, holder: { ...nodeOf(publicIp), since } });
}

export interface LeaseHost {
  /** Every lease that it came to own, in order. */
  readonly owned: OwnLease[];
  /** The etcd leases that its key was hung on by others. */
  readonly moves: string[];
  /** What each renewal said. */
  readonly renewals: (number | undefined)[];
  readonly exhaustions: bigint[];
  /** Whatever else it told its owner, in order. */
  readonly troubles: string[];
  /** Whose life is waited for, at each change. */
  readonly awaited: (Awaiting | undefined)[];
  readonly lines: LogLine[];
  /** The mirror gets no more changes until `catchUp`. */
  fallBehind(): void;
  catchUp(): void;
  /** The mirror lists and watches anew, as it does when etcd was wiped, restored or exchanged. */
  relist(history: MirrorHistory): Promise<void>;
  /** Ends it as a signal does. */
  stop(): Promise<void>;
  /** Settles when the manager ends. */
  readonly ended: Promise<void>;
}

export interface LeaseHostOptions {
  /** What the manager calls; by default the store itself. */
  readonly store?: Store;
  /** Which free subnet it takes. */
  readonly seed?: bigint;
  /** Peers that it keeps although they are not in the store. */
  readonly keptKeys?: readonly string[];
  /** The mirror is behind from the first moment. */
  readonly isBehind?: boolean;
  readonly random?: number;
  /** How far the clock on the wall is ahead, milliseconds. */
  readonly wallOffset?: () => number;
  /** The host leaves the network when it loses its lease. */
  readonly leavesOnLoss?: boolean;
}

/** Starts a host; stop it, or pass a `teardown` that does. */
export async function startLeaseHost(
  store: Store,
  clock: FakeClock,
  teardown: (stop: () => Promise<void>) => void,
  wish: Partial<LeaseWish> = {},
  options: LeaseHostOptions = {},
): Promise<LeaseHost> {
  const stopping = new AbortController();
  const { log, lines } = recordedLog();
  const entries = new Map<string, KeyValue>();
  const owned: OwnLease[] = [];
  const moves: string[] = [];
  const renewals: (number | undefined)[] = [];
  const exhaustions: bigint[] = [];
  const troubles: string[] = [];
  const awaited: (Awaiting | undefined)[] = [];
  let held: KeyChange[] | undefined = options.isBehind === true ? [] : undefined;

  const manager = new LeaseManager(
    {
      store: options.store ?? store,
      keyPrefix: KEY_PREFIX,
      ttlSeconds: TTL_SECONDS,
      entries: () => entries,
      keptKeys: () => options.keptKeys ?? [],
      log,
      now: clock.now,
      wallNow: () => WALL_START + clock.ms + (options.wallOffset?.() ?? 0),
      random: () => options.random ?? 0.5,
      randomBelow: below => (options.seed ?? 0n) % below,
      sleep: clock.sleep,
    },
    {
      onOwn: lease => owned.push(lease),
      onMoved: lease => moves.push(lease.leaseId),
      onRenewed: secondsLeft => renewals.push(secondsLeft),
      onExhausted: total => exhaustions.push(total),
      onAcquisitionFailed: error => troubles.push(`not acquired: ${error.message}`),
      onRenewalFailed: error => troubles.push(`failed: ${error.message}`),
      onContested: rewrites => troubles.push(`contested: ${rewrites}`),
      onLost: loss => {
        troubles.push(`lost: ${loss}`);
        if (options.leavesOnLoss === true) stopping.abort();
      },
      onAwaiting: awaiting => awaited.push(awaiting),
      onDuplicate: lease => troubles.push(`duplicate: ${lease.holder.name}`),
    },
  );
  const take = (changes: readonly KeyChange[], history: MirrorHistory = 'same') => {
    for (const change of changes) {
      if (change.kind === 'put') entries.set(change.entry.key, change.entry);
      else entries.delete(change.key);
    }
    manager.noteChanges(changes, history);
  };

  const follow = ({ revision, clusterId }: Snapshot) => {
    const handlers = {
      onOpen: () => undefined,
      onChanges: (changes: readonly KeyChange[]) => {
        if (held === undefined) take(changes);
        else held.push(...changes);
      },
    };
    void store.watch('/net/', { revision: revision + 1n, clusterId }, handlers, stopping.signal);
  };
  const snapshot = await store.list('/net/', stopping.signal);
  for (const entry of snapshot.entries) entries.set(entry.key, entry);
  follow(snapshot);
  const publicIp = wish.publicIp ?? '192.0.2.1';
  const ended = manager.run(
    {
      range: rangeUpTo(9),
      publicIp,
      preferred: [],
      attributes: attributesOf(publicIp),
      node: nodeOf(publicIp),
      ...wish,
    },
    stopping.signal,
  );
  // Whoever wants to know awaits it; nobody else shall be disturbed.
  ended.catch(() => undefined);
  const stop = async () => {
    stopping.abort();
    await ended.catch(() => undefined);
  };
  teardown(stop);
  await settle();
  return {
    ...{ owned, moves, renewals, exhaustions, troubles, awaited, lines, ended, stop },
    fallBehind: () => (held ??= []),
    catchUp: () => {
      const missed = held ?? [];
      held = undefined;
      if (missed.length > 0) take(missed);
    },
    relist: async history => {
      const now = await store.list('/net/', stopping.signal);
      held = undefined;
      const deletions = [...entries.keys()]
        .filter(key => !now.entries.some(entry => entry.key === key))
        .map((key): KeyChange => ({ kind: 'delete', key, modRevision: now.revision }));
      take([...deletions, ...now.entries.map((entry): KeyChange => ({ kind: 'put', entry }))], history);
      follow(now);
    },
  };
}

/** What a test may do around the calls of a store. Each is awaited. */
export interface StoreHooks {
  before?: ((method: string) => void | Promise<void>) | undefined;
  after?: ((method: string) => void | Promise<void>) | undefined;
}

/** The store with every call counted by name and led through the hooks. */
export function watchedStore(
  store: Store,
  hooks: StoreHooks = {},
): { readonly store: Store; readonly count: (method: keyof Store) => number } {
  const counts = new Map<string | symbol, number>();
  const proxy = new Proxy(store, {
    get:
      (target, name: keyof Store) =>
      async (...args: unknown[]) => {
        counts.set(name, (counts.get(name) ?? 0) + 1);
        await hooks.before?.(name);
        const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        const answer = await Reflect.apply(method, target, args);
        await hooks.after?.(name);
        return answer;
      },
  });
  return { store: proxy, count: method => counts.get(method) ?? 0 };
}

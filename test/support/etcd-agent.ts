/** All of an agent that talks to etcd, mirror and lease, on a real store: what it costs etcd is what an agent costs it. */
import type { Test } from 'tap';
import type { StoreConnection } from '../../src/subnet/connection-watch.js';
import { LeaseManager, type OwnLease } from '../../src/subnet/manager.js';
import { Mirror } from '../../src/subnet/mirror.js';
import type { SubnetRange } from '../../src/subnet/network-config.js';
import type { KeyValue, Store, StoreError } from '../../src/subnet/store.js';
import { sleep } from '../../src/daemon/tasks.js';
import { silent } from './etcd-store.js';
import { attributesOf, KEY_PREFIX, nodeOf, rangeUpTo } from './lease-host.js';

export interface EtcdAgent {
  readonly owned: readonly OwnLease[];
  /** How often the lease was known to have its whole time: by the grant first, then by keep-alives. */
  readonly renewals: () => number;
  readonly connected: () => boolean;
  /** As the mirror told it last. */
  readonly connection: () => StoreConnection | undefined;
  /** What the lease manager said of failures, in order. */
  readonly troubles: readonly StoreError[];
  /** What its mirror holds. */
  readonly entries: () => ReadonlyMap<string, KeyValue>;
  /** How often it found no subnet free. */
  readonly exhaustions: () => number;
  /** Ends it as a signal does: its key stays. */
  readonly stop: () => Promise<void>;
}

export interface EtcdAgentOptions {
  readonly publicIp?: string;
  readonly range?: SubnetRange;
  /** How it chooses a free subnet; by default the first one. */
  readonly randomBelow?: (below: bigint) => bigint;
}

/** Runs for the length of the test, unless it is stopped before. */
export function startEtcdAgent(
  t: Test,
  store: Store,
  ttlSeconds: number,
  { publicIp = '192.0.2.1', range = rangeUpTo(250), randomBelow = () => 0n }: EtcdAgentOptions = {},
): EtcdAgent {
  const nothing = () => undefined;
  const owned: OwnLease[] = [];
  let renewals = 0;
  let exhaustions = 0;
  let connection: StoreConnection | undefined;
  const troubles: StoreError[] = [];
  const stopping = new AbortController();
  const shared = { log: silent, now: () => performance.now(), random: Math.random, sleep };
  let onMirrored: () => void = nothing;
  const mirrored = new Promise<void>(resolve => (onMirrored = resolve));
  const mirror = new Mirror(
    store,
    '/net/',
    {
      onReset: () => onMirrored(),
      onChanges: ({ changes, history }) => manager.noteChanges(changes, history),
      onConnection: told => (connection = told),
    },
    shared,
  );
  const manager = new LeaseManager(
    {
      ...shared,
      ...{ store, keyPrefix: KEY_PREFIX, ttlSeconds, entries: () => mirror.entries, keptKeys: () => [] },
      wallNow: Date.now,
      randomBelow,
    },
    {
      onOwn: lease => owned.push(lease),
      onRenewed: () => renewals++,
      onExhausted: () => exhaustions++,
      onAcquisitionFailed: error => troubles.push(error),
      onRenewalFailed: error => troubles.push(error),
      ...{
        onContested: nothing,
        onMoved: nothing,
        onLost: nothing,
        onAwaiting: nothing,
        onDuplicate: nothing,
      },
    },
  );
  const wish = {
    range,
    publicIp,
    preferred: [],
    attributes: attributesOf(publicIp),
    node: nodeOf(publicIp),
  };
  const ended = Promise.all([
    mirror.run(stopping.signal),
    mirrored.then(() => manager.run(wish, stopping.signal)),
  ]);
  const stop = async () => {
    stopping.abort();
    onMirrored();
    await ended;
  };
  t.teardown(stop);
  return {
    ...{ owned, troubles, stop },
    renewals: () => renewals,
    connected: () => connection?.connected === true,
    connection: () => connection,
    entries: () => mirror.entries,
    exhaustions: () => exhaustions,
  };
}

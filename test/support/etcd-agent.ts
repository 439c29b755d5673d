/** All of an agent that talks to etcd, mirror and lease, on a real store: what it costs etcd is what an agent costs it. */
import type { Test } from 'tap';
import { LeaseManager, type OwnLease } from '../../src/subnet/manager.js';
import { Mirror } from '../../src/subnet/mirror.js';
import type { KeyValue, Store } from '../../src/subnet/store.js';
import { sleep } from '../../src/daemon/tasks.js';
import { silent } from './etcd-store.js';
import { attributesOf, KEY_PREFIX, rangeUpTo } from './lease-host.js';

export interface EtcdAgent {
  readonly owned: readonly OwnLease[];
  /** How often the lease was renewed. */
  readonly renewals: () => number;
  readonly connected: () => boolean;
  /** What its mirror holds. */
  readonly entries: () => ReadonlyMap<string, KeyValue>;
}

/** Runs for the length of the test. */
export function startEtcdAgent(t: Test, store: Store, ttlSeconds: number): EtcdAgent {
  const nothing = () => undefined;
  const owned: OwnLease[] = [];
  let renewals = 0;
  let connected = false;
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
      onConnection: connection => (connected = connection.connected),
    },
    shared,
  );
  const manager = new LeaseManager(
    {
      ...shared,
      ...{ store, keyPrefix: KEY_PREFIX, ttlSeconds, entries: () => mirror.entries },
      randomBelow: () => 0n,
    },
    {
      onOwn: lease => owned.push(lease),
      onRenewed: () => renewals++,
      ...{
        onAcquisitionFailed: nothing,
        onRenewalFailed: nothing,
        onContested: nothing,
        onMoved: nothing,
        onLost: nothing,
        onExhausted: nothing,
      },
    },
  );
  const publicIp = '192.0.2.1';
  const wish = {
    range: rangeUpTo(250),
    publicIp,
    preferred: [],
    attributes: attributesOf(publicIp),
    isOurs: () => false,
  };
  const ended = Promise.all([
    mirror.run(stopping.signal),
    mirrored.then(() => manager.run(wish, stopping.signal)),
  ]);
  t.teardown(async () => {
    stopping.abort();
    onMirrored();
    await ended;
  });
  return { owned, renewals: () => renewals, connected: () => connected, entries: () => mirror.entries };
}

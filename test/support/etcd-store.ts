/** A store on a real etcd behind a proxy, and a client that goes round the proxy. */
import { Etcd3 } from 'etcd3';
import { pino } from 'pino';
import type { Test } from 'tap';
import { createEtcd3Store, type Etcd3StoreOptions } from '../../src/subnet/etcd3-store.js';
import type { Store } from '../../src/subnet/store.js';
import { startEtcd, type Etcd, type EtcdOptions } from './etcd.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';

/** Of a request that is to be answered, however busy the machine is. */
const ANSWER_MS = 30_000;

export const silent = pino({ level: 'silent' });
export const never = new AbortController().signal;

export interface EtcdFixture {
  readonly etcd: Etcd;
  readonly proxy: TcpProxy;
  /** Reaches etcd through the proxy. */
  readonly store: Store;
  /** Reaches etcd directly, as another host does. */
  readonly direct: Etcd3;
}

export async function startEtcdFixture(
  t: Test,
  options: EtcdOptions = {},
  storeOptions: Partial<Etcd3StoreOptions> = {},
): Promise<EtcdFixture> {
  const etcd = await startEtcd(options);
  t.teardown(() => etcd.destroy());
  const proxy = await startTcpProxy({ host: etcd.address, port: etcd.port });
  t.teardown(() => proxy.close());
  const store = makeStore(t, { endpoints: [proxy.url], ...storeOptions });
  const direct = new Etcd3({ hosts: [etcd.url] });
  t.teardown(() => direct.close());
  return { etcd, proxy, store, direct };
}

/** A store that is closed when the test ends. It waits longer for answers than by default. */
export function makeStore(
  t: Test,
  options: Omit<Etcd3StoreOptions, 'log'> & Partial<Etcd3StoreOptions>,
): Store {
  const store = createEtcd3Store({ log: silent, requestTimeoutMs: ANSWER_MS, ...options });
  t.teardown(() => store.close());
  return store;
}

/** Writes many keys, each in a revision of its own. */
export async function putAll(direct: Etcd3, keys: readonly string[], value: string): Promise<void> {
  for (let i = 0; i < keys.length; i += 250) {
    await Promise.all(keys.slice(i, i + 250).map(key => direct.put(key).value(value).exec()));
  }
}

/** True when no revision is lower than the one before it. */
export function inOrder(revisions: readonly bigint[]): boolean {
  return revisions.every((revision, i) => i === 0 || revisions[i - 1]! <= revision);
}

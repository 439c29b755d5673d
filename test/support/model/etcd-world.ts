/** The model's world on a real etcd, each host behind a proxy of its own, in real time: a sequence takes seconds. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { steadyClock } from '../../../src/daemon/tasks.js';
import { createEtcd3Store } from '../../../src/subnet/etcd3-store.js';
import { Mirror, type MirrorHandlers } from '../../../src/subnet/mirror.js';
import { StoreError, type KeyValue, type Store } from '../../../src/subnet/store.js';
import { startEtcd, type Etcd } from '../etcd.js';
import { never, silent } from '../etcd-store.js';
import { startTcpProxy } from '../tcp-proxy.js';
import type { Link, World } from './world.js';

/** Long enough that a renewal, every third of it, is not missed because the machine is busy. */
const TTL_SECONDS = 6;
const LIST_RETRY_MS = 100;
const MOST_LISTS = 50;

/** Starts an etcd; it is gone after `close`. */
export async function createEtcdWorld(): Promise<World> {
  const etcd = await startEtcd();
  /** Round all proxies. */
  const direct = createEtcd3Store({ log: silent, endpoints: [etcd.url] });
  const closing = new AbortController();
  const { signal } = closing;
  let backup: string | undefined;
  let backups = 0;
  return {
    clock: steadyClock,
    ttlSeconds: TTL_SECONDS,
    graceSeconds: 3,
    // How long a busy machine needs nobody knows.
    settleSeconds: undefined,
    calmSeconds: 100,
    connect: () => connect(etcd),
    entries: () => listAll(direct),
    put: async (key, value) => {
      await etcd.etcdctl('put', key, '--', value);
    },
    remove: async key => {
      await etcd.etcdctl('del', key);
    },
    compact: async () => {
      const { revision } = await direct.list('/net/', never);
      // Fails when nothing was written since the last time.
      await etcd.etcdctl('compact', String(revision)).catch(() => undefined);
    },
    restart: () => etcd.restart('SIGKILL'),
    wipe: () => beginAgain(etcd, undefined),
    backUp: async () => {
      // etcdctl refuses to overwrite one.
      backup = join(etcd.directory, `backup-${++backups}`);
      await etcd.etcdctl('snapshot', 'save', backup);
    },
    restore: () => beginAgain(etcd, backup),
    pass: async seconds => {
      if (signal.aborted) throw new Error('the world was closed');
      await steadyClock.sleep(seconds * 1000, signal);
    },
    observe: observer => {
      const handlers: MirrorHandlers = {
        onConnection: () => undefined,
        onReset: ({ entries }) => observer.onSnapshot(entries),
        onChanges: ({ cause, changes }) => {
          // What a list finds may have been written several times.
          if (cause === 'relist') {
            observer.onSnapshot([...mirror.entries.values()]);
            return;
          }
          for (const change of changes) {
            if (change.kind === 'put') observer.onPut(change.entry);
            else observer.onDelete(change.key);
          }
        },
      };
      const options = { log: silent, random: Math.random, ...steadyClock };
      const mirror = new Mirror(direct, '/net/', handlers, options);
      void mirror.run(signal);
    },
    close: async () => {
      closing.abort();
      direct.close();
      await etcd.destroy();
    },
  };
}

async function beginAgain(etcd: Etcd, backup: string | undefined): Promise<void> {
  await etcd.stop('SIGKILL');
  etcd.wipe();
  if (backup !== undefined) await etcd.restore(backup);
  await etcd.start();
}

async function connect({ address, port }: Etcd): Promise<Link> {
  const proxy = await startTcpProxy({ host: address, port });
  const store = createEtcd3Store({ log: silent, endpoints: [proxy.url] });
  return {
    store,
    cut: how => {
      if (how === 'refused') proxy.cut();
      else proxy.stall(how === 'stalled' ? 'both' : 'answers');
    },
    heal: () => proxy.heal(),
    close: () => {
      store.close();
      void proxy.close();
    },
  };
}

/** Lists until etcd answers: it may have been restarted a moment ago. */
async function listAll(store: Store): Promise<readonly KeyValue[]> {
  for (let failures = 0; ; failures++) {
    try {
      return (await store.list('/net/', never)).entries;
    } catch (error) {
      if (!(error instanceof StoreError) || failures === MOST_LISTS) throw error;
      await delay(LIST_RETRY_MS);
    }
  }
}

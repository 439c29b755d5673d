/** A mirror of a real store that records what it is told. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { Mirror, type MirrorBatch } from '../../src/subnet/mirror.js';
import type { Snapshot, Store } from '../../src/subnet/store.js';
import { silent } from './etcd-store.js';
import { until } from './store-contract.js';

export interface Mirrored {
  readonly resets: readonly Snapshot[];
  readonly batches: readonly MirrorBatch[];
  /** All changes so far: `key=value`, or the key alone when it was deleted. */
  readonly changes: () => string[];
  readonly revisions: () => bigint[];
  readonly connected: () => boolean;
}

/** Mirrors `/net/` for the length of the test. */
export async function mirror(
  t: Test,
  store: Store,
  onBatch?: (batch: MirrorBatch) => void,
): Promise<Mirrored> {
  const resets: Snapshot[] = [];
  const batches: MirrorBatch[] = [];
  let connected = false;
  const stopping = new AbortController();
  const running = new Mirror(
    store,
    '/net/',
    {
      onReset: snapshot => resets.push(snapshot),
      onChanges: batch => {
        batches.push(batch);
        onBatch?.(batch);
      },
      onConnection: connection => (connected = connection.connected),
    },
    {
      log: silent,
      now: Date.now,
      sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
      random: Math.random,
    },
  ).run(stopping.signal);
  t.teardown(async () => {
    stopping.abort();
    await running;
  });
  await until(() => resets.length === 1, 'the first list');
  const all = () => batches.flatMap(batch => batch.changes);
  return {
    resets,
    batches,
    changes: () => all().map(c => (c.kind === 'put' ? `${c.entry.key}=${c.entry.value}` : c.key)),
    revisions: () => all().map(c => (c.kind === 'put' ? c.entry.modRevision : c.modRevision)),
    connected: () => connected,
  };
}

/**
 * One watch on one stream, from a revision until the stream ends.
 *
 * etcd3's own Watcher takes the header's revision of any answer as its resume point and so loses events after a cut
 * during catch-up; here only events and progress answers move the revision that the caller sees.
 */
import { setTimeout as later } from 'node:timers';
import type { IEvent, IKeyValue, IWatchResponse, WatchClient } from 'etcd3';
import type { Endpoint } from './etcd3-endpoints.js';
import { isDenied } from './etcd3-errors.js';
import { prefixEnd, toKeyValue, toKeyText } from './etcd3-keys.js';
import { StoreError, type KeyChange, type WatchEnd, type WatchHandlers } from './store.js';

export interface WatchRequest {
  readonly prefix: string;
  /** First revision to be delivered. */
  readonly revision: bigint;
  /** The cluster that this revision belongs to. */
  readonly clusterId: string;
  /** How long the stream may take to stand. */
  readonly openTimeoutMs: number;
}

/** How a watch ended; `failed` is for the caller to classify. */
export type StreamEnd =
  Exclude<WatchEnd, { kind: 'broken' }> | { readonly kind: 'failed'; readonly cause: unknown };

/**
 * Watches on one new stream.
 * @returns why it ended, or undefined when `signal` ended it
 * @throws what a handler threw
 */
export async function watchOnce(
  { client, streamOptions }: Endpoint,
  request: WatchRequest,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<StreamEnd | undefined> {
  if (signal.aborted) return undefined;
  let stream: Awaited<ReturnType<WatchClient['watch']>>;
  try {
    stream = await client.watchClient.watch(streamOptions);
  } catch (cause) {
    return { kind: 'failed', cause };
  }
  return new Promise((resolve, reject) => {
    let ended = false;
    const finish = (settle: () => void) => {
      if (ended) return;
      ended = true;
      clearTimeout(openTimer);
      signal.removeEventListener('abort', onAbort);
      stream.cancel();
      settle();
    };
    const fail = (cause: unknown) => finish(() => resolve({ kind: 'failed', cause }));
    const onAbort = () => finish(() => resolve(undefined));
    const openTimer = later(() => {
      const seconds = request.openTimeoutMs / 1000;
      fail(new StoreError('unavailable', `the watch was not opened within ${seconds} s`));
    }, request.openTimeoutMs);
    const read = createReader(request, {
      onOpen: () => {
        clearTimeout(openTimer);
        handlers.onOpen();
      },
      onChanges: handlers.onChanges.bind(handlers),
    });

    signal.addEventListener('abort', onAbort);
    stream.on('error', fail);
    stream.on('end', () => fail(new StoreError('unavailable', 'etcd ended the watch stream')));
    stream.on('data', response => {
      if (ended) return;
      try {
        const end = read(response);
        if (end !== undefined) finish(() => resolve(end));
      } catch (error) {
        finish(() => reject(error instanceof Error ? error : new Error(String(error))));
      }
    });
    if (signal.aborted) {
      onAbort();
      return;
    }
    stream.write({
      create_request: {
        key: Buffer.from(request.prefix),
        range_end: prefixEnd(request.prefix),
        start_revision: startOf(request).toString(),
        progress_notify: true,
        // A large revision comes in several answers instead of one that exceeds the message limit.
        fragment: true,
      },
    });
  });
}

/**
 * Where the stream begins: a revision before the first that is to be delivered. A watch from the very revision that was
 * compacted loses a deletion in it and says nothing (etcd issue 18089, in 3.4 and 3.5); from before it is told so.
 */
function startOf({ revision }: WatchRequest): bigint {
  return revision > 1n ? revision - 1n : 1n;
}

/** Reads the answers of one stream in their order; returns the end when an answer brings it. */
function createReader(
  request: WatchRequest,
  handlers: WatchHandlers,
): (response: IWatchResponse) => StreamEnd | undefined {
  let fragments: IEvent[] = [];
  return response => {
    const { header } = response;
    if (header.cluster_id !== request.clusterId) {
      const reason = `cluster id is ${header.cluster_id}, it was ${request.clusterId}`;
      return { kind: 'other-history', reason };
    }
    if (response.canceled) return cancelled(response);
    if (response.created) {
      const revision = BigInt(header.revision);
      if (revision < request.revision - 1n) {
        const reason = `store is at revision ${revision}, it was at ${request.revision - 1n}`;
        return { kind: 'other-history', reason };
      }
      handlers.onOpen();
      return undefined;
    }
    const events = fragments.concat(response.events);
    fragments = response.fragment ? events : [];
    if (response.fragment) return undefined;
    // Without events this is a progress answer: all up to its header's revision has been delivered.
    const last = BigInt(events.at(-1)?.kv.mod_revision ?? header.revision);
    if (last < request.revision) return undefined;
    const wanted = events.filter(({ kv }) => BigInt(kv.mod_revision) >= request.revision);
    handlers.onChanges(wanted.map(toKeyChange), last);
    return undefined;
  };
}

function cancelled(response: IWatchResponse): StreamEnd {
  if (response.compact_revision !== '0') {
    return { kind: 'compacted', revision: BigInt(response.compact_revision) };
  }
  const reason = response.cancel_reason === '' ? 'etcd gave no reason' : response.cancel_reason;
  // An expired token and a missing permission come this way too.
  return isDenied(reason) ? { kind: 'failed', cause: new Error(reason) } : { kind: 'cancelled', reason };
}

function toKeyChange(event: IEvent): KeyChange {
  const kv: IKeyValue = event.kv;
  if (event.type === 'Put') return { kind: 'put', entry: toKeyValue(kv) };
  return { kind: 'delete', key: toKeyText(kv.key), modRevision: BigInt(kv.mod_revision) };
}

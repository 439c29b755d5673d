/**
 * The store port on etcd v3.
 *
 * The package etcd3 serves for unary calls, types and TLS; its own watcher, lease and retries are not used, because they
 * lose events, replay writes whose answer was lost, and cannot keep a lease that exists. Reads are repeated, on the next
 * endpoint when there is one. A write is sent once; when its answer is lost, the key is read back and decides.
 */
import type { ComparatorBuilder, Etcd3, ITxnResponse, PutBuilder } from 'etcd3';
import { Access } from './etcd3-access.js';
import { Calls } from './etcd3-calls.js';
import type { Endpoint } from './etcd3-endpoints.js';
import { isLeaseGone, isUncertain } from './etcd3-errors.js';
import { KeepAliveStream } from './etcd3-keep-alive.js';
import { toKeyValue } from './etcd3-keys.js';
import { listPrefix } from './etcd3-list.js';
import { settle, type Etcd3StoreOptions } from './etcd3-options.js';
import { watchOnce, type StreamEnd } from './etcd3-watch.js';
import {
  StoreError,
  type KeyValue,
  type Snapshot,
  type Store,
  type StoreLease,
  type WatchEnd,
  type WatchHandlers,
  type WriteResult,
} from './store.js';

export type { EndpointView } from './etcd3-endpoint-watch.js';
export type { CredentialsView, Etcd3StoreOptions, TlsFiles } from './etcd3-options.js';

const KEEP_ALIVE_ANSWER_MS = 10_000;
/**
 * Creates the store; nothing is connected before the first call. Credential files are read now, and again when they change.
 * @throws StoreError `invalid` for options that cannot work, `tls` for a file that cannot be read or used
 */
export function createEtcd3Store(options: Etcd3StoreOptions): Store {
  const settings = settle(options);
  const { log, random = Math.random } = options;
  const { onCredentials = () => undefined, onEndpoints = () => undefined } = options;
  const access = new Access(settings, { log, onCredentials, onEndpoints, now: Date.now, random });
  return new Etcd3Store(access, settings.timeoutMs, log, random);
}

/** What the key that a write was meant for says of that write, when its answer was lost. */
type Verdict = 'carried-out' | 'not-carried-out' | 'superseded';

class Etcd3Store implements Store {
  readonly #access: Access;
  readonly #calls: Calls;
  readonly #requestTimeoutMs: number;
  readonly #log: Etcd3StoreOptions['log'];
  #keepAlives: { readonly endpoint: Endpoint; readonly stream: KeepAliveStream } | undefined;

  constructor(access: Access, requestTimeoutMs: number, log: Etcd3StoreOptions['log'], random: () => number) {
    this.#access = access;
    this.#calls = new Calls(access.endpoints, random, (error, endpoint) => access.explain(error, endpoint));
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#log = log;
  }

  list(prefix: string, signal: AbortSignal): Promise<Snapshot> {
    return listPrefix(this.#calls, prefix, signal);
  }

  async read(key: string): Promise<KeyValue | undefined> {
    return (await this.#readAt(key)).entry;
  }

  async #readAt(key: string): Promise<{ entry: KeyValue | undefined; revision: bigint }> {
    const answer = await this.#calls.repeated(`read ${key}`, ({ client }) => client.get(key).exec());
    const [kv] = answer.kvs;
    return { entry: kv === undefined ? undefined : toKeyValue(kv), revision: BigInt(answer.header.revision) };
  }

  async watch(
    prefix: string,
    from: { readonly revision: bigint; readonly clusterId: string },
    handlers: WatchHandlers,
    signal: AbortSignal,
  ): Promise<WatchEnd | undefined> {
    const doing = `watch ${prefix} from revision ${from.revision}`;
    const either = AbortSignal.any([signal, this.#calls.closed]);
    const request = { prefix, ...from, openTimeoutMs: this.#requestTimeoutMs };
    const endpoint = this.#calls.endpoints.current;
    const watchFrom = async (): Promise<Exclude<StreamEnd, { kind: 'failed' }> | undefined> => {
      const end = await watchOnce(endpoint, request, handlers, either);
      if (end?.kind === 'failed') throw end.cause;
      return end;
    };
    try {
      return await this.#calls.loggedIn(endpoint, watchFrom);
    } catch (cause) {
      return { kind: 'broken', error: await this.#calls.failed(cause, doing, endpoint) };
    }
  }

  createIfAbsent(key: string, value: string, leaseId: string): Promise<WriteResult> {
    return this.#write(
      `create ${key}`,
      key,
      client => client.if(key, 'Create', '==', 0).then(putOf(client, key, value, leaseId)),
      current => {
        if (current === undefined) return 'not-carried-out';
        return isSame(current, value, leaseId) ? 'carried-out' : 'superseded';
      },
    );
  }

  replaceIfUnchanged(key: string, value: string, leaseId: string, modRevision: bigint): Promise<WriteResult> {
    return this.#write(
      `replace ${key}`,
      key,
      client => ifUnchanged(client, key, modRevision).then(putOf(client, key, value, leaseId)),
      current => {
        if (current?.modRevision === modRevision) return 'not-carried-out';
        return current !== undefined && isSame(current, value, leaseId) ? 'carried-out' : 'superseded';
      },
    );
  }

  deleteIfUnchanged(key: string, modRevision: bigint): Promise<WriteResult> {
    return this.#write(
      `delete ${key}`,
      key,
      client => ifUnchanged(client, key, modRevision).then(client.delete().key(key)),
      current => {
        if (current === undefined) return 'carried-out';
        return current.modRevision === modRevision ? 'not-carried-out' : 'superseded';
      },
    );
  }

  /**
   * Sends one transaction whose other branch reads the key.
   * @param judge reads from the key as it stands whether the write was carried out, when the answer was lost
   */
  async #write(
    doing: string,
    key: string,
    transaction: (client: Etcd3) => ComparatorBuilder,
    judge: (current: KeyValue | undefined) => Verdict,
  ): Promise<WriteResult> {
    let answer: ITxnResponse;
    try {
      answer = await this.#calls.once(doing, ({ client }) =>
        transaction(client).else(client.get(key)).commit(),
      );
    } catch (error) {
      if (!(error instanceof StoreError) || !isUncertain(error)) throw error;
      return this.#readBack(key, judge, error);
    }
    if (answer.succeeded) return { done: true, modRevision: BigInt(answer.header.revision) };
    const kv = answer.responses[0]?.response_range.kvs[0];
    return { done: false, current: kv === undefined ? undefined : toKeyValue(kv) };
  }

  async #readBack(
    key: string,
    judge: (current: KeyValue | undefined) => Verdict,
    lost: StoreError,
  ): Promise<WriteResult> {
    const { entry, revision } = await this.#readAt(key).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      const message = `${lost.message}; whether it was carried out is not known: ${text}`;
      throw new StoreError(lost.kind, message, { cause: error, advice: lost.advice });
    });
    const verdict = judge(entry);
    this.#log.info({ err: lost, key, verdict }, 'the answer to a write was lost; the key was read back');
    switch (verdict) {
      case 'carried-out':
        return { done: true, modRevision: entry?.modRevision ?? revision };
      case 'superseded':
        return { done: false, current: entry };
      case 'not-carried-out':
        throw new StoreError(lost.kind, `${lost.message}; it was not carried out`, {
          cause: lost,
          advice: lost.advice,
        });
    }
  }

  async grantLease(ttlSeconds: number): Promise<StoreLease> {
    // A grant whose answer is lost leaves a lease that nobody uses; it ends by itself.
    const answer = await this.#calls.once(`grant a lease of ${ttlSeconds} s`, ({ client }) =>
      client.leaseClient.leaseGrant({ TTL: ttlSeconds }),
    );
    return { id: answer.ID, ttlSeconds: Number(answer.TTL) };
  }

  async readLease(id: string): Promise<(StoreLease & { readonly grantedSeconds: number }) | undefined> {
    const answer = await this.#calls.repeated(`read lease ${leaseText(id)}`, ({ client }) =>
      client.leaseClient.leaseTimeToLive({ ID: id }),
    );
    const ttlSeconds = Number(answer.TTL);
    return ttlSeconds < 0 ? undefined : { id, ttlSeconds, grantedSeconds: Number(answer.grantedTTL) };
  }

  async revokeLease(id: string): Promise<void> {
    await this.#calls.repeated(`revoke lease ${leaseText(id)}`, async ({ client }) => {
      try {
        await client.leaseClient.leaseRevoke({ ID: id });
      } catch (error) {
        if (!isLeaseGone(error)) throw error;
      }
    });
  }

  keepAlive(id: string, answerMs = KEEP_ALIVE_ANSWER_MS): Promise<number | undefined> {
    return this.#calls.repeated(`renew lease ${leaseText(id)}`, endpoint =>
      this.#keepAliveStreamAt(endpoint).renew(id, answerMs),
    );
  }

  #keepAliveStreamAt(endpoint: Endpoint): KeepAliveStream {
    if (this.#keepAlives?.endpoint !== endpoint) {
      this.#keepAlives?.stream.close();
      this.#keepAlives = { endpoint, stream: new KeepAliveStream(endpoint) };
    }
    return this.#keepAlives.stream;
  }

  close(): void {
    this.#calls.close();
    this.#keepAlives?.stream.close();
    this.#access.close();
  }
}

function putOf(client: Etcd3, key: string, value: string, leaseId: string): PutBuilder {
  const put = client.put(key).value(value);
  return leaseId === '0' ? put : put.lease(leaseId);
}

function ifUnchanged(client: Etcd3, key: string, modRevision: bigint): ComparatorBuilder {
  return client.if(key, 'Mod', '==', modRevision.toString());
}

/** An etcd lease as etcdctl and status name it. */
function leaseText(id: string): string {
  return BigInt(id).toString(16);
}

function isSame(current: KeyValue, value: string, leaseId: string): boolean {
  return current.value === value && current.leaseId === leaseId;
}

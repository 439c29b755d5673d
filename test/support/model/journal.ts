/**
 * Who asked the store for what: each change that the store tells of is held against it, whether the answer to the request
 * arrived or not.
 */
import type { KeyValue, Store } from '../../../src/subnet/store.js';

/** The test itself, which does what an operator may. */
export const ADMIN = 'admin';

type Request =
  | { readonly kind: 'create'; readonly value: string; readonly leaseId: string }
  | {
      readonly kind: 'replace';
      readonly value: string;
      readonly leaseId: string;
      readonly modRevision: bigint;
    }
  | { readonly kind: 'delete'; readonly modRevision: bigint }
  /** Of an admin only: no agent can ask for it. */
  | { readonly kind: 'put'; readonly value: string }
  | { readonly kind: 'remove' };

type Asked = Request & { readonly by: string };

export class Journal {
  /** By key: what was asked for and has not been seen to be done. */
  readonly #asked = new Map<string, Asked[]>();
  readonly #grantees = new Map<string, string>();
  readonly #revokers = new Map<string, string>();

  /** @param by public IP of the agent that calls the store, or `ADMIN` */
  note(by: string, key: string, request: Request): void {
    const asked = this.#asked.get(key) ?? [];
    this.#asked.set(key, asked);
    asked.push({ ...request, by });
  }

  /** The store with every request of this agent noted. */
  recorded(store: Store, by: string): Store {
    return {
      list: (...args) => store.list(...args),
      read: key => store.read(key),
      watch: (...args) => store.watch(...args),
      createIfAbsent: (key, value, leaseId) => {
        this.note(by, key, { kind: 'create', value, leaseId });
        return store.createIfAbsent(key, value, leaseId);
      },
      replaceIfUnchanged: (key, value, leaseId, modRevision) => {
        this.note(by, key, { kind: 'replace', value, leaseId, modRevision });
        return store.replaceIfUnchanged(key, value, leaseId, modRevision);
      },
      deleteIfUnchanged: (key, modRevision) => {
        this.note(by, key, { kind: 'delete', modRevision });
        return store.deleteIfUnchanged(key, modRevision);
      },
      grantLease: async ttlSeconds => {
        const lease = await store.grantLease(ttlSeconds);
        this.#grantees.set(lease.id, by);
        return lease;
      },
      readLease: id => store.readLease(id),
      revokeLease: id => {
        this.#revokers.set(id, by);
        return store.revokeLease(id);
      },
      keepAlive: (...args) => store.keepAlive(...args),
      close: () => store.close(),
    };
  }

  /**
   * Who asked for this change just so, whose request is done with. That of an agent is a create or a compare.
   * @param before the key as it stood
   */
  takeWriter(after: KeyValue, before: KeyValue | undefined): string | undefined {
    const { key, value, leaseId, createRevision, modRevision } = after;
    const isCreated = createRevision === modRevision;
    return this.#take(key, asked => {
      switch (asked.kind) {
        case 'create':
          return isCreated && asked.value === value && asked.leaseId === leaseId;
        case 'replace': {
          const wasAsKnown = !isCreated && asked.modRevision === before?.modRevision;
          return wasAsKnown && asked.value === value && asked.leaseId === leaseId;
        }
        case 'put':
          return asked.value === value && leaseId === '0';
        default:
          return false;
      }
    });
  }

  /** Who deleted this key, by itself or with its etcd lease; undefined when nobody did, as at an expiry. */
  takeDeleter({ key, leaseId, modRevision }: KeyValue): string | undefined {
    const deleter = this.#take(
      key,
      asked => asked.kind === 'remove' || (asked.kind === 'delete' && asked.modRevision === modRevision),
    );
    return deleter ?? this.#revokers.get(leaseId);
  }

  /** The agent that this etcd lease was granted to. */
  granteeOf(leaseId: string): string | undefined {
    return this.#grantees.get(leaseId);
  }

  #take(key: string, fits: (asked: Asked) => boolean): string | undefined {
    const asked = this.#asked.get(key) ?? [];
    const index = asked.findIndex(fits);
    return index < 0 ? undefined : asked.splice(index, 1)[0]!.by;
  }
}

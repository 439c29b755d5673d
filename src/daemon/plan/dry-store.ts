/** A store that is read as it is and written on paper: a write that its condition lets through is noted as done. */
import type { KeyValue, Store, WriteResult } from '../../subnet/store.js';
import type { NoteChange, PlannedChange } from './changes.js';

/** The etcd lease that would be granted; no real one has this id. */
const PLANNED_LEASE = '-1';

/** @param store stays its owner's to close */
export function dryStore(store: Store, note: NoteChange): Store {
  let ttl = 0;
  const write = async (
    key: string,
    isMet: (current: KeyValue | undefined) => boolean,
    action: PlannedChange['action'],
  ): Promise<WriteResult> => {
    const current = await store.read(key);
    if (!isMet(current)) return { done: false, current };
    note({ where: 'etcd', action, what: `key ${key}` });
    return { done: true, modRevision: current?.modRevision ?? 0n };
  };
  return {
    list: (prefix, signal) => store.list(prefix, signal),
    read: key => store.read(key),
    watch: (prefix, from, handlers, signal) => store.watch(prefix, from, handlers, signal),
    createIfAbsent: key => write(key, current => current === undefined, 'create'),
    replaceIfUnchanged: (key, _value, _leaseId, modRevision) =>
      write(key, current => current?.modRevision === modRevision, 'change'),
    deleteIfUnchanged: (key, modRevision) =>
      write(key, current => current?.modRevision === modRevision, 'remove'),
    grantLease: ttlSeconds => {
      ttl = ttlSeconds;
      return Promise.resolve({ id: PLANNED_LEASE, ttlSeconds });
    },
    readLease: id => store.readLease(id),
    revokeLease: () => Promise.resolve(),
    // A renewal would be a change. It gives a lease the whole time that it was granted for.
    keepAlive: async id => (id === PLANNED_LEASE ? ttl : (await store.readLease(id))?.grantedSeconds),
    close: () => undefined,
  };
}

/** A store whose calls are counted on their way. */
import { StoreError, type Store, type WatchEnd } from '../subnet/store.js';
import type { Counts, StoreOperation } from './counts.js';

/** @returns the same store; each call adds to `counts`, and its failure too */
export function countedStore(store: Store, counts: Pick<Counts, 'requests' | 'requestErrors'>): Store {
  const count = async <T>(operation: StoreOperation, call: Promise<T>): Promise<T> => {
    counts.requests.add(operation);
    try {
      return await call;
    } catch (error) {
      if (error instanceof StoreError) counts.requestErrors.add(error.kind);
      throw error;
    }
  };
  const noteEnd = (end: WatchEnd | undefined) => {
    if (end !== undefined) counts.requestErrors.add(end.kind === 'broken' ? end.error.kind : 'watch-ended');
    return end;
  };
  return {
    list: (prefix, signal) => count('list', store.list(prefix, signal)),
    read: key => count('read', store.read(key)),
    watch: async (...all) => noteEnd(await count('watch', store.watch(...all))),
    createIfAbsent: (...all) => count('createIfAbsent', store.createIfAbsent(...all)),
    replaceIfUnchanged: (...all) => count('replaceIfUnchanged', store.replaceIfUnchanged(...all)),
    deleteIfUnchanged: (...all) => count('deleteIfUnchanged', store.deleteIfUnchanged(...all)),
    grantLease: ttlSeconds => count('grantLease', store.grantLease(ttlSeconds)),
    readLease: id => count('readLease', store.readLease(id)),
    revokeLease: id => count('revokeLease', store.revokeLease(id)),
    keepAlive: (...all) => count('keepAlive', store.keepAlive(...all)),
    close: () => store.close(),
  };
}

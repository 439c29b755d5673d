/** Lists all keys under a prefix from etcd, in pages that are all of one revision. Effects. */
import type { Calls } from './etcd3-calls.js';
import { isCompacted, isTooLarge } from './etcd3-errors.js';
import { prefixEnd, toKeyValue } from './etcd3-keys.js';
import { StoreError, type KeyValue, type Snapshot } from './store.js';

/** Keys per page: larger pages stop the event loop for longer, smaller ones cost more round trips. */
const PAGE_LIMIT = 2_000;
/** By how much pages shrink when one was larger than an answer may be. Two such steps fit the largest values that etcd takes. */
const SHRINK = 8;
/** How often a list begins again because its revision was compacted between two pages. */
const MOST_LISTS = 3;

/**
 * @param prefix that all keys start with
 * @param signal ends the wait; a call that is under way ends at its deadline
 * @throws StoreError
 */
export async function listPrefix(calls: Calls, prefix: string, signal: AbortSignal): Promise<Snapshot> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listOnce(calls, prefix, signal);
    } catch (error) {
      // The revision of the first page was compacted before the last page was read: begin again.
      if (!isCompacted(error) || attempt >= MOST_LISTS) throw error;
    }
  }
}

async function listOnce(calls: Calls, prefix: string, signal: AbortSignal): Promise<Snapshot> {
  const doing = `list ${prefix}`;
  const entries: KeyValue[] = [];
  let range: PageRange = { start: Buffer.from(prefix), end: prefixEnd(prefix), limit: PAGE_LIMIT };
  let header: { readonly revision: string; readonly cluster_id: string } | undefined;
  for (;;) {
    const { page, limit } = await readPage(calls, doing, range, signal);
    if (header !== undefined && page.header.cluster_id !== header.cluster_id) {
      throw new StoreError('unavailable', `${doing}: the endpoints belong to different clusters`);
    }
    header ??= page.header;
    entries.push(...page.kvs.map(toKeyValue));
    const { revision, cluster_id: clusterId } = header;
    if (!page.more) return { entries, revision: BigInt(revision), clusterId };
    range = { ...range, start: Buffer.concat([page.kvs.at(-1)!.key, Buffer.of(0)]), limit, revision };
  }
}

interface PageRange {
  readonly start: Buffer;
  /** The first key that is none of them. */
  readonly end: Buffer;
  /** Most keys that may come. */
  readonly limit: number;
  /** Undefined for the first page, which says what it is. */
  readonly revision?: string;
}

/** @returns the page, and how many keys were asked for in the end: fewer where these would not fit one answer */
async function readPage(calls: Calls, doing: string, range: PageRange, signal: AbortSignal) {
  const { start, end, revision } = range;
  for (let { limit } = range; ; limit = Math.ceil(limit / SHRINK)) {
    try {
      const page = await calls.repeated(
        doing,
        ({ client }) => {
          const keys = client.getAll().inRange({ start, end }).limit(limit);
          return (revision === undefined ? keys : keys.revision(revision)).exec();
        },
        signal,
      );
      return { page, limit };
    } catch (error) {
      // Leases are small, but anybody may write 1.5 MB (etcd's limit of a request) where they stand.
      if (!isTooLarge(error) || limit === 1) throw error;
    }
  }
}

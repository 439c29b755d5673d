/** How often a host refreshes the etcd lease of its subnet. Pure. */

/** The lease is proven to live at least this often. */
const LONGEST_MS = 60_000;
/** An endpoint that takes longer to answer is passed over. */
const LONGEST_ANSWER_MS = 10_000;

/** Longest time between two refreshes: a third of the TTL, at most a minute. */
export function renewalMs(ttlSeconds: number): number {
  return Math.min((ttlSeconds * 1000) / 3, LONGEST_MS);
}

/** A lease that was not refreshed for so long has no living holder, or one that is cut off from etcd. */
export function silentAfterMs(ttlSeconds: number): number {
  return 2 * renewalMs(ttlSeconds);
}

/** Longest wait for the answer to a refresh. Of a short lease at most a sixth, so that two endpoints in a row may be silent. */
export function answerMs(ttlSeconds: number): number {
  return Math.min((ttlSeconds * 1000) / 6, LONGEST_ANSWER_MS);
}

/**
 * Whether the agent's own work goes on, so that a restart would help if it did not. Pure. etcd that is away, a kernel
 * that refuses, a network that is not joined yet: no restart helps against these, and none is asked for.
 */
import type { Facts } from './facts.js';

/** A pass over the kernel's state comes at least every 72 s, and after trouble within a minute. */
const LONGEST_PAUSE_MS = 180_000;

/**
 * What has stalled, in words; undefined while all goes on.
 * @param now milliseconds, on the clock of the facts
 */
export function stallOf({ lastPassAt }: Facts, now: number): string | undefined {
  if (lastPassAt === undefined || now - lastPassAt <= LONGEST_PAUSE_MS) return undefined;
  return `the kernel's state has not been looked at for ${Math.round((now - lastPassAt) / 1000)} s`;
}

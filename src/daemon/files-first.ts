/**
 * When all that a start with many peers still has to do gives way to Docker's files. These take three dozen turns of the
 * event loop: with ten thousand peers, indexes and a second reading would draw them out from 0.02 to 0.6 s.
 */
import type { Clock } from './tasks.js';

/** With fewer peers the rest takes no time, and a peer that joins meanwhile need not wait. */
const MANY_PEERS = 1_000;

/** The packet filter, or the disk, may take longer. */
const LONGEST_MS = 500;

export interface FilesFirst {
  readonly peers: number;
  /** Before, no files are written: what is missing must be tried again at once. */
  readonly isHostProgrammed: boolean;
  /** Resolves when the files have been tried, whatever came of it. */
  readonly tried: Promise<void>;
  readonly sleep: Clock['sleep'];
}

/** Waits for the files where that is worth it, for so long at most and not beyond `signal`. */
export async function waitForFiles(parts: FilesFirst, signal: AbortSignal): Promise<void> {
  const { peers, isHostProgrammed, tried, sleep } = parts;
  if (peers < MANY_PEERS || !isHostProgrammed) return;
  await Promise.race([tried, sleep(LONGEST_MS, signal)]);
}

/** Long-lived tasks that belong together, and the clock that they go by. */
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Milliseconds; no change of the wall clock moves it. */
  readonly now: () => number;
  /** Resolves after `ms` or, without an error, when `signal` aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export const steadyClock: Clock = { now: () => performance.now(), sleep };

/** How long tasks may take to end once they were told to; a call to a stalled store may take its whole deadline. */
const GRACE_MS = 500;

/**
 * Runs tasks until `signal` aborts. When one fails, the others are told to stop and its error is thrown. Tasks that do
 * not end in time are left behind: everything that they could still do is safe to lose.
 */
export async function runTogether(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const all = Promise.all(
    tasks.map(async task => {
      try {
        await task(either);
      } catch (error) {
        stop.abort();
        throw error;
      }
    }),
  );
  await Promise.race([all, after(either, GRACE_MS)]);
}

/** Resolves `ms` after the signal aborted. */
async function after(signal: AbortSignal, ms: number): Promise<void> {
  await aborted(signal);
  await sleep(ms, new AbortController().signal);
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
}

/** Resolves after `ms` or when `signal` aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>(resolve => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}

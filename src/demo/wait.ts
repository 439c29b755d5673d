/** Waiting by looking again until a deadline. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LabClosedError } from './command.js';

export interface Wait<T> {
  /** What is awaited, as it should read after "timed out waiting for". */
  readonly what: string;
  /** By default 180: only what goes wrong takes so long, and a busy machine may be many times slower than an idle one. */
  readonly deadlineSeconds?: number;
  /** Looks. What it throws counts as "not yet" and is shown when the time is up, unless the lab was closed. */
  readonly read: () => T | Promise<T>;
  /** Decides. What it throws ends the waiting at once: for what can no longer come true. */
  readonly until: (seen: T) => boolean;
  /** Pause between two looks; by default 50 ms, or longer where a look takes long. */
  readonly intervalMs?: number;
}

const DEADLINE_SECONDS = 180;
const INTERVAL_MS = 50;
/**
 * A look may start programs, and what it waits for is at work on the same machine. A pause so many times as long leaves
 * three quarters of the time to that.
 */
const PAUSE_FACTOR = 3;
const LONGEST_INTERVAL_MS = 1_000;

/**
 * Looks until the condition holds.
 * @param context more to say when the time is up, such as the last log lines
 * @returns what was seen when the condition held
 * @throws Error on time-out, with what was last seen
 */
export async function waitFor<T>(wait: Wait<T>, context: () => string = () => ''): Promise<T> {
  const { deadlineSeconds = DEADLINE_SECONDS } = wait;
  const end = performance.now() + deadlineSeconds * 1000;
  for (;;) {
    const began = performance.now();
    const look = await lookOnce(wait.read);
    const looked = performance.now();
    if (look.kind === 'seen' && wait.until(look.value)) return look.value;
    if (looked >= end) {
      const last = look.kind === 'seen' ? show(look.value) : look.error;
      const message = `timed out after ${deadlineSeconds} s waiting for ${wait.what}; last seen: ${last}`;
      throw new Error([message, context()].filter(Boolean).join('\n'));
    }
    await sleep(wait.intervalMs ?? pauseAfter(looked - began));
  }
}

/** @param lookMs what the look took */
function pauseAfter(lookMs: number): number {
  return Math.min(Math.max(INTERVAL_MS, PAUSE_FACTOR * lookMs), LONGEST_INTERVAL_MS);
}

type Look<T> =
  { readonly kind: 'seen'; readonly value: T } | { readonly kind: 'failed'; readonly error: string };

async function lookOnce<T>(read: Wait<T>['read']): Promise<Look<T>> {
  try {
    return { kind: 'seen', value: await read() };
  } catch (error) {
    if (error instanceof LabClosedError) throw error;
    return { kind: 'failed', error: String(error) };
  }
}

function show(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
  return text.length > 2000 ? `${text.slice(0, 2000)} …` : text;
}

/** Runs a target on random inputs until a fault shows or the time is up. */
import fc from 'fast-check';
import type { Target } from './targets.js';

export interface FuzzLimits {
  /** Milliseconds. */
  readonly forMs?: number;
  readonly runs?: number;
  /** The first inputs follow from it. */
  readonly seed: number;
  /** Of a fault found before: that input alone. */
  readonly path?: string;
}

export interface FuzzResult {
  readonly target: string;
  readonly inputs: number;
  /** Undefined when none was found. */
  readonly fault: Fault | undefined;
}

export interface Fault {
  /** The smallest input found that shows it. */
  readonly input: string;
  readonly error: string;
  readonly seed: number;
  readonly path: string;
}

export async function fuzz(target: Target, { forMs, runs, seed, path }: FuzzLimits): Promise<FuzzResult> {
  // What waits for a socket's answer holds no process back, nor a thread.
  const awake = setInterval(() => undefined, 1_000);
  const details = await fc.check(target.property, {
    seed,
    numRuns: runs ?? Number.MAX_SAFE_INTEGER,
    ...(path !== undefined && { path }),
    ...(forMs !== undefined && { interruptAfterTimeLimit: forMs, markInterruptAsFailure: false }),
  });
  clearInterval(awake);
  const { numRuns: inputs, counterexample, counterexamplePath, errorInstance } = details;
  if (!details.failed || counterexamplePath === null)
    return { target: target.name, inputs, fault: undefined };
  const fault = {
    input: inputText(counterexample),
    error: errorText(errorInstance),
    seed,
    path: counterexamplePath,
  };
  return { target: target.name, inputs, fault };
}

/** With the stack: the fault is where it comes from. A property that is false has no error. */
function errorText(error: unknown): string {
  if (error instanceof Error) return error.stack ?? error.message;
  return error === null ? 'what must be true is not' : inputText(error);
}

/** JSON with bytes as hex, which goes into a test as it is. */
function inputText(input: unknown): string {
  return JSON.stringify(input, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  );
}

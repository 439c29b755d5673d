/** Runs a program for the support archive: so long at most, so much at most, never through a shell. Effects. */
import { spawn } from 'node:child_process';

export interface RunLimits {
  readonly milliseconds: number;
  /** Of each of its two outputs. */
  readonly bytes: number;
}

export interface Ran {
  /** Null when it was ended by a signal or did not end in time. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Not the whole of an output. */
  readonly isCut: boolean;
  readonly isLate: boolean;
}

/**
 * @param path of the program
 * @throws Error when it cannot be started
 */
export function runLimited(
  path: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  limits: RunLimits,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that what it started ends with it.
    const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const stdout = new Head(limits.bytes);
    const stderr = new Head(limits.bytes);
    child.stdout.on('data', (chunk: Buffer) => stdout.add(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.add(chunk));
    const finish = (code: number | null, isLate: boolean) => {
      clearTimeout(timer);
      const isCut = stdout.isCut || stderr.isCut;
      resolve({ code, stdout: stdout.text(), stderr: stderr.text(), isCut, isLate });
    };
    const timer = setTimeout(() => {
      endGroup(child.pid);
      // One that sleeps in the kernel does not even end by this: it is waited for no longer.
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      finish(null, true);
    }, limits.milliseconds);
    child.on('error', error => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', code => finish(code, false));
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The begin of a stream. */
class Head {
  readonly #chunks: Buffer[] = [];
  #left: number;
  isCut = false;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  add(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.#left);
    if (kept.length < chunk.length) this.isCut = true;
    if (kept.length > 0) this.#chunks.push(kept);
    this.#left -= kept.length;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

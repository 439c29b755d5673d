/** A long-running program of a lab (agent, etcd): its output goes to a file, its end is noticed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandEnvironment, exitCode } from './command.js';

const TAIL_LINES = 15;

/**
 * One started program.
 *
 * The output goes straight to the log file and not through a pipe of ours: the program neither blocks nor dies with us.
 */
export class LoggedProcess {
  readonly #child: ChildProcess;
  /** Resolves with the exit code (128 + signal) when the program has ended. */
  readonly exited: Promise<number>;
  #code: number | undefined;

  private constructor(
    readonly name: string,
    readonly logFile: string,
    child: ChildProcess,
  ) {
    this.#child = child;
    this.exited = new Promise(resolve =>
      child.once('exit', (code, signal) => {
        this.#code = exitCode(code, signal);
        resolve(this.#code);
      }),
    );
  }

  /**
   * Starts a program; what it prints is appended to the log file.
   * @throws Error when it cannot be started
   */
  static async start(name: string, argv: readonly string[], logFile: string): Promise<LoggedProcess> {
    const [program = '', ...args] = argv;
    const log = openSync(logFile, 'a');
    try {
      const child = spawn(program, args, {
        env: commandEnvironment(),
        stdio: ['ignore', log, log],
        // Own process group: Ctrl-C in a terminal must not reach it, the lab decides when it ends.
        detached: true,
      });
      const started = new LoggedProcess(name, logFile, child);
      await once(child, 'spawn');
      return started;
    } finally {
      closeSync(log);
    }
  }

  /** Exit code, or undefined while it runs. */
  get code(): number | undefined {
    return this.#code;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /**
   * Sends a signal and waits for the end.
   * @returns the exit code
   * @throws Error when the program has not ended after the deadline
   */
  async stop(signal: NodeJS.Signals, deadlineSeconds: number): Promise<number> {
    this.#child.kill(signal);
    const abort = new AbortController();
    const late = sleep(deadlineSeconds * 1000, undefined, { signal: abort.signal }).then(
      () => undefined,
      () => undefined,
    );
    const code = await Promise.race([this.exited, late]);
    abort.abort();
    if (code === undefined) {
      throw new Error(`${this.name} still runs ${deadlineSeconds} s after ${signal}\n${this.describe()}`);
    }
    return code;
  }

  /** Everything it has printed so far. */
  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  /** State and last log lines, for messages about failures. */
  describe(): string {
    const state = this.#code === undefined ? `runs as ${this.pid}` : `ended with exit code ${this.#code}`;
    // A lab that was taken down has no files any more, and who explains a failure must not fail over it.
    const log = existsSync(this.logFile) ? this.log() : '';
    const tail = log.trimEnd().split('\n').slice(-TAIL_LINES);
    return [`-- ${this.name} ${state}; end of ${this.logFile}:`, ...tail].join('\n');
  }
}

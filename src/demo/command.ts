/** Short commands of a lab: run, remember, and refuse once the lab is being taken down. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';

export interface CommandResult {
  /** Exit code; 128 + the signal's number for a command that a signal ended, as shells count. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Text for the command's standard input; none by default. */
  readonly input?: string;
  /** The command is killed after so many seconds, with what it has started; 60 by default. */
  readonly timeoutSeconds?: number;
}

/** A command that ended with another code than 0; the message holds the command and what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    readonly argv: readonly string[],
    readonly result: CommandResult,
  ) {
    const said = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-5).join('\n');
    super(`${argv.join(' ')}: exit code ${result.code}${said === '' ? '' : `: ${said}`}`);
  }
}

/** The lab is being taken down: nothing new may start in it. */
export class LabClosedError extends Error {
  override readonly name = 'LabClosedError';
}

const REMEMBERED = 40;
const EXTRA_PATH = '/usr/local/sbin:/usr/sbin:/sbin';

/** In the environment of everything that this process starts, by which the janitor knows it. */
export const OWNER_MARK = `LAB_OWNER=${process.pid}-${randomBytes(4).toString('hex')}`;

/** The environment for commands: `ip` and `bridge` are in sbin, which is not in every root's PATH. */
export function commandEnvironment(): NodeJS.ProcessEnv {
  const [name, value] = OWNER_MARK.split('=', 2) as [string, string];
  const PATH = `${process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin'}:${EXTRA_PATH}`;
  return { ...process.env, PATH, [name]: value };
}

/** Runs commands without a shell, one record of them all, until it is closed. */
export class Commands {
  readonly #recent: string[] = [];
  readonly #running = new Map<Promise<CommandResult>, AbortController>();
  #closed = false;

  /** @param trace gets a line for every command and every failure; meant for `--verbose` */
  constructor(private readonly trace: (line: string) => void) {}

  /** The last commands and failures, oldest first. */
  get recent(): readonly string[] {
    return this.#recent;
  }

  /** Keeps a line among the recent ones and traces it. */
  record(line: string): void {
    this.#recent.push(line);
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
    this.trace(line);
  }

  /**
   * Runs a command and waits for its end, whatever its exit code.
   * @throws LabClosedError after `close`; Error when the program cannot be started
   */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    if (this.#closed) throw new LabClosedError(`the lab is closed: ${argv.join(' ')} was not run`);
    this.record(`+ ${argv.join(' ')}`);
    const abort = new AbortController();
    const running = spawnAndCollect(argv, options, abort.signal);
    this.#running.set(running, abort);
    try {
      const result = await running;
      if (result.code !== 0) this.record(`  exit code ${result.code} ${result.stderr.trim()}`.trimEnd());
      return result;
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Runs a command that has to succeed.
   * @returns its standard output
   * @throws CommandError for any other exit code than 0
   */
  async must(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    const result = await this.run(argv, options);
    if (result.code !== 0) throw new CommandError(argv, result);
    return result.stdout;
  }

  /** Lets no further command start and ends those that run; resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const abort of this.#running.values()) abort.abort();
    await Promise.allSettled(this.#running.keys());
  }
}

function spawnAndCollect(
  argv: readonly string[],
  { input, timeoutSeconds = 60 }: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: commandEnvironment(),
      stdio: 'pipe',
      // Own process group: Ctrl-C in a terminal goes to the lab alone, which then ends its commands itself.
      detached: true,
    });
    const stop = () => killGroup(child);
    const timer = setTimeout(stop, timeoutSeconds * 1000);
    signal.addEventListener('abort', stop, { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A command that ends without reading its input is no failure of ours.
    child.stdin.on('error', () => undefined).end(input ?? '');
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    };
    child.on('error', cause => {
      settle();
      reject(new Error(`cannot run ${program}: ${cause.message}`, { cause }));
    });
    child.on('close', (code, signalName) => {
      settle();
      resolve({ code: exitCode(code, signalName), stdout, stderr });
    });
  });
}

/** Ends a command with all that it has started: whoever is left keeps its pipes open, and us waiting. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

/** One number for both ways in which a process ends. */
export function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

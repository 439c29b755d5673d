/** A single etcd on the underlay. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandResult, Commands } from './command.js';
import type { Namespace } from './namespace.js';
import { LoggedProcess } from './process.js';
import { waitFor } from './wait.js';

/** etcdctl's own 5 s have run out on a busy machine. */
const COMMAND_SECONDS = 30;

export class Etcd {
  #process: LoggedProcess | undefined;

  constructor(
    private readonly namespace: Namespace,
    /** The URL under which the hosts reach it. */
    readonly endpoint: string,
    private readonly directory: string,
    private readonly commands: Commands,
  ) {}

  /** The running or last process, if it was ever started. */
  get process(): LoggedProcess | undefined {
    return this.#process;
  }

  /** Starts etcd on its data, empty at first; resolves when it answers. */
  async start(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    const peer = 'http://127.0.0.1:2380';
    const argv = [
      ['etcd', '--name', 'lab', '--data-dir', join(this.directory, 'data')],
      ['--listen-client-urls', `${this.endpoint},http://127.0.0.1:2379`],
      ['--advertise-client-urls', this.endpoint],
      ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `lab=${peer}`],
      ['--log-outputs', 'stderr', '--logger', 'zap', '--log-level', 'warn'],
    ].flat();
    const started = await LoggedProcess.start(
      'etcd',
      this.namespace.argv(argv),
      `${this.directory}/etcd.log`,
    );
    this.#process = started;
    await waitFor(
      {
        what: 'etcd to answer',
        read: () => this.run(['--command-timeout=5s', 'endpoint', 'health']),
        until: ({ code }) => {
          if (started.code !== undefined) throw new Error(`etcd did not start\n${started.describe()}`);
          return code === 0;
        },
      },
      () => started.describe(),
    );
  }

  /** Ends etcd; its data stays for the next start. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#process?.stop(signal, 30);
  }

  /** Runs etcdctl, whatever its exit code. */
  run(args: readonly string[]): Promise<CommandResult> {
    return this.namespace.exec(this.argv(args));
  }

  /**
   * Runs etcdctl, such as `ctl('get', '--prefix', '/net')`.
   * @returns its standard output
   * @throws CommandError when it fails
   */
  async ctl(...args: readonly string[]): Promise<string> {
    const argv = this.argv([`--command-timeout=${COMMAND_SECONDS}s`, ...args]);
    return this.commands.must(this.namespace.argv(argv), { timeoutSeconds: 2 * COMMAND_SECONDS });
  }

  /** The etcdctl command line that works in every host's namespace. */
  argv(args: readonly string[]): readonly string[] {
    return ['env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${this.endpoint}`, ...args];
  }
}

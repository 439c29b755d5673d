/**
 * A real etcd for tests: own temporary directory, free ports, stopped by its own process id.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.js';

/** etcdctl's own 5 s have run out on a busy machine, where etcd was hashing a password. */
const COMMAND_SECONDS = 30;

export interface EtcdOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly address?: string;
  /** Client port. Default: a free one; 2379 with a command prefix, because a namespace has its own ports. */
  readonly port?: number;
  /** Default: a free one; one above the client port with a command prefix. */
  readonly peerPort?: number;
  /** Put before every command, such as `['ip', 'netns', 'exec', 'host1']`. */
  readonly prefix?: readonly string[];
  /** For one of several members: its name, and all of them as `NAME=PEER_URL,…`. */
  readonly member?: { readonly name: string; readonly cluster: string };
  /** One more URL for clients. */
  readonly alsoAt?: string;
  /** More options of etcd, such as `--auth-token-ttl=5`. */
  readonly args?: readonly string[];
  /** Server certificate, its key, and the CA that client certificates need; the client URL is https then. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string };
  /** What `etcdctl` needs to get in, such as `--cacert=FILE`. */
  readonly etcdctlArgs?: readonly string[];
}

/** Why tests with a real etcd cannot run here, or undefined when they can. */
export function whyNoEtcd(): string | undefined {
  const missing = ['etcd', 'etcdctl'].filter(name => spawnSync(name, ['--help'], { stdio: 'ignore' }).error);
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not installed`;
}

/**
 * The options of a tap test that needs a real etcd: it is skipped with the reason where etcd is missing.
 * @throws under CI=true instead, because a test that silently does not run proves nothing
 */
export function needsEtcd(): { skip: string | false } {
  const reason = whyNoEtcd();
  if (reason !== undefined && process.env.CI === 'true') throw new Error(`etcd tests cannot run: ${reason}`);
  return { skip: reason ?? false };
}

/** Every etcd that runs: none outlives the test process, however it ends. */
const running = new Set<Etcd>();
let guarded = false;

/** Ends everything on the ways out that `t.teardown` does not see. */
function guardExit(): void {
  if (guarded) return;
  guarded = true;
  process.once('exit', () => {
    // All are killed before the first directory goes, and none is left because another one's could not go.
    for (const etcd of running) etcd.kill();
    for (const etcd of running) etcd.remove();
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(1));
  }
}

/** Starts an etcd and waits until it answers; of one member unless `args` say otherwise. */
export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  const ownNamespace = options.prefix !== undefined;
  const port = options.port ?? (ownNamespace ? 2379 : await freePort());
  const peerPort = options.peerPort ?? (ownNamespace ? port + 1 : await freePort());
  const etcd = new Etcd(options, port, peerPort);
  guardExit();
  running.add(etcd);
  try {
    await etcd.start();
    return etcd;
  } catch (error) {
    await etcd.destroy();
    throw error;
  }
}
export class Etcd {
  readonly url: string;
  readonly address: string;
  readonly directory = mkdtempSync(join(tmpdir(), 'selvedge-etcd-'));
  private process: ChildProcess | undefined;
  private wipes = 0;

  constructor(
    private readonly options: EtcdOptions,
    readonly port: number,
    private readonly peerPort: number,
  ) {
    this.address = options.address ?? '127.0.0.1';
    this.url = `${options.tls === undefined ? 'http' : 'https'}://${this.address}:${port}`;
  }

  /** Starts the server on its directory; with data from an earlier run it goes on from there. */
  async start(): Promise<void> {
    const { tls, prefix = [], args = [], alsoAt } = this.options;
    const tlsArgs =
      tls === undefined
        ? []
        : [
            `--cert-file=${tls.certFile}`,
            `--key-file=${tls.keyFile}`,
            ...(tls.clientCaFile === undefined
              ? []
              : ['--client-cert-auth', `--trusted-ca-file=${tls.clientCaFile}`]),
          ];
    const command = [
      ...prefix,
      'etcd',
      `--data-dir=${join(this.directory, 'data')}`,
      `--listen-client-urls=${[this.url, ...(alsoAt === undefined ? [] : [alsoAt])].join()}`,
      `--advertise-client-urls=${this.url}`,
      `--listen-peer-urls=${this.peerUrl}`,
      ...this.initial(),
      '--log-level=warn',
      '--logger=zap',
      ...tlsArgs,
      ...args,
    ];
    const logFile = openSync(join(this.directory, 'log'), 'a');
    this.process = spawn(command[0]!, command.slice(1), { stdio: ['ignore', logFile, logFile] });
    closeSync(logFile);
    this.process.on('error', () => undefined);
    await this.untilHealthy();
  }

  private async untilHealthy(): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const health = await this.etcdctl('endpoint', 'status').catch((error: unknown) => error);
      // Asked afterwards: what has answered in the place of one that ended is another's.
      if (this.process?.exitCode !== null || this.process.signalCode !== null) {
        throw new Error(`etcd ended at once:\n${this.log()}`);
      }
      if (typeof health === 'string') return;
      if (Date.now() > deadline) throw new Error(`etcd did not answer: ${String(health)}\n${this.log()}`);
      await delay(50);
    }
  }

  /** Ends the server and keeps its data. SIGKILL is a crash, SIGTERM an orderly stop. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise(resolve => child.once('exit', resolve));
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(hard);
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  /** Loses all data: after the next start this is another cluster on the same address. */
  wipe(): void {
    // The cluster's id is made from its token and its URLs.
    this.wipes++;
    rmSync(join(this.directory, 'data'), { recursive: true, force: true });
  }

  /** Puts a snapshot of `etcdctl snapshot save` in the place of the data; for a server that is stopped and wiped. */
  async restore(snapshot: string): Promise<void> {
    const data = join(this.directory, 'data');
    await this.etcdctl('snapshot', 'restore', snapshot, `--data-dir=${data}`, ...this.initial());
  }

  /** What makes a cluster, and its id: the same words begin it empty or with a snapshot. */
  private initial(): readonly string[] {
    const { name, cluster } = this.options.member ?? { name: 'default', cluster: `default=${this.peerUrl}` };
    return [
      `--name=${name}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${cluster}`,
      `--initial-cluster-token=${this.wipes}`,
    ];
  }

  private get peerUrl(): string {
    return `http://${this.address}:${this.peerPort}`;
  }

  /** Freezes or thaws the server: its connections stay open and silent. */
  freeze(): void {
    this.process?.kill('SIGSTOP');
  }
  thaw(): void {
    this.process?.kill('SIGCONT');
  }

  /** Runs `etcdctl` against this server; resolves with what it printed. */
  etcdctl(...args: string[]): Promise<string> {
    return this.etcdctlWithInput('', ...args);
  }

  /** The same with standard input, as `etcdctl txn` reads it. */
  etcdctlWithInput(input: string, ...args: string[]): Promise<string> {
    const { prefix = [], etcdctlArgs = [] } = this.options;
    const general = [`--endpoints=${this.url}`, `--command-timeout=${COMMAND_SECONDS}s`];
    const command = [...prefix, 'etcdctl', ...general, ...etcdctlArgs, ...args];
    return new Promise((resolve, reject) => {
      const child = execFile(
        command[0]!,
        command.slice(1),
        { env: { ...process.env, ETCDCTL_API: '3' }, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`${command.join(' ')}: ${stderr || error.message}`));
        },
      );
      // A command that ends without reading its input is no failure of ours.
      child.stdin?.on('error', () => undefined).end(input);
    });
  }

  /** What the server has written; for the message of a failed test. */
  log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Ends the server and removes its directory. */
  async destroy(): Promise<void> {
    await this.stop('SIGKILL');
    this.remove();
  }

  kill(): void {
    this.process?.kill('SIGKILL');
  }

  /** Removes its directory; says so where it cannot, for whoever ends has more to take away. */
  remove(): void {
    running.delete(this);
    try {
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
    } catch (error) {
      process.stderr.write(`${String(error)}\n`);
    }
  }
}

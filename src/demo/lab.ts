/**
 * Several hosts on one machine.
 *
 *     namespace sv-XXXX-host1-c1          sv-XXXX-host2-c1
 *        eth0 10.5.34.2                      eth0 10.5.71.2
 *          |                                   |
 *        br0 10.5.34.1                       br0 10.5.71.1
 *        (agent)                             (agent)
 *        eth0 192.168.77.1                   eth0 192.168.77.2      eth0 192.168.77.254 (etcd)
 *     sv-XXXX-host1                       sv-XXXX-host2             sv-XXXX-etcd
 *          |                                   |                         |
 *          '------------------- bridge in sv-XXXX-underlay --------------'
 *
 * The machine's own network is not part of it: links are made inside these namespaces and nowhere else.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SelvedgeCommand } from './agent.js';
import { Commands } from './command.js';
import { Etcd } from './etcd.js';
import { Host } from './host.js';
import { Janitor } from './janitor.js';
import { createNamespace } from './namespace.js';
import { createUnderlay, ETCD_PLACE, underlayAddress, type Underlay } from './underlay.js';
import { waitFor, type Wait } from './wait.js';

/** As many as the demo offers; their addresses end in 1 to 20. */
export const MAX_HOSTS = 20;

export interface LabOptions {
  /** Key prefix in etcd, `/net` by default. */
  readonly prefix?: string;
  /** The command to test; by default the one that belongs to this build. */
  readonly selvedge?: SelvedgeCommand;
  /** Gets a line for every command and every failure. */
  readonly trace?: (line: string) => void;
}

/** The `selvedge` command of the build that this file belongs to. */
const OWN_COMMAND: SelvedgeCommand = [
  process.execPath,
  fileURLToPath(new URL('../cli/main.js', import.meta.url)),
];

/** Hosts, underlay and etcd; everything of it is removed by `dispose`, or when this process ends in any other way. */
export class Lab {
  readonly #hosts: Host[] = [];
  #etcd: Etcd | undefined;
  #disposed: Promise<void> | undefined;

  private constructor(
    /** Begins the names of all its namespaces. */
    readonly id: string,
    /** Logs, env files and etcd's data, for as long as the lab lasts. */
    readonly directory: string,
    readonly prefix: string,
    readonly underlay: Underlay,
    readonly commands: Commands,
    /** How to start the command under test. */
    readonly selvedge: SelvedgeCommand,
    private readonly janitor: Janitor,
  ) {}

  /**
   * Makes a lab that has an underlay and nothing on it.
   * @throws Error when this process may not make namespaces, or `ip` is missing
   */
  static async create(options: LabOptions = {}): Promise<Lab> {
    const id = `sv-${randomBytes(3).toString('hex')}`;
    const directory = await mkdtemp(join(tmpdir(), `selvedge-${id}-`));
    const commands = new Commands(options.trace ?? (() => undefined));
    const janitor = await Janitor.start(`${id}-`, directory);
    try {
      const underlay = await createUnderlay(`${id}-underlay`, commands);
      const { prefix = '/net', selvedge = OWN_COMMAND } = options;
      return new Lab(id, directory, prefix, underlay, commands, selvedge, janitor);
    } catch (error) {
      await janitor.sweep();
      throw error;
    }
  }

  get hosts(): readonly Host[] {
    return this.#hosts;
  }

  /** @throws Error before `startEtcd` */
  get etcd(): Etcd {
    if (this.#etcd === undefined) throw new Error('this lab has no etcd yet');
    return this.#etcd;
  }

  /** The URL under which etcd is, or will be, reached. */
  get endpoint(): string {
    return `http://${underlayAddress(ETCD_PLACE)}:2379`;
  }

  /** Makes etcd's machine and starts etcd with no data. */
  async startEtcd(): Promise<Etcd> {
    const namespace = await createNamespace(`${this.id}-etcd`, this.commands);
    await this.underlay.plug({ name: 'etcd', place: ETCD_PLACE, namespace });
    this.#etcd = new Etcd(namespace, this.endpoint, join(this.directory, 'etcd'), this.commands);
    await this.#etcd.start();
    return this.#etcd;
  }

  /** Puts the network's document where the agents look for it. */
  async setConfig(document: string | object): Promise<void> {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    await this.etcd.ctl('put', `${this.prefix}/config`, text);
  }

  /** Adds the next host, without agent and containers: host1, host2 … */
  async addHost(): Promise<Host> {
    const place = this.#hosts.length + 1;
    const { commands, underlay, selvedge, prefix, endpoint } = this;
    const host = await Host.create(
      { commands, underlay, selvedge, etcd: { endpoint, prefix } },
      place,
      `${this.id}-host${place}`,
      join(this.directory, `host${place}`),
    );
    this.#hosts.push(host);
    return host;
  }

  /** Waits for a condition; a time-out also tells the agents' last log lines and the last commands. */
  waitFor<T>(wait: Wait<T>): Promise<T> {
    return waitFor(wait, () => this.describe());
  }

  /** State of all programs with their last log lines, and the last commands: what explains a failure. */
  describe(): string {
    const programs = [this.#etcd?.process, ...this.#hosts.map(host => host.agent)];
    const said = programs.flatMap(program => (program === undefined ? [] : [program.describe()]));
    return [...said, '-- last commands:', ...this.commands.recent].join('\n');
  }

  /**
   * Removes everything: processes, namespaces, files. Later calls wait for the same removal.
   * @throws Error when something could not be removed
   */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    await this.commands.close();
    const complaints = await this.janitor.sweep();
    if (complaints !== '') throw new Error(`removing the lab ${this.id}: ${complaints}`);
  }
}

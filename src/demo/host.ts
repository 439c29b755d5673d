/** A host of a lab: a namespace on the underlay, an agent, containers. */
import { mkdir, rm } from 'node:fs/promises';
import { AgentUnreachableError, readStatus } from '../cli/agent-client.js';
import type { StatusDocument } from '../daemon/status.js';
import { agentArgv, agentFiles, readSubnetEnv, type AgentFiles, type SelvedgeCommand } from './agent.js';
import type { Commands } from './command.js';
import { createContainer, createContainerBridge, type Container } from './container.js';
import { parseSubnetEnv } from './env-file.js';
import { createNamespace, deleteNamespace, type Namespace } from './namespace.js';
import { LoggedProcess } from './process.js';
import { underlayAddress, type Machine, type Underlay } from './underlay.js';
import { waitFor } from './wait.js';

/** What a host needs of the lab it stands in. */
export interface HostSurroundings {
  readonly commands: Commands;
  readonly underlay: Underlay;
  readonly selvedge: SelvedgeCommand;
  readonly etcd: { readonly endpoint: string; readonly prefix: string };
}

export class Host implements Machine {
  readonly files: AgentFiles;
  #namespace: Namespace;
  #agent: LoggedProcess | undefined;
  #containers: Container[] = [];

  private constructor(
    readonly name: string,
    readonly place: number,
    directory: string,
    namespace: Namespace,
    private readonly lab: HostSurroundings,
  ) {
    this.#namespace = namespace;
    this.files = agentFiles(directory, lab.etcd.prefix);
  }

  /**
   * Makes a host on the underlay, without agent and containers.
   * @param place last byte of its underlay address
   * @param namespaceName unique on this machine
   * @param directory an absent directory for its files
   */
  static async create(
    lab: HostSurroundings,
    place: number,
    namespaceName: string,
    directory: string,
  ): Promise<Host> {
    const namespace = await createNamespace(namespaceName, lab.commands);
    const host = new Host(`host${place}`, place, directory, namespace, lab);
    await mkdir(host.files.stateDir, { recursive: true });
    await mkdir(host.files.runDir, { recursive: true });
    await host.#boot();
    return host;
  }

  get namespace(): Namespace {
    return this.#namespace;
  }

  /** Its address on the underlay. */
  get address(): string {
    return underlayAddress(this.place);
  }

  get containers(): readonly Container[] {
    return this.#containers;
  }

  /** The running or last agent, if one was ever started. */
  get agent(): LoggedProcess | undefined {
    return this.#agent;
  }

  /**
   * Starts the agent and returns as soon as its process runs; see `waitForSubnet`.
   * @param options more command line options; a later one wins
   */
  async startAgent(options: readonly string[] = []): Promise<LoggedProcess> {
    const argv = [...agentArgv(this.lab.selvedge, this.lab.etcd, this.files), ...options];
    this.lab.commands.record(`+ ${this.#namespace.argv(argv).join(' ')} &`);
    this.#agent = await LoggedProcess.start(
      `the agent on ${this.name}`,
      this.#namespace.argv(argv),
      this.files.log,
    );
    return this.#agent;
  }

  /**
   * Ends the agent with SIGTERM.
   * @returns its exit code
   */
  async stopAgent(deadlineSeconds = 60): Promise<number | undefined> {
    return this.#agent?.stop('SIGTERM', deadlineSeconds);
  }

  /** Ends the agent with SIGKILL. */
  async killAgent(): Promise<void> {
    await this.#agent?.stop('SIGKILL', 60);
  }

  /**
   * Waits until the agent has written its env file.
   * @returns the file's text
   * @throws Error when the agent ends before, or takes longer than the deadline
   */
  async waitForSubnet(): Promise<string> {
    const text = await waitFor(
      {
        what: `${this.files.subnetEnv} of ${this.name}`,
        read: () => readSubnetEnv(this.files),
        until: seen => seen !== undefined || this.#failIfAgentEnded(),
      },
      () => this.describe(),
    );
    return text!;
  }

  /**
   * Waits until the agent says that it is healthy.
   * @param peers how many programmed peers it must have, any number by default
   */
  async waitForHealth(peers?: number): Promise<StatusDocument> {
    const status = await waitFor(
      {
        what: `${this.name} to be healthy${peers === undefined ? '' : ` with ${peers} peers`}`,
        intervalMs: 200,
        read: () => this.status(),
        until: seen => (seen !== undefined && isHealthy(seen, peers)) || this.#failIfAgentEnded(),
      },
      () => this.describe(),
    );
    return status!;
  }

  /**
   * What the agent says of itself; undefined while it does not answer. Asked over its socket, which every namespace
   * reaches: a command for each look would cost a Node's start.
   */
  async status(): Promise<StatusDocument | undefined> {
    try {
      return await readStatus(this.files.socket);
    } catch (error) {
      if (error instanceof AgentUnreachableError) return undefined;
      throw error;
    }
  }

  /** Adds a container behind the host's bridge, as Docker does once the agent's env file is there. */
  async addContainer(): Promise<Container> {
    const env = parseSubnetEnv((await readSubnetEnv(this.files)) ?? '');
    if (this.#containers.length === 0) await createContainerBridge(this.#namespace, env);
    const number = this.#containers.length + 1;
    const container = await createContainer(this.#namespace, env, number, this.lab.commands);
    this.#containers.push(container);
    return container;
  }

  /**
   * Crashes the host and boots it: all processes, links and containers are gone, the run directory is empty, the state
   * directory and the network card's MAC are kept. The agent is not started.
   */
  async reboot(): Promise<void> {
    if (this.#agent?.code === undefined) await this.killAgent();
    for (const { namespace } of this.#containers) await deleteNamespace(namespace, this.lab.commands);
    this.#containers = [];
    await this.lab.underlay.unplug(this.name);
    await deleteNamespace(this.#namespace, this.lab.commands);
    await rm(this.files.runDir, { recursive: true });
    await mkdir(this.files.runDir);
    this.#namespace = await createNamespace(this.#namespace.name, this.lab.commands);
    await this.#boot();
  }

  /** State and last log lines of the agent, for messages about failures. */
  describe(): string {
    return this.#agent?.describe() ?? `-- no agent was started on ${this.name}`;
  }

  async #boot(): Promise<void> {
    await this.lab.underlay.plug(this);
    const forward = 'echo 1 > /proc/sys/net/ipv4/ip_forward';
    await this.lab.commands.must(this.#namespace.argv(['sh', '-c', forward]));
  }

  #failIfAgentEnded(): false {
    if (this.#agent?.code !== undefined) throw new Error(this.describe());
    return false;
  }
}

function isHealthy(status: StatusDocument, peers: number | undefined): boolean {
  const programmed = status.peers.filter(({ state }) => state === 'programmed').length;
  return status.verdict === 'healthy' && (peers === undefined || peers === programmed);
}

/** A real dockerd on a host of a lab. Everything of it is in the lab's directory, or goes with its processes. */
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Variant } from '../../src/dataplane/firewall/held.js';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { Namespace } from '../../src/demo/namespace.js';
import { LoggedProcess } from '../../src/demo/process.js';

const IMAGE = 'busybox:lab';
/** A container that nobody could find any more ends by itself. */
const CONTAINER_SECONDS = '300';

export class Docker {
  #daemon: LoggedProcess | undefined;
  #containers = 0;

  private constructor(
    private readonly lab: Lab,
    private readonly host: Host,
    private readonly directory: string,
  ) {}

  /** Makes ready; nothing runs yet. */
  static async create(lab: Lab, host: Host): Promise<Docker> {
    const docker = new Docker(lab, host, join(lab.directory, `${host.name}-docker`));
    await mkdir(docker.directory);
    return docker;
  }

  /**
   * Starts dockerd with what the agent's env file says, and waits until it answers.
   * @param variant of iptables that it uses
   * @param options more of them
   */
  async start(variant: Variant, options: readonly string[] = []): Promise<void> {
    const env = await readFile(this.host.files.dockerEnv, 'utf8');
    const network = /^DOCKER_NETWORK_OPTIONS="(.*)"$/m.exec(env)?.[1]?.trim().split(' ') ?? [];
    const argv = [
      // Not `ip netns exec`, which hides the control groups. Mounts of its own go with it.
      ...['nsenter', `--net=/run/netns/${this.host.namespace.name}`],
      ...['unshare', '--mount', '--propagation', 'private'],
      ...['env', `PATH=${await this.#programs(variant)}:/usr/sbin:/usr/bin:/sbin:/bin`],
      ...['dockerd', '--host', this.#socket, '--storage-driver=overlay2'],
      ...['--data-root', join(this.directory, 'data'), '--exec-root', join(this.directory, 'exec')],
      ...['--pidfile', join(this.directory, 'docker.pid'), `--cgroup-parent=/${this.host.namespace.name}`],
      ...[...network, ...options],
    ];
    this.lab.commands.record(`+ ${argv.join(' ')} &`);
    this.#daemon = await LoggedProcess.start(
      `dockerd on ${this.host.name}`,
      argv,
      join(this.directory, 'log'),
    );
    await this.lab.waitFor({
      what: `dockerd on ${this.host.name}`,
      read: () => this.lab.commands.run(this.#argv('version')),
      until: ({ code }) => {
        if (this.#daemon?.code !== undefined) throw new Error(this.#daemon.describe());
        return code === 0;
      },
    });
    await this.#importImage();
  }

  /** Ends it, and its containers with it. What it did to the packet filter stays. */
  async stop(): Promise<void> {
    await this.#daemon?.stop('SIGTERM', 90);
    this.#daemon = undefined;
  }

  /** Starts a container. @returns its namespace, under a name by which the lab takes it away */
  async run(): Promise<{ readonly namespace: Namespace; readonly address: string }> {
    const name = `${this.host.namespace.name}-d${++this.#containers}`;
    // Its first process would not hear dockerd's SIGTERM: there is nothing to wait for.
    const run = ['run', '--detach', '--rm', '--stop-timeout', '0', '--name', name, IMAGE];
    await this.lab.commands.must(this.#argv(...run, '/bin/busybox', 'sleep', CONTAINER_SECONDS));
    const format = '{{.State.Pid}} {{.NetworkSettings.IPAddress}}';
    const said = await this.lab.commands.must(this.#argv('inspect', '--format', format, name));
    const [pid = '', address = ''] = said.trim().split(' ');
    await this.lab.commands.must(['ip', 'netns', 'attach', name, pid]);
    return { namespace: new Namespace(name, this.lab.commands), address };
  }

  get #socket(): string {
    return `unix://${join(this.directory, 'docker.sock')}`;
  }

  #argv(...args: readonly string[]): readonly string[] {
    return ['docker', '--host', this.#socket, ...args];
  }

  /** A directory in which `iptables` means this variant. */
  async #programs(variant: Variant): Promise<string> {
    const directory = join(this.directory, variant);
    if ((await mkdir(directory, { recursive: true })) === undefined) return directory;
    for (const program of ['iptables', 'ip6tables'])
      for (const suffix of ['', '-save', '-restore'])
        await symlink(`/usr/sbin/${program}-${variant}${suffix}`, join(directory, `${program}${suffix}`));
    return directory;
  }

  /** There is no registry here: the image is one static program. */
  async #importImage(): Promise<void> {
    if ((await this.lab.commands.run(this.#argv('image', 'inspect', IMAGE))).code === 0) return;
    const root = join(this.directory, 'image');
    await mkdir(join(root, 'bin'), { recursive: true });
    await writeFile(join(root, 'bin/busybox'), await readFile('/usr/bin/busybox'), { mode: 0o755 });
    const archive = join(this.directory, 'image.tar');
    await this.lab.commands.must(['tar', '-C', root, '-cf', archive, '.']);
    await this.lab.commands.must(this.#argv('import', archive, IMAGE));
    await rm(archive);
  }
}

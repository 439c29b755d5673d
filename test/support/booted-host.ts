/**
 * Hosts of a lab that are really booted: a systemd of their own with the units of this package and a real dockerd.
 *
 * Each is a systemd-nspawn container on a copy-on-write clone of this machine's root file system, in a network namespace
 * on the lab's underlay. What it writes lies in `DIRECTORY/up` and outlives a reboot, and so does what Docker keeps, in
 * `DIRECTORY/docker`.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installUnits } from '../../src/daemon/install-units.js';
import type { CommandResult } from '../../src/demo/command.js';
import type { Lab } from '../../src/demo/lab.js';
import { createNamespace, deleteNamespace, Namespace } from '../../src/demo/namespace.js';
import { LoggedProcess } from '../../src/demo/process.js';
import { underlayAddress, type Machine } from '../../src/demo/underlay.js';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
/** Where the guest finds this project. */
const INSTALLED = '/opt/selvedge';
const DOCKER = ['docker', '-H', 'unix:///run/docker.sock'];
const IMAGE = 'busybox:lab';
/** A unit may wait long for the kernel, whose network lock all namespaces share. */
const SLOW_SECONDS = 180;

/**
 * $1: its name, also of its control groups; $2: its network namespace; $3: its directory; $4: the project.
 *
 * The control groups of systemd and of Docker are made beside those of this machine, so this shell, which is none of the
 * namespace's processes and ends after them, takes them away.
 */
const LAUNCHER = `
for tree in systemd unified; do
  [ -d /sys/fs/cgroup/$tree ] || continue
  mkdir -p /sys/fs/cgroup/$tree/$1 && echo $$ > /sys/fs/cgroup/$tree/$1/cgroup.procs
done
nsenter --net=/run/netns/$2 unshare --mount --propagation private sh -c '
  mount -t tmpfs tmpfs /run
  mount -t overlay overlay -o "lowerdir=/,upperdir=$3/up,workdir=$3/work" "$3/root"
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
  exec systemd-nspawn --quiet --directory="$3/root" --machine="$1" --hostname="$1" --register=no --keep-unit \\
    --capability=all --console=pipe --link-journal=no --system-call-filter="add_key keyctl bpf" \\
    --bind="$3/docker:/var/lib/docker" --bind-ro="$4:${INSTALLED}" --boot systemd.unit=lab.target
' sh "$@"
for tree in /sys/fs/cgroup/*/; do
  echo $$ > $tree/cgroup.procs
  tries=0
  # The last processes may still be ending.
  while [ -d $tree/$1 ] && [ $tries -lt 100 ]; do
    find $tree/$1 -depth -type d -exec rmdir {} \\; 2>/dev/null
    [ -d $tree/$1 ] && sleep 0.05
    tries=$((tries + 1))
  done
done
`;

/**
 * docker.service of a host without containerd's and Docker's sockets, in control groups that nspawn mounts read-only. Its
 * containers outlive a restart, so that packets of theirs can tell what that breaks.
 */
const DOCKER_UNIT = (name: string) => `[Unit]
Description=Docker
After=network-online.target

[Service]
Type=notify
ExecStartPre=+/bin/sh -c 'for each in /sys/fs/cgroup/*; do mount -o remount,bind,rw $$each; done'
ExecStart=/usr/sbin/dockerd -H unix:///run/docker.sock --storage-driver=overlay2 --cgroup-parent=/${name} --live-restore
TimeoutStartSec=0
KillMode=process
`;

/** The same options twice: as ours, and as an Atomic host has them for its flanneld. */
const SELVEDGE_VARIABLES = (endpoint: string) => `SELVEDGE_ETCD_ENDPOINTS=${endpoint}
SELVEDGE_IFACE=eth0
SELVEDGE_IP_MASQ=true
`;
const ATOMIC_VARIABLES = (endpoint: string) => `FLANNEL_ETCD_ENDPOINTS="${endpoint}"
FLANNEL_ETCD_PREFIX="/net"
FLANNEL_OPTIONS="-iface=eth0 -ip-masq"
`;

const TARGET = `[Unit]
Requires=basic.target
After=basic.target
Wants=selvedge.service docker.service
`;

/** A container that `docker run` has made. */
export interface DockerContainer {
  readonly namespace: Namespace;
  readonly address: string;
}

export class BootedHost implements Machine {
  #namespace: Namespace;
  #launcher: LoggedProcess | undefined;
  #containers = 0;

  private constructor(
    readonly name: string,
    readonly place: number,
    private readonly directory: string,
    namespace: Namespace,
    private readonly lab: Lab,
  ) {
    this.#namespace = namespace;
  }

  /**
   * Makes a host, turned off, with everything installed and enabled.
   * @param place last byte of its address
   * @param iptables which variant Docker uses; with `legacy` there is no nft on the host, and its options are Atomic's
   */
  static async create(lab: Lab, place: number, iptables: 'nft' | 'legacy'): Promise<BootedHost> {
    const name = `${lab.id}-host${place}`;
    const directory = join(lab.directory, `host${place}`);
    const host = new BootedHost(
      `host${place}`,
      place,
      directory,
      await createNamespace(name, lab.commands),
      lab,
    );
    for (const each of ['up', 'work', 'root', 'docker'])
      await mkdir(join(directory, each), { recursive: true });
    await host.#install(iptables);
    await lab.underlay.plug(host);
    return host;
  }

  get namespace(): Namespace {
    return this.#namespace;
  }

  get address(): string {
    return underlayAddress(this.place);
  }

  /** Writes a file of the host, which may be booted only if the file is new to it. */
  async write(path: string, text: string): Promise<void> {
    if (this.#launcher !== undefined) {
      await this.must(['sh', '-c', 'mkdir -p "$(dirname "$0")" && cat > "$0"', path], text);
      return;
    }
    const place = join(this.directory, 'up', path);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, text);
  }

  /** Turns it on; returns when its systemd runs. */
  async boot(): Promise<void> {
    const argv = [
      'sh',
      '-c',
      LAUNCHER,
      'sh',
      this.#namespace.name,
      this.#namespace.name,
      this.directory,
      PROJECT,
    ];
    const console_ = join(this.directory, 'console.log');
    this.#launcher = await LoggedProcess.start(this.name, argv, console_);
    await this.lab.waitFor({
      what: `${this.name} to boot`,
      read: () => this.run(['systemctl', 'is-system-running']),
      until: ({ stdout }) => /^(starting|running|degraded)/.test(stdout),
    });
  }

  /** Pulls the plug: no process is asked, all that is not on its disk is gone. */
  async crash(): Promise<void> {
    await this.turnOff();
    await this.lab.underlay.unplug(this.name);
    await deleteNamespace(this.#namespace, this.lab.commands);
    this.#namespace = await createNamespace(this.#namespace.name, this.lab.commands);
    await this.lab.underlay.plug(this);
  }

  /** Ends all its processes; returns when its control groups are gone. */
  async turnOff(): Promise<void> {
    if (this.#launcher === undefined) return;
    if (this.#launcher.code === undefined) process.kill(this.#leader(), 'SIGKILL');
    await this.#launcher.exited;
    this.#launcher = undefined;
  }

  /** Runs a program on the host, whatever its exit code. */
  run(argv: readonly string[], input?: string): Promise<CommandResult> {
    const inside = ['nsenter', '--target', String(this.#leader()), '--all', ...argv];
    return this.lab.commands.run(inside, {
      timeoutSeconds: SLOW_SECONDS,
      ...(input !== undefined && { input }),
    });
  }

  /** The same, and it must end with 0. @returns its standard output */
  async must(argv: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, input);
    if (code !== 0) throw new Error(`${this.name}: ${argv.join(' ')}: exit code ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** One property of a unit, as `systemctl show` tells it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.must(['systemctl', 'show', '--value', '--property', name, unit])).trim();
  }

  /** Waits until a property of a unit is what it should be. */
  async waitForProperty(
    unit: string,
    name: string,
    wanted: (value: string) => boolean,
    what: string,
  ): Promise<string> {
    try {
      return await this.lab.waitFor({
        what: `${name} of ${unit} on ${this.name}: ${what}`,
        intervalMs: 100,
        read: () => this.property(unit, name),
        until: wanted,
      });
    } catch (error) {
      throw new Error(`${String(error)}\n${await this.journal(unit)}`, { cause: error });
    }
  }

  /** The last lines that a unit has logged. */
  async journal(unit: string): Promise<string> {
    // What was said a moment ago may not be in it yet.
    await this.run(['journalctl', '--sync']);
    return (await this.run(['journalctl', '--no-pager', '--lines=30', `--unit=${unit}`])).stdout;
  }

  /** Its file as a path of this machine. */
  path(path: string): string {
    return join('/proc', String(this.#leader()), 'root', path);
  }

  /** Runs a container that does nothing; its network namespace gets a name of the lab's. */
  async addContainer(): Promise<DockerContainer> {
    await this.#makeImage();
    const id = (
      await this.must([
        ...DOCKER,
        'run',
        '--detach',
        '--stop-signal=SIGKILL',
        IMAGE,
        '/bin/busybox',
        'sleep',
        '86400',
      ])
    ).trim();
    const format = '{{.State.Pid}} {{.NetworkSettings.IPAddress}}';
    const [pid = '', address = ''] = (await this.must([...DOCKER, 'inspect', '--format', format, id]))
      .trim()
      .split(' ');
    const name = `${this.#namespace.name}-c${++this.#containers}`;
    await this.lab.commands.must(['ip', 'netns', 'attach', name, String(this.#outside(pid))]);
    return { namespace: new Namespace(name, this.lab.commands), address };
  }

  async #makeImage(): Promise<void> {
    if ((await this.run([...DOCKER, 'image', 'inspect', IMAGE])).code === 0) return;
    const archive = 'tar --create --directory=/ --transform=s,usr/bin,bin, usr/bin/busybox';
    await this.must(['sh', '-c', `${archive} | ${DOCKER.join(' ')} import - ${IMAGE}`]);
  }

  /** The number that a process of the host has on this machine. */
  #outside(pid: string): number {
    const group = this.#namespace.name;
    const found = readdirSync('/proc').find(each => {
      if (!/^\d+$/.test(each)) return false;
      const read = (file: string) => {
        try {
          return readFileSync(`/proc/${each}/${file}`, 'utf8');
        } catch {
          return '';
        }
      };
      const [, , inHost] = (/^NSpid:.*$/m.exec(read('status'))?.[0] ?? '').split(/\s+/);
      return inHost === pid && read('cgroup').includes(group);
    });
    if (found === undefined) throw new Error(`process ${pid} of ${this.name} is not found`);
    return Number(found);
  }

  /** The host's process 1, as this machine counts: the child of systemd-nspawn, which is the launcher's. */
  #leader(): number {
    let pid = this.#launcher?.pid;
    const own = pid === undefined ? '' : readlinkSync(`/proc/${pid}/ns/pid`);
    while (pid !== undefined) {
      if (readlinkSync(`/proc/${pid}/ns/pid`) !== own) return pid;
      const children = `/proc/${pid}/task/${pid}/children`;
      pid = existsSync(children)
        ? Number(readFileSync(children, 'utf8').trim().split(' ')[0]) || undefined
        : undefined;
    }
    throw new Error(`${this.name} is not booted\n${this.#launcher?.describe() ?? ''}`);
  }

  async #install(iptables: 'nft' | 'legacy'): Promise<void> {
    const root = join(this.directory, 'up');
    await this.write('/etc/machine-id', `${randomBytes(16).toString('hex')}\n`);
    await this.write('/etc/systemd/system/docker.service', DOCKER_UNIT(this.#namespace.name));
    await this.write('/etc/systemd/system/lab.target', TARGET);
    const { endpoint } = this.lab;
    const [file, variables] =
      iptables === 'nft'
        ? ['/etc/default/selvedge', SELVEDGE_VARIABLES(endpoint)]
        : ['/etc/sysconfig/flanneld', ATOMIC_VARIABLES(endpoint)];
    await this.write(file, variables);
    await mkdir(join(root, 'usr/local/bin'), { recursive: true });
    await symlink(`${INSTALLED}/dist/cli/main.js`, join(root, 'usr/local/bin/selvedge'));
    await mkdir(join(root, 'usr/local/sbin'), { recursive: true });
    await symlink(`/usr/sbin/iptables-${iptables}`, join(root, 'usr/local/sbin/iptables'));
    if (iptables === 'legacy') {
      await mkdir(join(root, 'usr/sbin'), { recursive: true });
      await symlink('/dev/null', join(root, 'usr/sbin/nft'));
    }
    // The namespace is set up already; nothing may wait for a manager of networks.
    await symlink('/dev/null', join(root, 'etc/systemd/system/systemd-networkd-wait-online.service'));
    await installUnits({ root, dryRun: false });
  }
}

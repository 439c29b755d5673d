/**
 * Three etcd members with TLS and client certificates on the underlay of a lab, and on each host a proxy to each of them:
 * a member can be killed or frozen, a host cut off from all of them, while the overlay goes on.
 *
 *     agent ── 127.0.0.1 (proxies, in the host's namespace) ── 192.168.77.254, a port for each member
 */
import type { Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import type { Lab } from '../../src/demo/lab.js';
import { createNamespace, type Namespace } from '../../src/demo/namespace.js';
import { ETCD_PLACE, underlayAddress } from '../../src/demo/underlay.js';
import { Child } from './child.js';
import { parseKeys, type EtcdKey } from './cluster.js';
import { startEtcd, type Etcd } from './etcd.js';
import { makeCertificates, type Certificates } from './etcd-certificates.js';
import type { Rounds } from './etcd-writer.js';
import { createLab } from './lab.js';
import type { ProxiesReport, ProxiesRequest } from './proxies-end.js';

const MEMBERS = [1, 2, 3];
const CONFIG = {
  Network: '10.5.0.0/16',
  // Hosts choose at random: what a test puts elsewhere in the network by hand must be out of their range.
  ...{ SubnetMin: '10.5.1.0', SubnetMax: '10.5.60.0' },
  Backend: { Type: 'vxlan' },
};
const clientPort = (member: number) => 2369 + 10 * member;

/** What lies between a host and etcd. */
export interface Proxies {
  ask(request: ProxiesRequest): Promise<ProxiesReport>;
}

export class Members {
  private constructor(
    readonly lab: Lab,
    readonly members: readonly Etcd[],
    private readonly namespace: Namespace,
    private readonly certificates: Certificates,
    private readonly t: Test,
    private readonly agentOptions: readonly string[],
  ) {}

  /** Starts etcd, writes the config and starts hosts until all are healthy and have a container. */
  static async start(
    t: Test,
    { hosts, agentOptions = [] }: { readonly hosts: number; readonly agentOptions?: readonly string[] },
  ): Promise<Members> {
    const certificates = makeCertificates();
    t.teardown(() => certificates.remove());
    const lab = await createLab(t);
    const namespace = await createNamespace(`${lab.id}-etcd`, lab.commands);
    await lab.underlay.plug({ name: 'etcd', place: ETCD_PLACE, namespace });
    const etcds = await Promise.all(MEMBERS.map(member => startMember(member, namespace, certificates)));
    t.teardown(() => Promise.all(etcds.map(etcd => etcd.destroy())));
    const members = new Members(lab, etcds, namespace, certificates, t, agentOptions);
    await members.etcdctl('put', '/net/config', JSON.stringify(CONFIG));
    for (let i = 0; i < hosts; i++) await members.addHost();
    for (const host of lab.hosts) {
      await host.waitForHealth(hosts - 1);
      await host.addContainer();
    }
    return members;
  }

  readonly #proxies = new Map<Host, Proxies>();
  /** The member that carried out a command last, of which the next one is asked first. */
  #answering: Etcd | undefined;

  /** Adds a host and starts its agent. */
  async addHost(): Promise<Host> {
    const host = await this.lab.addHost();
    const program = new URL('proxies-end.js', import.meta.url);
    const targets = MEMBERS.map(member => `${underlayAddress(ETCD_PLACE)}:${clientPort(member)}`);
    const { child, first } = await Child.start<ProxiesRequest, ProxiesReport>(
      host.namespace,
      program,
      targets,
    );
    this.t.teardown(() => child.kill());
    this.#proxies.set(host, child);
    const { caFile, client } = this.certificates;
    await host.startAgent([
      ...['--etcd-endpoints', first.ports.map(port => `https://127.0.0.1:${port}`).join()],
      ...['--etcd-cafile', caFile, '--etcd-certfile', client.certFile, '--etcd-keyfile', client.keyFile],
      ...this.agentOptions,
    ]);
    return host;
  }

  proxiesOf(host: Host): Proxies {
    const proxies = this.#proxies.get(host);
    if (proxies === undefined) throw new Error(`${host.name} has no proxies`);
    return proxies;
  }

  /** The member that a host's agent is connected to. */
  async inUse(host: Host): Promise<Etcd> {
    const { open } = await this.proxiesOf(host).ask({ kind: 'report' });
    const member = this.members.find((_, index) => open[index]! > 0);
    if (member === undefined) throw new Error(`${host.name} is connected to no member`);
    return member;
  }

  /** The member that leads now. */
  async leader(): Promise<Etcd> {
    for (const member of this.members) {
      const status = await member.etcdctl('endpoint', 'status', '--write-out=json');
      const [id, leader] = ['member_id', 'leader'].map(
        name => new RegExp(`"${name}":(\\d+)`).exec(status)?.[1],
      );
      if (id !== undefined && id === leader) return member;
    }
    throw new Error('no member leads');
  }

  /** Runs etcdctl at one of the members that carries it out, for as long as they choose a new leader. */
  etcdctl(...args: readonly string[]): Promise<string> {
    return this.lab.waitFor({
      what: `etcdctl ${args.join(' ')}`,
      read: () => this.#etcdctlOnce(args),
      until: () => true,
    });
  }

  async #etcdctlOnce(args: readonly string[]): Promise<string> {
    let failure: unknown;
    for (const member of new Set([this.#answering ?? this.members[0]!, ...this.members])) {
      try {
        const output = await member.etcdctl('--command-timeout=10s', ...args);
        this.#answering = member;
        return output;
      } catch (error) {
        // By the one before, which was too late to say so.
        if (args[0] === 'compact' && String(error).includes('has been compacted')) return '';
        failure = error;
      }
    }
    throw failure;
  }

  /** All keys under `/net/subnets/`. */
  async leases(): Promise<EtcdKey[]> {
    return parseKeys(await this.etcdctl('get', '--prefix', '/net/subnets/', '--write-out=json'));
  }

  /** Writes each key of the rounds in a revision of its own. */
  async write(rounds: Rounds): Promise<void> {
    const { caFile, client } = this.certificates;
    const program = new URL('etcd-writer.js', import.meta.url).pathname;
    await this.lab.commands.must(
      this.namespace.argv([
        ...[process.execPath, program, this.members[0]!.url],
        ...[caFile, client.certFile, client.keyFile],
      ]),
      // A second or two, unless others keep the disk busy: each revision is written to it three times.
      { input: JSON.stringify(rounds), timeoutSeconds: 300 },
    );
  }

  /** All members lose all their data; what comes after them is another cluster. @param snapshot what they begin with */
  async loseData(snapshot?: string): Promise<void> {
    await Promise.all(this.members.map(member => member.stop('SIGKILL')));
    for (const member of this.members) {
      member.wipe();
      if (snapshot !== undefined) await member.restore(snapshot);
    }
    await Promise.all(this.members.map(member => member.start()));
  }
}

function startMember(member: number, namespace: Namespace, certificates: Certificates): Promise<Etcd> {
  const { caFile, server, client } = certificates;
  const port = clientPort(member);
  const all = MEMBERS.map(each => `member${each}=http://127.0.0.1:${clientPort(each) + 1}`);
  return startEtcd({
    ...{ port, peerPort: port + 1, prefix: namespace.argv([]) },
    member: { name: `member${member}`, cluster: all.join() },
    alsoAt: `https://${underlayAddress(ETCD_PLACE)}:${port}`,
    tls: { ...server, clientCaFile: caFile },
    etcdctlArgs: [`--cacert=${caFile}`, `--cert=${client.certFile}`, `--key=${client.keyFile}`],
  });
}

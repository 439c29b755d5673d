/** What belongs into a support archive: one row for each of its files. Pure. */

/** How the contents of one file are had. */
export type Source =
  /** A program of the host, with its arguments; looked for where programs of the system are. */
  | { readonly kind: 'program'; readonly argv: readonly string[] }
  /** A command of ours, in a process of its own: whatever happens to it, the rest is had. */
  | { readonly kind: 'selvedge'; readonly args: readonly string[] }
  /** A file as it is. */
  | { readonly kind: 'file'; readonly path: string }
  /** A file of variables, of which only those stay that are no secrets. */
  | { readonly kind: 'variables'; readonly path: string };

export interface Piece {
  /** Path in the archive. */
  readonly name: string;
  readonly source: Source;
  /** Exit codes that are an answer; 0 alone by default. */
  readonly goodCodes?: readonly number[];
}

const program = (name: string, ...argv: readonly string[]): Piece => ({
  name,
  source: { kind: 'program', argv },
});

/** Whatever the verdict: healthy or changes due, degraded, would not start. */
const selvedge = (name: string, ...args: readonly string[]): Piece => ({
  ...{ name, source: { kind: 'selvedge', args }, goodCodes: [0, 1] },
});

const file = (path: string): Piece => ({ name: `files${path}`, source: { kind: 'file', path } });
const variables = (path: string): Piece => ({ name: `files${path}`, source: { kind: 'variables', path } });

/** Kernel settings that decide what becomes of packets. */
const SYSCTLS =
  '^net[.](ipv4[.](ip_forward|conf[.][^.]*[.](rp_filter|forwarding|src_valid_mark|arp_ignore|arp_announce)|' +
  'neigh[.]default[.]gc_thresh.|ip_no_pmtu_disc|fwmark_reflect)|bridge[.]|core[.](r|w)mem_(max|default)|netfilter[.]nf_conntrack_(max|count))';

/** Variables of the unit, the agent's files for Docker, Docker's own configuration. */
const VARIABLE_FILES = [
  '/etc/default/selvedge',
  '/etc/sysconfig/selvedge',
  '/etc/sysconfig/flanneld',
  '/etc/default/docker',
  '/run/flannel/subnet.env',
  '/run/flannel/docker',
  '/run/flannel/flannel_docker_opts.env',
];

/**
 * @param choice options of `selvedge status` that say which agent
 * @param stateFiles absolute paths below the state directory
 */
export function supportPieces(choice: readonly string[], stateFiles: readonly string[]): readonly Piece[] {
  return [
    selvedge('status.json', 'status', '--output', 'json', ...choice),
    selvedge('status.txt', 'status', '--output', 'wide', ...choice),
    selvedge('doctor.txt', 'doctor'),
    selvedge('doctor.json', 'doctor', '--output', 'json'),
    selvedge('plan.txt', 'plan'),
    selvedge('leases.txt', 'leases'),
    program('network/links.json', 'ip', '-details', '-statistics', '-json', 'link', 'show'),
    program('network/addresses.json', 'ip', '-details', '-json', 'address', 'show'),
    program('network/rules.json', 'ip', '-details', '-json', 'rule', 'show'),
    program('network/routes.json', 'ip', '-details', '-json', 'route', 'show', 'table', 'all'),
    program('network/nexthops.json', 'ip', '-details', '-json', 'nexthop', 'show'),
    program('network/neighbours.json', 'ip', '-details', '-json', 'neighbour', 'show', 'nud', 'all'),
    program('network/fdb.json', 'bridge', '-details', '-json', 'fdb', 'show'),
    program('network/counters.json', 'nstat', '--json', '--ignore', '--noupdate', '--zeros'),
    program('network/sockets.txt', 'ss', '--udp', '--listening', '--numeric', '--processes'),
    program('network/sysctl.txt', 'sysctl', '--all', '--pattern', SYSCTLS),
    program('firewall/nft.txt', 'nft', '--stateless', 'list', 'ruleset'),
    program('firewall/iptables-nft.txt', 'iptables-nft-save', '--counters'),
    program('firewall/iptables-legacy.txt', 'iptables-legacy-save', '--counters'),
    program(
      'units/status.txt',
      'systemctl',
      'status',
      '--no-pager',
      '--full',
      '--lines=0',
      'selvedge',
      'docker',
    ),
    program('units/files.txt', 'systemctl', 'cat', '--no-pager', 'selvedge', 'docker'),
    program('log/selvedge.txt', ...journalOf('selvedge', 5_000)),
    program('log/docker.txt', ...journalOf('docker', 500)),
    program('versions/iproute2.txt', 'ip', '-Version'),
    program('versions/nft.txt', 'nft', '--version'),
    program('versions/iptables.txt', 'iptables', '--version'),
    program('versions/docker.txt', 'dockerd', '--version'),
    program('versions/systemd.txt', 'systemctl', '--version'),
    file('/etc/os-release'),
    file('/proc/version'),
    file('/etc/docker/daemon.json'),
    ...VARIABLE_FILES.map(variables),
    ...stateFiles.map(file),
  ].map(piece => (piece.name === 'units/status.txt' ? { ...piece, goodCodes: UNIT_STATES } : piece));
}

/** Also a unit that is dead, has failed or is not there is a state (systemctl(1), LSB). */
const UNIT_STATES = [0, 1, 2, 3, 4];

function journalOf(unit: string, lines: number): readonly string[] {
  return ['journalctl', '--no-pager', `--unit=${unit}`, `--lines=${lines}`, '--output=short-iso'];
}

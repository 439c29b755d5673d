/**
 * The agent's options: one row each, from which the command line, the environment names and the help are made. Pure.
 *
 * Names are flannel's where the thing is the same, so that a flanneld unit file works as it is.
 */
import type * as z from 'zod';
import {
  boolean,
  directory,
  doubtGrace,
  endpoints,
  file,
  hostAddress,
  instanceName,
  interfaceName,
  keyPrefix,
  leaseTtl,
  listenAddress,
  logFormat,
  logLevel,
  onRevoke,
  probeRate,
  regex,
  secret,
  tcpPort,
  txChecksum,
  userName,
} from './options-values.js';
import { DEFAULT_RUN_DIR } from './socket-path.js';

export interface OptionRow {
  /** Heading in the help. */
  readonly group: 'etcd' | 'Underlay' | 'Lease and network' | 'Files' | 'Process';
  /** `list`: may be given several times. `switch`: needs no value on the command line. */
  readonly kind: 'value' | 'list' | 'switch';
  /** What stands for the value in the help. */
  readonly argument: string;
  readonly help: string;
  /** The value when nobody gives one. An option without a default may be given empty, which means not given. */
  readonly default?: string;
  /** A default that depends on another option, in words for the help. */
  readonly derived?: string;
  /** flanneld has the option too; then `FLANNELD_*` is read as well. */
  readonly flannel: boolean;
  /** The variable of an Atomic host's /etc/sysconfig/flanneld, which its flannel unit makes a flag of. */
  readonly atomic?: string;
  readonly type: z.ZodType<unknown, string>;
}

export const AGENT_OPTIONS = {
  'etcd-endpoints': {
    group: 'etcd',
    kind: 'value',
    argument: 'URLS',
    help: 'comma separated; all http or all https',
    default: 'http://127.0.0.1:2379',
    flannel: true,
    atomic: 'FLANNEL_ETCD_ENDPOINTS',
    type: endpoints,
  },
  'etcd-prefix': {
    group: 'etcd',
    kind: 'value',
    argument: 'PATH',
    help: 'where the network lives in etcd: PATH/config, PATH/subnets/…',
    default: '/net',
    flannel: true,
    atomic: 'FLANNEL_ETCD_PREFIX',
    type: keyPrefix,
  },
  'etcd-cafile': {
    group: 'etcd',
    kind: 'value',
    argument: 'FILE',
    help: 'CA certificates (PEM) that etcd must be signed by',
    flannel: true,
    type: file,
  },
  'etcd-certfile': {
    group: 'etcd',
    kind: 'value',
    argument: 'FILE',
    help: 'client certificate (PEM); with --etcd-keyfile',
    flannel: true,
    type: file,
  },
  'etcd-keyfile': {
    group: 'etcd',
    kind: 'value',
    argument: 'FILE',
    help: 'key of the client certificate (PEM)',
    flannel: true,
    type: file,
  },
  'etcd-username': {
    group: 'etcd',
    kind: 'value',
    argument: 'NAME',
    help: 'etcd user; with --etcd-password-file or --etcd-password',
    flannel: true,
    type: userName,
  },
  'etcd-password': {
    group: 'etcd',
    kind: 'value',
    argument: 'SECRET',
    help: 'better given in a file or as SELVEDGE_ETCD_PASSWORD: ps shows command lines to everybody',
    flannel: true,
    type: secret,
  },
  'etcd-password-file': {
    group: 'etcd',
    kind: 'value',
    argument: 'FILE',
    help: 'holds the password alone; read again when it changes',
    flannel: false,
    type: file,
  },
  iface: {
    group: 'Underlay',
    kind: 'list',
    argument: 'NAME|IP',
    help: 'interface to other hosts; the first that exists is taken',
    derived: "the default route's",
    flannel: true,
    type: interfaceName,
  },
  'iface-regex': {
    group: 'Underlay',
    kind: 'list',
    argument: 'REGEX',
    help: 'interface whose address or name matches; tried after --iface',
    flannel: true,
    type: regex,
  },
  'iface-can-reach': {
    group: 'Underlay',
    kind: 'value',
    argument: 'IP',
    help: 'interface by which this address is reached; tried last',
    flannel: true,
    type: hostAddress,
  },
  'public-ip': {
    group: 'Underlay',
    kind: 'value',
    argument: 'IP',
    help: 'address that other hosts send to',
    derived: "the interface's",
    flannel: true,
    type: hostAddress,
  },
  'lease-ttl': {
    group: 'Lease and network',
    kind: 'value',
    argument: 'DURATION',
    help: 'how long the subnet stays ours while the agent is away: 24h, 90m, 30s',
    default: '24h',
    flannel: false,
    type: leaseTtl,
  },
  'doubt-grace': {
    group: 'Lease and network',
    kind: 'value',
    argument: 'DURATION',
    help: 'how long peers are kept that etcd has lost, after it was wiped, restored or long out of reach',
    default: '5m',
    flannel: false,
    type: doubtGrace,
  },
  'on-revoke': {
    group: 'Lease and network',
    kind: 'value',
    argument: 'reacquire|exit',
    help: 'when somebody deletes our lease in etcd: take another, or end with code 0; the data plane stays',
    default: 'reacquire',
    flannel: false,
    type: onRevoke,
  },
  'release-on-exit': {
    group: 'Lease and network',
    kind: 'switch',
    argument: 'BOOL',
    help: 'on SIGTERM and SIGINT give the lease back; the data plane stays (selvedge cleanup removes it)',
    default: 'false',
    flannel: false,
    type: boolean,
  },
  'ip-masq': {
    group: 'Lease and network',
    kind: 'switch',
    argument: 'BOOL',
    help: 'masquerade what leaves the network; Docker is told not to',
    default: 'false',
    flannel: true,
    type: boolean,
  },
  'ip-masq-fully-random-disable': {
    group: 'Lease and network',
    kind: 'switch',
    argument: 'BOOL',
    help: "with --ip-masq: leave the choice of source ports to the kernel's habit",
    default: 'false',
    flannel: true,
    type: boolean,
  },
  'iptables-forward-rules': {
    group: 'Lease and network',
    kind: 'switch',
    argument: 'BOOL',
    help: 'where the FORWARD chain drops, as beside Docker, let the traffic of the overlay through',
    default: 'true',
    flannel: true,
    type: boolean,
  },
  'vxlan-tx-checksum': {
    group: 'Lease and network',
    kind: 'value',
    argument: 'MODE',
    help: 'checksum offload of the VXLAN device: on, off, or auto: off on kernels that spoil it',
    default: 'auto',
    flannel: false,
    type: txChecksum,
  },
  'subnet-file': {
    group: 'Files',
    kind: 'value',
    argument: 'FILE',
    help: "the lease for others, as flannel's subnet.env",
    default: '/run/flannel/subnet.env',
    flannel: true,
    type: file,
  },
  'docker-env-file': {
    group: 'Files',
    kind: 'value',
    argument: 'FILE',
    help: 'Docker options as Atomic hosts read them',
    derived: 'docker beside the subnet file',
    flannel: false,
    type: file,
  },
  'docker-opts-file': {
    group: 'Files',
    kind: 'value',
    argument: 'FILE',
    help: 'Docker options as CoreOS hosts read them',
    derived: 'flannel_docker_opts.env beside the subnet file',
    flannel: false,
    type: file,
  },
  'state-dir': {
    group: 'Files',
    kind: 'value',
    argument: 'DIR',
    help: 'what is kept across a reboot: DIR/INSTANCE/…',
    default: '/var/lib/selvedge',
    flannel: false,
    type: directory,
  },
  'run-dir': {
    group: 'Files',
    kind: 'value',
    argument: 'DIR',
    help: 'control socket: DIR/INSTANCE.sock',
    default: DEFAULT_RUN_DIR,
    flannel: false,
    type: directory,
  },
  instance: {
    group: 'Process',
    kind: 'value',
    argument: 'NAME',
    help: 'tells several agents on one host apart',
    derived: 'last part of the etcd prefix',
    flannel: false,
    type: instanceName,
  },
  'healthz-ip': {
    group: 'Process',
    kind: 'value',
    argument: 'IP',
    help: 'address of the health port',
    default: '0.0.0.0',
    flannel: true,
    type: listenAddress,
  },
  'healthz-port': {
    group: 'Process',
    kind: 'value',
    argument: 'PORT',
    help: 'serve /healthz, /readyz, /metrics and a page for people by HTTP on this TCP port; 0: not at all',
    default: '0',
    flannel: true,
    type: tcpPort,
  },
  'probe-rate': {
    group: 'Process',
    kind: 'value',
    argument: 'N',
    help: 'packets per second, for all peers together, to learn whether they are reached; 0: none',
    default: '20',
    flannel: false,
    type: probeRate,
  },
  'metrics-per-peer': {
    group: 'Process',
    kind: 'switch',
    argument: 'BOOL',
    help: 'loss, round-trip time and path MTU of each peer in /metrics: series that grow with the network',
    default: 'false',
    flannel: false,
    type: boolean,
  },
  'log-level': {
    group: 'Process',
    kind: 'value',
    argument: 'LEVEL',
    help: 'trace, debug, info, warn, error, fatal or silent',
    default: 'info',
    flannel: false,
    type: logLevel,
  },
  'log-format': {
    group: 'Process',
    kind: 'value',
    argument: 'FORM',
    help: 'json, or pretty for people: lines of text, coloured on a terminal unless NO_COLOR is set',
    default: 'json',
    flannel: false,
    type: logFormat,
  },
} as const satisfies Readonly<Record<string, OptionRow>>;

export type OptionName = keyof typeof AGENT_OPTIONS;

type Row<N extends OptionName> = (typeof AGENT_OPTIONS)[N];
type Value<N extends OptionName> = z.output<Row<N>['type']>;

/** Options whose default is made from another option. */
export type DerivedName = 'docker-env-file' | 'docker-opts-file' | 'instance';
type AlwaysThere<N extends OptionName> = N extends DerivedName
  ? true
  : Row<N> extends { readonly default: string }
    ? true
    : false;

/** What each option's text becomes. */
export type OptionValues = {
  readonly [N in OptionName]: Row<N>['kind'] extends 'list'
    ? readonly Value<N>[]
    : AlwaysThere<N> extends true
      ? Value<N>
      : Value<N> | undefined;
};

/** All rows in the order of the help. */
export const OPTION_ROWS = Object.entries(AGENT_OPTIONS) as readonly (readonly [OptionName, OptionRow])[];

/** Those that say where etcd is and how to get in. */
export const ETCD_OPTION_ROWS = OPTION_ROWS.filter(([, row]) => row.group === 'etcd');

export type EtcdOptionName = Extract<OptionName, `etcd-${string}`>;

/**
 * The environment variables that give an option, the stronger first.
 * @param flag name without dashes in front
 */
export function environmentNames(
  flag: string,
  row: Pick<OptionRow, 'flannel' | 'atomic'>,
): readonly string[] {
  const suffix = flag.toUpperCase().replaceAll('-', '_');
  return [
    `SELVEDGE_${suffix}`,
    ...(row.flannel ? [`FLANNELD_${suffix}`] : []),
    ...(row.atomic === undefined ? [] : [row.atomic]),
  ];
}

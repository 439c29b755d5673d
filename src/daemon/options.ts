/**
 * The agent's options from the command line and the environment. Pure.
 *
 * Precedence: flag, SELVEDGE_X, FLANNELD_X, default. Every wrong option is named at once.
 */
import { posix } from 'node:path';
import type { IpAddress } from '../address/ip.js';
import { readValues, settle, type Environment, type GivenFlags } from './options-given.js';
import {
  judgeForeign,
  notesOn,
  pairFaults,
  pathFaults,
  unknownFaults,
  unknownVariables,
  usesTls,
} from './options-rules.js';
import {
  ETCD_OPTION_ROWS,
  type EtcdOptionName,
  type OptionName,
  type OptionValues,
} from './options-table.js';
import { socketPathOf } from './socket-path.js';
import type { LogFormat, LogLevel, Secret } from './options-values.js';
import type { TxChecksumOption } from './tx-checksum.js';

export interface EtcdOptions {
  /** URLs with a port, all of one scheme, no trailing slash. */
  readonly endpoints: readonly string[];
  /** Begins with a slash, does not end with one. */
  readonly prefix: string;
  /** The TLS files are undefined for http endpoints. Certificate and key are both there or both not. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** With a user there is either a password or a file that holds it; without one, neither. */
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  readonly passwordFile: string | undefined;
}

/** How the operator wants the interface and address to other hosts chosen, in the order of trying. */
export interface UnderlayOptions {
  /** Names or IPv4 addresses. */
  readonly interfaces: readonly string[];
  readonly interfaceRegexes: readonly RegExp[];
  readonly canReach: IpAddress | undefined;
  readonly publicIp: IpAddress | undefined;
}

export interface AgentOptions {
  readonly instance: string;
  readonly etcd: EtcdOptions;
  readonly underlay: UnderlayOptions;
  readonly leaseTtlSeconds: number;
  /** How long deletions are not believed once etcd is in doubt. */
  readonly doubtGraceSeconds: number;
  /** What follows when somebody deletes our lease. */
  readonly onRevoke: 'reacquire' | 'exit';
  readonly releaseOnExit: boolean;
  readonly ipMasq: boolean;
  /** Whether masqueraded connections get random source ports. */
  readonly ipMasqFullyRandom: boolean;
  /** Whether FORWARD chains that drop are to let the overlay through. */
  readonly forwardRules: boolean;
  readonly txChecksum: TxChecksumOption;
  readonly subnetFile: string;
  readonly dockerEnvFile: string;
  readonly dockerOptsFile: string;
  readonly stateDir: string;
  /** What this instance keeps across a reboot: STATEDIR/INSTANCE. */
  readonly instanceStateDir: string;
  readonly runDir: string;
  /** The control socket: RUNDIR/INSTANCE.sock. */
  readonly socketPath: string;
  /** Where health is served; undefined when it is not. */
  readonly health: { readonly ip: IpAddress; readonly port: number } | undefined;
  /** Packets per second to learn whether peers are reached; 0: none. */
  readonly probeRate: number;
  /** Whether metrics may grow with the number of peers. */
  readonly metricsPerPeer: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Where the faults of options are: `environment` when what was typed would do without it. */
export type FaultSource = 'command line' | 'environment';

/** Options that cannot be used: every fault, a line each. */
export interface FaultyOptions {
  readonly ok: false;
  readonly faults: readonly string[];
  readonly source: FaultSource;
}

export type ResolvedOptions =
  { readonly ok: true; readonly options: AgentOptions; readonly notes: readonly string[] } | FaultyOptions;

/**
 * Makes the agent's options of what was given.
 * @param flags ours and flannel's, as parsed
 * @param unknown what the parser could not place; flags with their dashes
 * @param environment all variables of the process
 * @returns the options and notes for the log, or every fault, a line each; no line ever holds a secret
 */
export function resolveAgentOptions(
  flags: GivenFlags,
  unknown: readonly string[],
  environment: Environment,
): ResolvedOptions {
  const { given, values, foreign, faults } = readAll(flags, unknown, environment);
  if (faults.length > 0) return faulty(faults, readAll(flags, unknown, {}).faults);
  // Without a fault every option that has a default or is derived has a value.
  const options = build(values as OptionValues);
  return { ok: true, options, notes: [...notesOn(flags, given, values), ...foreign.notes] };
}

function readAll(flags: GivenFlags, unknown: readonly string[], environment: Environment) {
  const given = settle(flags, environment);
  const { values, faults } = readValues(given);
  const foreign = judgeForeign(flags, environment);
  const allFaults = [
    ...unknownFaults(unknown),
    // Units keep options in files of variables, where a mistake would go unnoticed.
    ...unknownVariables(environment).map(name => `${name}: unknown option`),
    ...faults,
    ...pairFaults(given),
    ...pathFaults(values),
    ...foreign.faults,
  ];
  return { given, values, foreign, faults: allFaults };
}

/** @param typed the faults that the command line has by itself: some of these the environment mends */
function faulty(faults: readonly string[], typed: readonly string[]): FaultyOptions {
  const source = typed.some(fault => faults.includes(fault)) ? 'command line' : 'environment';
  return { ok: false, faults, source };
}

export type ResolvedEtcdOptions =
  { readonly ok: true; readonly etcd: EtcdOptions; readonly notes: readonly string[] } | FaultyOptions;

/**
 * The same for a command that talks to etcd and to nothing else: the other options may be wrong.
 * @param flags as parsed; the parser has refused unknown ones
 */
export function resolveEtcdOptions(flags: GivenFlags, environment: Environment): ResolvedEtcdOptions {
  const { given, values, faults } = readEtcd(flags, environment);
  if (faults.length > 0) return faulty(faults, readEtcd(flags, {}).faults);
  const etcd = buildEtcd(values as Pick<OptionValues, EtcdOptionName>);
  const ignored = unknownVariables(environment).map(name => `${name}: unknown, ignored`);
  return { ok: true, etcd, notes: [...notesOn(flags, given, values), ...ignored] };
}

function readEtcd(flags: GivenFlags, environment: Environment) {
  const names = new Set<OptionName>(ETCD_OPTION_ROWS.map(([name]) => name));
  const given = new Map([...settle(flags, environment)].filter(([name]) => names.has(name)));
  const { values, faults } = readValues(given);
  return { given, values, faults: [...faults, ...pairFaults(given)] };
}

function buildEtcd(values: Pick<OptionValues, EtcdOptionName>): EtcdOptions {
  const tls = usesTls(values['etcd-endpoints']);
  return {
    endpoints: values['etcd-endpoints'],
    prefix: values['etcd-prefix'],
    caFile: tls ? values['etcd-cafile'] : undefined,
    certFile: tls ? values['etcd-certfile'] : undefined,
    keyFile: tls ? values['etcd-keyfile'] : undefined,
    username: values['etcd-username'],
    password: values['etcd-password'],
    passwordFile: values['etcd-password-file'],
  };
}

function build(values: OptionValues): AgentOptions {
  return {
    instance: values.instance,
    etcd: buildEtcd(values),
    underlay: {
      interfaces: values.iface,
      interfaceRegexes: values['iface-regex'],
      canReach: values['iface-can-reach'],
      publicIp: values['public-ip'],
    },
    leaseTtlSeconds: values['lease-ttl'],
    doubtGraceSeconds: values['doubt-grace'],
    onRevoke: values['on-revoke'],
    releaseOnExit: values['release-on-exit'],
    ipMasq: values['ip-masq'],
    ipMasqFullyRandom: !values['ip-masq-fully-random-disable'],
    forwardRules: values['iptables-forward-rules'],
    txChecksum: values['vxlan-tx-checksum'],
    subnetFile: values['subnet-file'],
    dockerEnvFile: values['docker-env-file'],
    dockerOptsFile: values['docker-opts-file'],
    stateDir: values['state-dir'],
    instanceStateDir: posix.join(values['state-dir'], values.instance),
    runDir: values['run-dir'],
    socketPath: socketPathOf(values['run-dir'], values.instance),
    health:
      values['healthz-port'] === 0 ? undefined : { ip: values['healthz-ip'], port: values['healthz-port'] },
    probeRate: values['probe-rate'],
    metricsPerPeer: values['metrics-per-peer'],
    logLevel: values['log-level'],
    logFormat: values['log-format'],
  };
}

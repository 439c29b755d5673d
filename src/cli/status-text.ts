/** The status document as people read it: the verdict first, then what is wrong, then everything else. Pure. */
import { formatDuration } from '../daemon/duration.js';
import type {
  ConfigStatus,
  DataPlaneStatus,
  EtcdStatus,
  FirewallPartStatus,
  FirewallStatus,
  LeaseStatus,
  PeerStatus,
  Problem,
  SetAsideStatus,
  StatusDocument,
  SubnetsStatus,
  TxChecksumStatus,
  UnderlayStatus,
} from '../daemon/status.js';
import { formatColumns } from './columns.js';
import { printable } from './printable.js';

/** Rows of a table before it is cut. */
const MOST_ROWS = 20;

export interface RenderOptions {
  /** What ages are counted from. */
  readonly now: Date;
  /** Show every row of every table. */
  readonly all: boolean;
}

/** @returns lines with a newline at the end; no colours, so that a pipe gets what a terminal gets */
export function renderStatus(document: StatusDocument, options: RenderOptions): string {
  const status = printable(document);
  const sections = [
    verdictLine(status, options.now),
    ...status.problems.map(renderProblem),
    renderPeers(status.peers, options),
    renderSetAside(status, options),
    renderFacts(status, options.now),
  ];
  return `${sections.filter(section => section !== '').join('\n\n')}\n`;
}

/** The verdict, and the codes of what is wrong, in one line. */
export function renderBrief(document: StatusDocument, now: Date): string {
  const status = printable(document);
  const codes = status.problems.map(({ code }) => code);
  return `${[verdictLine(status, now), ...new Set(codes)].join(' · ')}\n`;
}

function verdictLine(status: StatusDocument, now: Date): string {
  if (status.verdict === 'starting') {
    const awaiting = status.awaiting === null ? '' : `: ${status.awaiting}`;
    return `starting: ${status.phase.replaceAll('-', ' ')}${awaiting}`;
  }
  const programmed = status.peers.filter(peer => peer.state === 'programmed').length;
  const drift = status.dataPlane === null ? 0 : missingEntries(status.dataPlane);
  const faulty = faultyLeases(status);
  const counts = [
    `${programmed}/${status.peers.length} peers programmed`,
    `${drift} drift`,
    ...(faulty.length === 0 ? [] : [`${faulty.length} set aside`]),
  ].join(', ');
  return `${status.verdict}: ${counts} · ${status.lease === null ? 'no lease' : leaseInShort(status.lease, now)}`;
}

function leaseInShort(lease: LeaseStatus, now: Date): string {
  if (lease.etcdLease === null) return `lease ${lease.subnet} reserved`;
  return `lease ${lease.subnet}${lease.renewedAt === null ? '' : ` renewed ${age(lease.renewedAt, now)}`}`;
}

function renderProblem(problem: Problem): string {
  return [
    `${problem.severity === 'warning' ? 'warning' : 'problem'} ${problem.code}`,
    `  seen   ${problem.seen}`,
    `  cause  ${problem.cause}`,
    `  next   ${problem.next}`,
  ].join('\n');
}

const STATE_ORDER = ['failing', 'pending', 'programmed'] as const;

/** Trouble first, otherwise in the order of the document. */
function renderPeers(peers: readonly PeerStatus[], options: RenderOptions): string {
  if (peers.length === 0) return '';
  const sorted = peers.toSorted((a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state));
  const shown = options.all ? sorted : sorted.slice(0, MOST_ROWS);
  const table = formatColumns(
    ['NODE', 'SUBNET', 'VIA', 'PATH', 'STATE'],
    shown.map(({ node, subnet, publicIp, path, state, error }) => [
      node ?? '-',
      subnet,
      publicIp,
      path,
      error === null ? state : `${state}: ${error}`,
    ]),
  );
  const hidden = sorted.slice(shown.length);
  if (hidden.length === 0) return table;
  const counts = STATE_ORDER.flatMap(state => {
    const count = hidden.filter(peer => peer.state === state).length;
    return count === 0 ? [] : [`${count} ${state === 'programmed' ? 'healthy' : state}`];
  });
  return `${table}\n… and ${counts.join(', ')} (use --all)`;
}

/** A reservation whose host has not come is set aside too, and nothing is wrong with it. */
function faultyLeases({ setAside }: StatusDocument): readonly SetAsideStatus[] {
  return setAside.filter(({ code }) => code !== 'reserved');
}

function renderSetAside(status: StatusDocument, options: RenderOptions): string {
  const setAside = faultyLeases(status);
  if (setAside.length === 0) return '';
  const shown = options.all ? setAside : setAside.slice(0, MOST_ROWS);
  const table = formatColumns(
    ['SET ASIDE', 'CODE', 'REASON'],
    shown.map(({ key, code, reason }) => [key, code, reason]),
  );
  const hidden = setAside.length - shown.length;
  return hidden === 0 ? table : `${table}\n… and ${hidden} more (use --all)`;
}

/** Everything else: a name, and beside it one line or several. */
function renderFacts(status: StatusDocument, now: Date): string {
  const { agent, etcd, config, underlay, lease, subnets, dataPlane, firewall } = status;
  const reserved = status.setAside.length - faultyLeases(status).length;
  const facts: readonly (readonly [name: string, lines: readonly string[]])[] = [
    ['lease', lease === null ? [] : leaseLines(lease, etcd, now)],
    ['reserved', reserved === 0 ? [] : [`${reserved} for hosts that have not come yet (selvedge leases)`]],
    ['subnets', subnets === null ? [] : [subnetsLine(subnets)]],
    ['etcd', etcdLines(etcd, now)],
    ['config', [configLine(config), ...config.faults, ...config.notes]],
    ['underlay', underlay === null ? [] : [underlayLine(underlay)]],
    ['data plane', dataPlane === null ? [] : dataPlaneLines(dataPlane, now)],
    // An agent that was started before an upgrade knows nothing of it.
    ['firewall', firewall === null ? [] : firewallLines(firewall, now)],
    ['files', status.files.map(({ path, writtenAt }) => `${path} written ${age(writtenAt, now)}`)],
    [
      'agent',
      [
        `${agent.version}, instance ${agent.instance}, pid ${agent.pid}, started ${age(agent.startedAt, now)}`,
      ],
    ],
  ];
  const shown = facts.filter(([, lines]) => lines.length > 0);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown
    .flatMap(([name, lines]) => lines.map((line, i) => `${(i === 0 ? name : '').padEnd(width)}  ${line}`))
    .join('\n');
}

function subnetsLine({ free, total }: SubnetsStatus): string {
  return `${free} of ${total} free (${Math.floor((free * 100) / total)} %)`;
}

function etcdLines(etcd: EtcdStatus, now: Date): string[] {
  const { connected, since, endpoints, endpointStates, lastError, certificates, doubt } = etcd;
  const doubted = doubt === null ? '' : `${untilThen(doubt.until, now)}, until ${clock(doubt.until)}`;
  return [
    `${etcdState(etcd)} for ${ageOnly(since, now)}${connected ? '' : `, since ${clock(since)}`}: ${endpoints.join(', ')}`,
    ...(lastError === null ? [] : [lastError]),
    ...endpointStates.flatMap(({ url, passedOver, certificateEndsAt }) => [
      ...(passedOver === null
        ? []
        : [`${url} passed over for ${ageOnly(passedOver.since, now)}: ${passedOver.cause}`]),
      ...(certificateEndsAt === null ? [] : [`certificate of ${url} until ${clock(certificateEndsAt)}`]),
    ]),
    ...certificates.map(
      ({ role, file, endsAt }) =>
        `${role === 'CA' ? 'CA' : 'client certificate'} ${file} until ${clock(endsAt)}`,
    ),
    ...(doubt === null
      ? []
      : [
          `in doubt for another ${doubted}: ${doubt.reason}`,
          `peers kept that it no longer lists: ${doubt.keptPeers}`,
        ]),
  ];
}

function etcdState({ connected, lastErrorKind }: EtcdStatus): string {
  if (connected) return 'connected';
  if (lastErrorKind === 'tls') return 'no secure connection';
  return lastErrorKind === 'denied' ? 'refused' : 'away';
}

function underlayLine({ device, address, publicIp, mtu, reason }: UnderlayStatus): string {
  return `${device} ${address}, public ${publicIp}, MTU ${mtu} (${reason})`;
}

function configLine({ state, key, running, source }: ConfigStatus): string {
  const line = CONFIG_STATES[state](key);
  if (running === null || (state !== 'missing' && source !== 'state')) return line;
  const copy = source === 'state' ? 'the copy in the state directory' : 'the one that was there before';
  return `${line}; running ${copy}`;
}

const CONFIG_STATES = {
  missing: (key: string) => `${key} is missing`,
  invalid: (key: string) => `${key} is invalid:`,
  running: (key: string) => `${key} as running`,
  differs: (key: string) => `${key} differs from what is running; restart the agent to take it`,
} as const;

const ORIGINS: Readonly<Record<LeaseStatus['origin'], string>> = {
  own: 'found as ours in etcd',
  state: 'taken again from our state',
  'subnet-file': 'taken again from the subnet file',
  free: 'was free',
};

/** While etcd does not answer, with what becomes of the lease. */
function leaseLines(lease: LeaseStatus, etcd: EtcdStatus, now: Date): string[] {
  const line = leaseInFull(lease, now);
  if (etcd.connected || lease.expiresAt === null) return [line];
  const isOver = Date.parse(lease.expiresAt) <= now.getTime();
  const later = 'the same subnet is taken again if it is free';
  return [
    line,
    isOver
      ? `when etcd answers again, ${later}`
      : `if etcd answers again before ${clock(lease.expiresAt)}, nothing changes; later ${later}`,
  ];
}

function leaseInFull(lease: LeaseStatus, now: Date): string {
  const parts = [
    `${lease.subnet} at ${lease.key} (${ORIGINS[lease.origin]})`,
    lease.etcdLease === null ? 'a reservation, never expires' : `etcd lease ${lease.etcdLease}`,
    ...(lease.renewedAt === null ? [] : [`renewed ${age(lease.renewedAt, now)}`]),
    ...(lease.expiresAt === null ? [] : [expiry(lease.expiresAt, now)]),
  ];
  return parts.join(', ');
}

function expiry(at: string, now: Date): string {
  const isOver = Date.parse(at) <= now.getTime();
  return isOver ? `ran out ${age(at, now)}` : `expires in ${untilThen(at, now)}`;
}

function dataPlaneLines(dataPlane: DataPlaneStatus, now: Date): string[] {
  const {
    device,
    txChecksum,
    desired,
    held,
    repairs,
    lastRepairs,
    lastFullCheckAt,
    notes,
    failing,
    conflicts,
  } = dataPlane;

  const kinds = Object.keys(desired) as (keyof typeof desired)[];
  const counts = kinds.filter(kind => desired[kind] > 0 || held[kind] > 0);
  return [
    ...(device === null ? [] : [`${device.name} ${device.mac} MTU ${device.mtu}`]),
    ...(txChecksum === null ? [] : [txChecksumLine(txChecksum)]),
    [
      ...counts.map(kind => `${kind} ${held[kind]}/${desired[kind]}`),
      `${repairs} repaired since the start`,
      lastFullCheckAt === null ? 'not checked yet' : `checked ${age(lastFullCheckAt, now)}`,
    ].join(', '),
    ...lastRepairs.map(repair => `repaired ${age(repair.at, now)}: ${repair.what}`),
    ...notes,
    ...failing.map(({ entry, error }) => `failing: ${entry}: ${error}`),
    ...conflicts.map(
      ({ wanted, found }) => `conflict: ${wanted}: the kernel has ${found}, which is not ours`,
    ),
  ];
}

function txChecksumLine({ wanted, active, reason }: TxChecksumStatus): string {
  const state = active ?? 'not known';
  const isLeft = wanted === null && active === 'off';
  const wish = wanted === null || wanted === active ? '' : `, wanted ${wanted}`;
  return `tx checksum offload ${state}${isLeft ? ', left as found' : wish} (${reason})`;
}

function firewallLines({ masquerade, forward, repairs, checkedAt }: FirewallStatus, now: Date): string[] {
  const state = ({ inPlace, error }: FirewallPartStatus, done: string) =>
    inPlace ? done : (error ?? 'put off, because another program keeps undoing it');
  return [
    masquerade === null
      ? 'no masquerade by the agent'
      : `masquerade: ${state(masquerade, `by ${masquerade.tool ?? ''}`)}`,
    ...forward.map(
      part => `FORWARD of ${part.tool ?? ''} drops: ${state(part, 'the overlay is let through')}`,
    ),
    [
      ...(forward.length === 0 ? ['FORWARD does not drop'] : []),
      `${repairs} repaired since the start`,
      `checked ${age(checkedAt, now)}`,
    ].join(', '),
  ];
}

function missingEntries({ desired, held }: DataPlaneStatus): number {
  const kinds = Object.keys(desired) as (keyof typeof desired)[];
  return kinds.reduce((sum, kind) => sum + Math.max(0, desired[kind] - held[kind]), 0);
}

/** A moment to the second. */
function clock(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}

function age(iso: string, now: Date): string {
  return `${ageOnly(iso, now)} ago`;
}

function ageOnly(iso: string, now: Date): string {
  return formatDuration(now.getTime() - Date.parse(iso));
}

function untilThen(iso: string, now: Date): string {
  return formatDuration(Date.parse(iso) - now.getTime());
}

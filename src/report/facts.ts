/** What the status document tells besides peers and problems: a name, and beside it one line or several. Pure. */
import type {
  ConfigStatus,
  DataPlaneStatus,
  EtcdStatus,
  FirewallPartStatus,
  FirewallStatus,
  MasqueradeStatus,
  LeaseStatus,
  ProbesStatus,
  StatusDocument,
  SubnetsStatus,
  TxChecksumStatus,
  UnderlayStatus,
} from '../daemon/status.js';
import { formatDuration } from '../daemon/duration.js';
import { age, ageOnly, clock, untilThen } from './ages.js';
import { faultyLeases } from './verdict.js';

/** A name, and the lines beside it; at least one. */
export type Fact = readonly [name: string, lines: readonly string[]];

/**
 * @param now what ages are counted from
 * @returns in the order in which an operator asks; what is not known yet is left out
 */
export function statusFacts(status: StatusDocument, now: Date): readonly Fact[] {
  const { agent, etcd, config, underlay, lease, subnets, dataPlane, probes, firewall } = status;
  const reserved = status.setAside.length - faultyLeases(status).length;
  const facts: readonly Fact[] = [
    ['lease', lease === null ? [] : leaseLines(lease, etcd, now)],
    ['reserved', reserved === 0 ? [] : [`${reserved} for hosts that have not come yet (selvedge leases)`]],
    ['subnets', subnets === null ? [] : [subnetsLine(subnets)]],
    ['etcd', etcdLines(etcd, now)],
    ['config', [configLine(config, etcd), ...config.faults, ...config.notes]],
    ['underlay', underlay === null ? [] : [underlayLine(underlay)]],
    ['data plane', dataPlane === null ? [] : dataPlaneLines(dataPlane, now)],
    ['probes', probes === null ? [] : [probesLine(probes)]],
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
  return facts.filter(([, lines]) => lines.length > 0);
}

function probesLine({ off, rate, roundSeconds, peers, lost, sent }: ProbesStatus): string {
  if (off !== null) return `off: ${off}`;
  const states = Object.entries(peers).filter(([, count]) => count > 0);
  return [
    ...states.map(([state, count]) => `${count} ${state}`),
    `overlay ${lossOf(lost.overlay, sent.overlay)} lost since the start`,
    `each peer every ${formatDuration(roundSeconds * 1000)}, ${rate} packets/s at most`,
  ].join(', ');
}

function lossOf(lost: number, sent: number): string {
  return `${sent === 0 ? 0 : Math.round((lost * 1000) / sent) / 10} %`;
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

function configLine({ state, key, running, source }: ConfigStatus, etcd: EtcdStatus): string {
  if (state === 'missing' && running === null && !etcd.connected)
    return `${key} is not known: etcd does not answer`;
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
      : `masquerade: ${state(masquerade, `by ${masquerade.tool ?? ''}`)}${withoutNft(masquerade)}`,
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

function withoutNft({ withoutNft: cause }: MasqueradeStatus): string {
  return cause === null ? '' : ` (not by nft: ${cause})`;
}

/** Facts → problems: each with what is seen, the probable cause and the next command. Pure. */
import { containsIp, formatPrefix, maskPrefix, samePrefix } from '../address/prefix.js';
import { describe } from '../dataplane/kinds/index.js';
import { TX_CHECKSUM_FEATURE } from '../dataplane/offload.js';
import { DOCKER_BRIDGE } from './docker-bridge.js';
import { duplicateSeen } from './duplicate.js';
import { etcdProblem, etcdProblems } from './etcd-problems.js';
import type { Facts, LeaseTrouble, ToIso } from './facts.js';
import { firstConfigCommand, leasesCommand, putConfigCommand } from './etcdctl.js';
import { etcdctl } from '../subnet/etcdctl.js';
import { isRunningOut } from '../subnet/subnet-usage.js';
import { configKeyOf } from './feed.js';
import { firewallProblems } from './firewall-problems.js';
import type { AgentOptions } from './options.js';
import { probeProblems } from './probe-problems.js';
import { problem } from './problems.js';
import type { ConfigStatus, Problem } from './status.js';

/** More of these than an operator reads are counted, not listed. */
const MOST_LISTED = 20;

/**
 * Everything that is wrong at this moment, what matters most first, and warnings last.
 * @param faults of the config document in the store
 * @param wall now, in milliseconds since the epoch
 */
export function problemsOf(
  facts: Facts,
  options: AgentOptions,
  faults: readonly string[],
  at: ToIso,
  wall: number,
): Problem[] {
  const problems = [
    ...etcdProblems(facts, options, at, wall),
    ...configProblems(facts, options, faults),
    ...leaseProblems(facts, options),
    ...moveProblems(facts, at),
    ...fileProblems(facts),
    ...dockerProblems(facts, options),
    ...kernelProblems(facts),
    ...contestProblems(facts, at),
    ...firewallProblems(facts.firewall),
    ...checksumProblems(facts),
    ...probeProblems(facts),
    ...healthPortProblems(facts),
  ];
  const isWarning = ({ severity }: Problem) => Number(severity === 'warning');
  return problems.toSorted((a, b) => isWarning(a) - isWarning(b));
}

function fileProblems({ files, stateError, historyError }: Facts): Problem[] {
  return [files?.error, stateError, historyError]
    .filter(error => error !== undefined)
    .map(error =>
      problem(
        'file-not-written',
        error,
        'the disk is full, or the path cannot be written to; the old file is whole',
        'df -h',
      ),
    );
}

function healthPortProblems({ healthPortError }: Facts): Problem[] {
  if (healthPortError === undefined) return [];
  const cause = 'another program listens there, or this host does not have the address';
  return [problem('health-port', healthPortError, cause, 'ss -ltnp; ip address')];
}

function configProblems(
  { config, mirrored }: Facts,
  options: AgentOptions,
  faults: readonly string[],
): Problem[] {
  // Before the first answer nothing is known to be missing.
  if (!mirrored) return [];
  const key = configKeyOf(options);
  const read = `${etcdctl(options.etcd)} get ${key}`;
  switch (config?.status.state) {
    case 'invalid':
      return [
        problem(
          'config-invalid',
          `${key} cannot be used: ${faults.join('; ')}`,
          'a mistake in the document',
          read,
        ),
      ];
    case 'differs':
      return [
        problem(
          'config-differs',
          `${key} is not the config that runs: ${config.differences.join('; ')}`,
          'it was changed after the agent had started',
          'systemctl restart selvedge',
        ),
      ];
    case 'missing':
      return [missingConfig(config.status, options)];
    case 'running':
    case undefined:
      return [];
  }
}

function missingConfig({ key, running, source }: ConfigStatus, options: AgentOptions): Problem {
  if (running === null) {
    const cause = 'nobody has put it there yet, or --etcd-prefix is not the right one';
    return problem('config-missing', `${key} does not exist`, cause, firstConfigCommand(key, options.etcd));
  }
  const goesOn = source === 'state' ? 'the copy in its state directory' : 'the one that runs';
  return problem(
    'config-missing',
    `${key} does not exist; this host goes on with ${goesOn}`,
    'etcd lost its data, or the key was deleted (that alone ends no network: stop the agents and run selvedge cleanup)',
    putConfigCommand(key, running, options.etcd),
  );
}

function leaseProblems(
  { connection, exhausted, own, leaseTrouble, duplicate, overlay, usage }: Facts,
  options: AgentOptions,
): Problem[] {
  const problems: Problem[] = [];
  if (duplicate !== undefined) {
    problems.push(
      problem(
        'duplicate-public-ip',
        duplicateSeen(duplicate),
        'two hosts were given one address, or the address moved to another host while we were cut off',
        'ip address; give one of the two hosts another address (--iface, --public-ip) and restart its agent',
      ),
    );
  }
  if (leaseTrouble !== undefined && !isToldOfEtcd(leaseTrouble, connection))
    problems.push(leaseProblem(leaseTrouble, own, options));
  if (exhausted !== undefined && own === undefined) {
    problems.push(
      problem(
        'no-free-subnet',
        `all ${exhausted} subnets of the range are leased`,
        'more hosts than subnets, or leases of hosts that are gone',
        makeRoom(options),
      ),
    );
  } else if (usage !== undefined && isRunningOut(usage.lastCount)) {
    const { free, total } = usage.lastCount;
    const seen = `${free} of ${total} subnets are free`;
    const cause = 'the range is small for so many hosts, or hosts that are gone still have their leases';
    problems.push(problem('subnets-running-out', seen, cause, makeRoom(options)));
  }
  problems.push(...sharedIpProblems(overlay, duplicate?.key, options));
  return problems;
}

/**
 * Whether that etcd is away, or refuses all that we ask, is the whole trouble: then that is told of etcd, and what becomes of the
 * lease is told with it.
 */
function isToldOfEtcd({ error }: LeaseTrouble, connection: Facts['connection']): boolean {
  if (error === undefined || connection?.connected !== false) return false;
  return error.kind === 'unavailable' || error.kind === connection.error?.kind;
}

/** That etcd refuses is the same to an operator, whatever it is that we wanted to do. */
function leaseProblem({ seen, error }: LeaseTrouble, own: Facts['own'], options: AgentOptions): Problem {
  if (error?.kind === 'denied') return etcdProblem('etcd-denied', `our lease: ${seen}`, error, options);
  if (error?.kind === 'tls') return etcdProblem('etcd-tls', `our lease: ${seen}`, error, options);
  if (error?.kind === 'unavailable') {
    const cause = 'etcd tells of changes, and did not answer this call';
    return problem('lease-trouble', `our lease: ${seen}`, cause, `${etcdctl(options.etcd)} endpoint health`);
  }
  const cause = 'etcd refuses, or somebody else changes or deletes our key';
  const key = own?.key ?? `--prefix ${options.etcd.prefix}/subnets/`;
  return problem('lease-trouble', `our lease: ${seen}`, cause, `${etcdctl(options.etcd)} get ${key}`);
}

function makeRoom({ etcd }: AgentOptions): string {
  const release = 'selvedge leases release SUBNET, with the same options, for each host that is gone';
  return `${leasesCommand(etcd)}; then ${release}, or widen SubnetMin to SubnetMax in the config`;
}

/**
 * Of all leases that are set aside, those under our own public IP are trouble of ours.
 * @param told key of the one that is told of already
 */
function sharedIpProblems(
  overlay: Facts['overlay'],
  told: string | undefined,
  { etcd }: AgentOptions,
): Problem[] {
  const shared = [...(overlay?.peers?.setAside ?? [])].filter(
    ([key, { code }]) => code === 'own-public-ip' && key !== told,
  );
  return shared.map(([key]) =>
    problem(
      'public-ip-shared',
      `the lease ${key} has our public IP, and is not ours`,
      'another host has the same public IP, or this host left the lease behind',
      `${etcdctl(etcd)} get ${key}, then give one host another --public-ip, or delete the key`,
    ),
  );
}

/** Said until the agent is restarted; a fault for as long as some bridge has the old subnet. */
function moveProblems({ moved, own, overlay, reconciler }: Facts, at: ToIso): Problem[] {
  if (moved === undefined || own === undefined) return [];
  const holder = overlay?.publicIpAt(moved.from);
  const taker = holder === undefined ? '' : `, which ${holder} holds now`;
  const before = formatPrefix(moved.from);
  const seen = `our subnet is ${formatPrefix(own.subnet)} since ${at(moved.at)}; it was ${before}${taker}`;
  const bridge = [...(reconciler?.view.held.values() ?? [])].find(
    entry => entry.kind === 'address' && containsIp(moved.from, entry.prefix.address),
  );
  const cause = `our lease was lost (${moved.loss}) and the subnet was not to be had again`;
  const next = 'systemctl restart docker (and whatever else has taken addresses from the old one)';
  if (bridge === undefined) return [{ ...problem('subnet-changed', seen, cause, next), severity: 'warning' }];
  return [problem('subnet-changed', `${seen}; ${describe(bridge)} is still of it`, cause, next)];
}

/** Its containers have addresses that nobody leads to this host. What is still of a subnet that we lost is told there. */
function dockerProblems({ own, moved, dockerBridge }: Facts, { dockerEnvFile }: AgentOptions): Problem[] {
  if (own === undefined || dockerBridge === undefined) return [];
  if (samePrefix(maskPrefix(dockerBridge), own.subnet)) return [];
  if (moved !== undefined && containsIp(moved.from, dockerBridge.address)) return [];
  const has = `${DOCKER_BRIDGE} has ${formatPrefix(dockerBridge)}`;
  return [
    problem(
      'docker-subnet',
      `${has}, and the subnet of this host is ${formatPrefix(own.subnet)}`,
      `Docker started before the agent had this subnet, or does not take its options from ${dockerEnvFile}`,
      'selvedge install-units, if Docker has no drop-in of ours; then: systemctl restart docker',
    ),
  ];
}

function kernelProblems({ reconciler, backend }: Facts): Problem[] {
  const view = reconciler?.view;
  if (view === undefined) return [];
  const problems: Problem[] = [];
  if (view.readTrouble !== undefined) {
    const seen = `the kernel's state cannot be read: ${view.readTrouble}`;
    problems.push(
      problem('kernel-unreadable', seen, 'its tables change faster than they can be read', 'ip monitor'),
    );
  }
  if (view.linkTrouble !== undefined) {
    const { device, error, isBlocking } = view.linkTrouble;
    const cause = isBlocking
      ? 'another program uses the device, its name or its port, or the underlay is gone'
      : 'the kernel refuses this alone, for an MTU because the underlay’s is too small; peers are programmed all the same';
    problems.push(
      problem(
        'device-trouble',
        `device ${device}: ${error}`,
        cause,
        `ip -d link show ${backend?.device ?? ''}`.trim(),
      ),
    );
  }
  const refused = [...view.failures.values()].map(({ error }) => error);
  if (refused.length > 0) {
    const seen = `refused by the kernel: ${listed(refused)}`;
    problems.push(
      problem('kernel-refused', seen, 'the next hop is not reachable from this host', 'ip route; ip -d link'),
    );
  }
  const conflicts = [...view.conflicts.values()].map(({ found }) => describe(found));
  if (conflicts.length > 0) {
    const seen = `in the place of ours, and not ours: ${listed(conflicts)}`;
    problems.push(
      problem(
        'route-conflict',
        seen,
        'a static route, another daemon, or a container bridge that still has an earlier subnet of this host',
        'ip route; for a container bridge: systemctl restart docker',
      ),
    );
  }
  return problems;
}

function contestProblems({ reconciler, firewall }: Facts, at: ToIso): Problem[] {
  const contests = [...(reconciler?.view.contests ?? []), ...(firewall?.view.contests ?? [])];
  if (contests.length === 0) return [];
  const each = contests.map(({ what, repairs, since }) => `${what} (${repairs} times since ${at(since)})`);
  return [
    problem(
      'contested-entry',
      `put right again and again: ${listed(each)}`,
      'systemd-networkd with ManageForeignRoutes, NetworkManager, a second agent or a script removes what is not its own',
      'ip monitor all; set ManageForeignRoutes=no in networkd.conf, or leave the device unmanaged',
    ),
  ];
}

function checksumProblems({ checksum, backend }: Facts): Problem[] {
  const state = checksum?.keeper.state;
  if (checksum === undefined || state?.error === undefined) return [];
  const device = backend?.device ?? '';
  const cause =
    state.held === 'unsupported'
      ? 'a kernel before 5.7 lets only ethtool change it; 5.4.41 and 5.6.13 need no change'
      : 'the kernel or its driver does not do it, or another program sets it back';
  return [
    problem(
      'checksum-not-set',
      `device ${device}: ${state.error} (${checksum.choice.reason})`,
      cause,
      state.wanted === undefined
        ? `ethtool -k ${device}`
        : `ethtool -K ${device} ${TX_CHECKSUM_FEATURE} ${state.wanted}`,
    ),
  ];
}

function listed(items: readonly string[]): string {
  const rest = items.length - MOST_LISTED;
  return items.slice(0, MOST_LISTED).join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}

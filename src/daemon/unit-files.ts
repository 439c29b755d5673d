/** The files that belong to the service: where they go, and which of those that are there are ours to replace. Pure. */
import { createHash } from 'node:crypto';

/** Path below systemd/ in the package, and where it goes. */
export const UNIT_FILES: readonly (readonly [source: string, target: string])[] = [
  ['selvedge.service', '/etc/systemd/system/selvedge.service'],
  ['docker.service.d/selvedge.conf', '/etc/systemd/system/docker.service.d/selvedge.conf'],
  ['sysusers.d/selvedge.conf', '/etc/sysusers.d/selvedge.conf'],
  ['tmpfiles.d/selvedge.conf', '/etc/tmpfiles.d/selvedge.conf'],
  ['sysctl.d/selvedge.conf', '/etc/sysctl.d/60-selvedge.conf'],
  ['network/10-selvedge.link', '/etc/systemd/network/10-selvedge.link'],
  ['network/10-selvedge.network', '/etc/systemd/network/10-selvedge.network'],
  ['networkd.conf.d/selvedge.conf', '/etc/systemd/networkd.conf.d/selvedge.conf'],
  ['NetworkManager/selvedge.conf', '/etc/NetworkManager/conf.d/selvedge.conf'],
  ['rt_protos.d/selvedge.conf', '/etc/iproute2/rt_protos.d/selvedge.conf'],
];

/** Where Docker's own command line goes when it does not take our variable; the last of all drop-ins by its name. */
export const DOCKER_OPTIONS_FILE = '/etc/systemd/system/docker.service.d/zz-selvedge-options.conf';

const SEAL = '# Put here by "selvedge install-units", which replaces it while its sha256 is ';

/** The contents with a last line by which a later version knows that nobody has changed them. All formats know `#`. */
export function seal(text: string): string {
  return `${text}${SEAL}${hashOf(text)}\n`;
}

/** Whether a file is as `seal` made it, at whatever version. */
export function isSealed(text: string): boolean {
  const start = text.lastIndexOf(SEAL);
  return start >= 0 && seal(text.slice(0, start)) === text;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * dockerd's command line as systemd would take it.
 * @param texts docker.service, then its drop-ins in the order of their names
 * @returns undefined when there is none
 */
export function findExecStart(texts: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const text of texts) {
    for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
      const value = /^\s*ExecStart\s*=(.*)$/.exec(line)?.[1]?.trim();
      // An empty one takes back those before.
      if (value !== undefined) found = value === '' ? undefined : value;
    }
  }
  return found;
}

/**
 * A drop-in by which dockerd gets its options from the agent's env file.
 * @param execStart its command line as it is
 * @returns undefined when that takes them already
 */
export function formatDockerOptionsFile(execStart: string): string | undefined {
  if (/\$\{?DOCKER_NETWORK_OPTIONS\b/.test(execStart)) return undefined;
  return [
    '# The command line of docker.service with the options of the agent at its end. When an update of Docker changes it,',
    '# run "selvedge install-units" again.',
    '[Service]',
    'ExecStart=',
    `ExecStart=${execStart} $DOCKER_NETWORK_OPTIONS`,
    '',
  ].join('\n');
}

/** Options that the agent gives to Docker, which refuses to start when its configuration file has them too. */
const GIVEN_TWICE = ['bip', 'mtu', 'ip-masq', 'fixed-cidr', 'bridge'];

/** @param json /etc/docker/daemon.json @returns the options in it that would stand against ours */
export function findContradictions(json: string): string[] {
  try {
    const document = JSON.parse(json) as unknown;
    if (typeof document !== 'object' || document === null) return [];
    return GIVEN_TWICE.filter(name => name in document);
  } catch {
    return [];
  }
}

/**
 * Which underlay interface and address to use. Pure; the rules are flannel's (pkg/ipmatch).
 *
 * First any `--iface` (name or address, in order), then any `--iface-regex` (addresses first, then names), then
 * `--iface-can-reach`. With none of them: the interface that has `--public-ip`, else that of the default route.
 */
import type { IpAddress } from '../address/ip.js';
import { notAHostAddress, parseIp } from '../address/ip.js';
import type { HostInterface, HostNetwork, RouteTo } from '../dataplane/host-network.js';
import { OperatorError } from './operator-error.js';
import type { UnderlayOptions } from './options.js';

export interface ChosenInterface {
  readonly name: string;
  readonly mtu: number;
  readonly address: IpAddress;
  readonly publicIp: IpAddress;
  /** For people: which rule chose it. */
  readonly reason: string;
}

/**
 * @param routeTo the way to `--iface-can-reach`, looked up beforehand; undefined when there is none
 * @throws OperatorError that names what was asked for and what there is
 */
export function chooseInterface(
  options: UnderlayOptions,
  host: HostNetwork,
  routeTo: RouteTo | undefined,
): ChosenInterface {
  const found =
    firstOf(options.interfaces, wanted => byNameOrAddress(host, wanted)) ??
    firstOf(options.interfaceRegexes, regex => byPattern(host, regex)) ??
    (options.canReach === undefined ? undefined : byReach(host, options.canReach, routeTo)) ??
    (isAsked(options) ? undefined : byDefault(host, options.publicIp));
  if (found === undefined) throw new OperatorError(whyNone(options, host));

  const { entry, reason } = found;
  const address = found.address ?? entry.addresses[0];
  if (address === undefined) {
    throw new OperatorError(
      `interface ${entry.name} (${reason}) has no IPv4 address: give it one, or name another with --iface`,
    );
  }
  if (entry.mtu === 0)
    throw new OperatorError(`interface ${entry.name} (${reason}) has no MTU: name another with --iface`);
  const publicIp = options.publicIp ?? address;
  // What no peer would accept is not published.
  const notAHost = notAHostAddress(publicIp);
  if (notAHost !== undefined) {
    const what = `the public IP ${publicIp} of ${entry.name} (${reason}) is ${notAHost}`;
    throw new OperatorError(`${what}: other hosts cannot send to it; name another interface with --iface`);
  }
  return { name: entry.name, mtu: entry.mtu, address, publicIp, reason };
}

interface Match {
  readonly entry: HostInterface;
  readonly address?: IpAddress;
  readonly reason: string;
}

function isAsked(options: UnderlayOptions): boolean {
  return (
    options.interfaces.length > 0 || options.interfaceRegexes.length > 0 || options.canReach !== undefined
  );
}

function byNameOrAddress(host: HostNetwork, wanted: string): Match | undefined {
  const address = parseIp(wanted);
  const reason = `--iface ${wanted}`;
  if (address === undefined) {
    const entry = host.interfaces.find(each => each.name === wanted);
    return entry && { entry, reason };
  }
  const entry = host.interfaces.find(each => each.addresses.includes(address));
  return entry && { entry, address, reason };
}

function byPattern(host: HostNetwork, regex: RegExp): Match | undefined {
  const reason = `--iface-regex ${regex.source}`;
  for (const entry of host.interfaces) {
    const address = entry.addresses.find(each => regex.test(each));
    if (address !== undefined) return { entry, address, reason };
  }
  const entry = host.interfaces.find(each => regex.test(each.name));
  return entry && { entry, reason };
}

function byReach(host: HostNetwork, target: IpAddress, route: RouteTo | undefined): Match | undefined {
  const entry = host.interfaces.find(each => each.name === route?.device);
  const reason = `--iface-can-reach ${target}`;
  if (entry === undefined) return undefined;
  return route?.source === undefined ? { entry, reason } : { entry, address: route.source, reason };
}

function byDefault(host: HostNetwork, publicIp: IpAddress | undefined): Match | undefined {
  if (publicIp !== undefined) {
    const entry = host.interfaces.find(each => each.addresses.includes(publicIp));
    if (entry !== undefined) return { entry, address: publicIp, reason: `it has the public IP ${publicIp}` };
  }
  const entry = host.interfaces.find(each => each.name === host.defaultRoute);
  return entry && { entry, reason: 'it has the default route' };
}

function whyNone(options: UnderlayOptions, host: HostNetwork): string {
  const there = host.interfaces
    .filter(entry => entry.name !== 'lo')
    .map(entry => `${entry.name} (${entry.addresses.join(', ') || 'no IPv4 address'})`);
  const asked = [
    ...options.interfaces.map(value => `--iface ${value}`),
    ...options.interfaceRegexes.map(regex => `--iface-regex ${regex.source}`),
    ...(options.canReach === undefined ? [] : [`--iface-can-reach ${options.canReach}`]),
  ];
  const seen =
    asked.length > 0
      ? `no interface matches ${asked.join(', ')}`
      : 'there is no default route to choose an interface by';
  return `${seen}: name one with --iface; there are ${there.join(', ') || 'none'}`;
}

function firstOf<W, T>(wanted: readonly W[], find: (value: W) => T | undefined): T | undefined {
  for (const value of wanted) {
    const found = find(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the demo shows, as lines of text. Pure. */
import type { StatusDocument } from '../daemon/status.js';
import type { PingResult } from '../demo/ping.js';
import { formatColumns } from './columns.js';

/** A host with one container, as far as the demo shows it. */
export interface ShownHost {
  readonly name: string;
  /** Name of its namespace. */
  readonly namespace: string;
  readonly status: StatusDocument;
  readonly container: { readonly namespace: string; readonly address: string; readonly mtu: number };
  readonly socket: string;
  readonly log: string;
}

/** The table of hosts; a backend without an overlay device sends through the underlay's. */
export function formatHosts(hosts: readonly ShownHost[]): string {
  const rows = hosts.map(({ name, container, status: { lease, underlay, dataPlane } }) => [
    name,
    lease?.subnet ?? '-',
    String(container.mtu),
    dataPlane?.device?.name ?? underlay?.device ?? '-',
    underlay?.publicIp ?? '-',
    container.address,
  ]);
  return formatColumns(['HOST', 'SUBNET', 'MTU', 'DEVICE', 'PUBLIC IP', 'CONTAINER'], rows);
}

/** A square of round trips: senders are rows, receivers are columns. */
export function formatPings(
  names: readonly string[],
  pings: readonly (readonly (PingResult | undefined)[])[],
): string {
  const rows = pings.map((row, i) => [names[i]!, ...row.map(formatPing)]);
  return formatColumns(['FROM \\ TO', ...names], rows);
}

function formatPing(result: PingResult | undefined): string {
  if (result === undefined) return '-';
  return result.kind === 'answered' ? result.bestMs.toFixed(3) : 'LOST';
}

/**
 * What to try, with the names of this lab.
 * @param etcdctl the etcdctl command line that works on a host, without a subcommand
 */
export function formatSuggestions(
  [one, other]: readonly [ShownHost, ShownHost, ...ShownHost[]],
  selvedge: readonly string[],
  etcdctl: readonly string[],
  prefix: string,
): string {
  const inOne = `ip netns exec ${one.namespace}`;
  const suggestions = [
    [`a shell on ${one.name}`, `${inOne} bash`],
    ['what its agent says', `${selvedge.join(' ')} status --socket ${one.socket}`],
    ['its routes', `ip -n ${one.namespace} route`],
    ['a ping from its container', `ip netns exec ${one.container.namespace} ping ${other.container.address}`],
    ['what is in etcd', `${inOne} ${etcdctl.join(' ')} get --prefix ${prefix}`],
    ['its log', `tail -f ${one.log}`],
    ['take a route away', `ip -n ${one.namespace} route delete ${other.status.lease?.subnet ?? 'SUBNET'}`],
  ];
  return formatColumns(['TO TRY', 'AS ROOT, IN ANOTHER TERMINAL'], suggestions);
}

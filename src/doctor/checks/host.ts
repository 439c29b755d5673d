/** The host around the overlay: settings of the kernel, other daemons, counters. Pure. */
import { commandOf } from '../../daemon/host-setup/apply.js';
import { judgeHost, type HostReading, type Lack } from '../../daemon/host-setup/judge.js';
import { row } from '../check.js';
import type { HostFacts } from '../facts.js';
import { finding } from '../finding.js';
import { bridgesOf, configOf, known, ownSubnetOf } from '../view.js';

export const hostChecks = [
  row('flanneld', ['flannelds'], ({ flannelds }, { options }) =>
    flannelds
      .filter(({ etcdPrefix }) => etcdPrefix === options.etcd.prefix)
      .map(({ pid, etcdPrefix }) =>
        finding(
          'flanneld-runs',
          `flanneld (pid ${pid}) runs on the network ${etcdPrefix} in this network namespace`,
          'it was not stopped and disabled when the agent took over: both write the same routes and the same lease',
          'systemctl disable --now flanneld',
        ),
      ),
  ),

  row('forwarding', ['settings', 'network'], ({ settings, network }, host) => {
    const { ipForward, dockerForwards } = settings.setup;
    const subnet = ownSubnetOf(host);
    const bridges = subnet && bridgesOf(network.entries, subnet, configOf(host)?.backend.device);
    // A Docker that is yet to start switches it on, and must be the one to do so.
    const isDue = bridges !== undefined && bridges.length > 0;
    if (ipForward !== '0' || dockerForwards !== true || !isDue) return [];
    const cause = 'somebody or a sysctl file has switched it off after Docker had switched it on';
    const next = 'sysctl -w net.ipv4.ip_forward=1; grep -r ip_forward /etc/sysctl.d /etc/sysctl.conf';
    const seen = 'net.ipv4.ip_forward is 0: packets of containers do not leave this host';
    return [
      finding('forwarding-off', seen, cause, next, {
        kind: 'sysctl',
        path: 'net/ipv4/ip_forward',
        value: '1',
      }),
    ];
  }),

  row('forwarding by device', ['settings', 'network'], ({ settings, network }, host) => {
    const subnet = ownSubnetOf(host);
    if (settings.setup.ipForward !== '1' || subnet === undefined) return [];
    const overlay = configOf(host)?.backend.device;
    const devices = [overlay, ...bridgesOf(network.entries, subnet, overlay)];
    return settings.unforwarding
      .filter(name => devices.includes(name))
      .map(name => {
        const path = `net/ipv4/conf/${name}/forwarding`;
        const seen = `net.ipv4.conf.${name}.forwarding is 0, while net.ipv4.ip_forward is 1`;
        const cause = `somebody or a sysctl file has switched it off for ${name} alone: what comes in by it goes no further`;
        const next = `sysctl -w net.ipv4.conf.${name}.forwarding=1; grep -r forwarding /etc/sysctl.d /etc/sysctl.conf`;
        const isOurs = name === overlay;
        return finding(
          'forwarding-off',
          seen,
          cause,
          next,
          isOurs ? { kind: 'sysctl', path, value: '1' } : undefined,
        );
      });
  }),

  row('what the host needs besides the agent', ['settings'], ({ settings }, host) =>
    lacksOf(settings.setup, host).map(({ code, seen, why, remedy }) => {
      const isOurs = remedy.kind !== 'by-hand';
      const next = isOurs ? `selvedge host-setup (or: ${commandOf(remedy)})` : commandOf(remedy);
      return finding(code, seen, why, next, isOurs ? remedy : undefined);
    }),
  ),

  row('packets that a bridge hands to iptables', ['settings', 'firewall'], ({ settings, firewall }, host) => {
    const bridges = known(host, 'network')?.links.filter(({ kind }) => kind === 'bridge') ?? [];
    if (settings.bridgeNetfilter !== '1' || bridges.length === 0) return [];
    const closed = firewall.iptables.filter(({ filter }) => {
      const rules = filter?.rules.get('FORWARD') ?? [];
      // Docker lets through what stays on its bridges.
      const isLetThrough = rules.some(rule => /-j (ACCEPT|DOCKER\S*)$/.test(rule));
      return filter?.policies.get('FORWARD') === 'DROP' && !isLetThrough;
    });
    return closed.map(({ variant }) =>
      finding(
        'bridge-netfilter',
        `FORWARD of iptables-${variant} drops, and net.bridge.bridge-nf-call-iptables hands it what stays on a bridge`,
        'containers of this host may not reach each other: no rule lets through what stays on their bridge',
        `iptables-${variant} -S FORWARD; sysctl net.bridge.bridge-nf-call-iptables`,
      ),
    );
  }),

  row('checksum faults', ['checksums'], ({ checksums }, host) => {
    const { before, after, seconds } = checksums;
    if (after <= before) return [];
    const device = configOf(host)?.backend.device;
    const seen = `UdpInCsumErrors rose by ${after - before} within ${seconds} s, to ${after}`;
    const cause =
      'a host that sends to this one spoils the checksum of its tunnel packets: its kernel or card, where a firewall changes their source';
    const next = `there: --vxlan-tx-checksum=off, or ethtool -K ${device ?? 'flannel.1'} tx-checksum-ip-generic off; here: nstat -az UdpInCsumErrors`;
    return [finding('checksum-faults', seen, cause, next)];
  }),
];

/** What hides from an agent that is not root. */
function lacksOf(setup: HostReading, host: HostFacts): Lack[] {
  const agent = known(host, 'agent');
  const isRoot = agent?.kind === 'answers' && agent.uid === 0;
  return judgeHost(setup).filter(({ code }) => code !== 'legacy-tables-hidden' || !isRoot);
}

/** On which side the tunnel is blocked, by what this host sends and gets. Pure. */
import { row } from '../check.js';
import type { DeviceCounters } from '../facts.js';
import { finding } from '../finding.js';
import { configOf, statusOf } from '../view.js';

export const tunnelChecks = [
  row('which way the tunnel is blocked', ['tunnel'], ({ tunnel }, host) => {
    if (tunnel === undefined) return [];
    const { device, before, after, seconds } = tunnel;
    const passed: DeviceCounters = {
      received: after.received - before.received,
      sent: after.sent - before.sent,
      unsent: after.unsent - before.unsent,
    };
    const answering = statusOf(host)?.probes?.peers['overlay-blocked'] ?? 0;
    const seen = `within ${seconds} s ${device} sent ${passed.sent} packets, could not send ${passed.unsent} and received ${passed.received}, while ${answering} hosts answer on the underlay`;
    const port = configOf(host)?.backend.port ?? 8472;
    const next = `nft list ruleset; iptables -S; tcpdump -ni any udp port ${port}, here and on another host`;
    return [finding('tunnel-one-way', seen, causeOf(passed, port), next)];
  }),
];

function causeOf({ received, sent, unsent }: DeviceCounters, port: number): string {
  if (unsent > 0 && sent === 0)
    return `this host itself drops what it sends to UDP ${port}: a firewall on the way out, or no route`;
  if (received === 0)
    return `what comes in by UDP ${port} is dropped by the firewall of this host, or on the way to it`;
  return `what the others send by UDP ${port} comes in; what this host sends is dropped on the way out, or by the others`;
}

/** The overlay's device as it is, against config, lease and underlay. Pure. */
import { VXLAN_IPV4_OVERHEAD } from '../../backends/vxlan.js';
import type { HeldLink } from '../../dataplane/kernel.js';
import { row, type Outcome } from '../check.js';
import type { HostFacts } from '../facts.js';
import { finding } from '../finding.js';
import { configOf, ownLeaseIn, statusOf, underlayOf } from '../view.js';

export const deviceChecks = [
  row('VXLAN in this kernel', ['hasVxlan'], ({ hasVxlan }, host) => {
    const config = configOf(host);
    if (hasVxlan || config?.backend.type === 'host-gw') return [];
    return [
      finding(
        'kernel-lacks-vxlan',
        'this kernel makes no VXLAN devices',
        'it was built without CONFIG_VXLAN, or the module is not installed',
        'modprobe vxlan; or choose the backend host-gw, where all hosts are on one link',
      ),
    ];
  }),

  row('the overlay device', ['network'], ({ network }, host) => {
    const device = expectedDevice(host);
    if (device === undefined) return [];
    const next = `ip -d link show ${device}; systemctl restart selvedge`;
    const link = network.links.find(({ name }) => name === device);
    const cause = 'somebody removed or changed it, and no agent puts it right';
    if (link === undefined) return [finding('overlay-device', `${device} does not exist`, cause, next)];
    // Another program's: that is told of what keeps an agent from starting.
    if (link.kind !== 'vxlan') return [];
    if (!link.up) return [finding('overlay-device', `${device} is down`, cause, next)];
    return [...judgeLocal(link, host), ...judgeMac(link, host), ...judgeMtu(link, host)];
  }),
];

/** Once the host has a lease, and so a data plane. */
function expectedDevice(host: HostFacts): string | undefined {
  const status = statusOf(host);
  if (status === undefined ? ownLeaseIn(host) === undefined : status.dataPlane === null) return undefined;
  return status?.dataPlane?.device?.name ?? configOf(host)?.backend.device;
}

function judgeLocal({ name, vxlan }: HeldLink, host: HostFacts): Outcome {
  const underlay = underlayOf(host);
  const local = vxlan?.local;
  if (underlay === undefined || local === undefined || local === underlay.address) return [];
  return [
    finding(
      'overlay-device',
      `${name} sends from ${local}, and the underlay ${underlay.device} has ${underlay.address}`,
      'the address of the host has changed, or another program made the device',
      'systemctl restart selvedge',
    ),
  ];
}

function judgeMac({ name, mac }: HeldLink, host: HostFacts): Outcome {
  const lease = ownLeaseIn(host);
  const published = lease && configOf(host)?.backend.publishedMac(lease);
  if (published === undefined || mac === undefined || published === mac) return [];
  return [
    finding(
      'lease-mac',
      `${name} has the MAC ${mac}, and the lease ${lease!.key} says ${published}`,
      'somebody changed the MAC or made the device anew: other hosts send to a MAC that nobody has',
      'systemctl restart selvedge',
    ),
  ];
}

/** A packet that does not fit is fragmented on the way, or lost where fragments are. */
function judgeMtu({ name, mtu }: HeldLink, host: HostFacts): Outcome {
  const underlay = underlayOf(host);
  if (underlay?.mtu === undefined || mtu + VXLAN_IPV4_OVERHEAD <= underlay.mtu) return [];
  const fits = underlay.mtu - VXLAN_IPV4_OVERHEAD;
  return [
    finding(
      'mtu-too-large',
      `${name} has MTU ${mtu}, and the underlay ${underlay.device} with ${underlay.mtu} carries ${fits}`,
      'the MTU of the underlay was lowered after the agent had started, or the device was made by hand: large packets are lost or slow',
      `ip link show ${underlay.device}; then: systemctl restart selvedge, and docker`,
    ),
  ];
}

/** Who made a route or a nexthop object, by the names that `ip route` has for it. Pure. */

/** RTPROT_… of linux/rtnetlink.h, as iproute2's rt_protos names them. */
const NAMES: Readonly<Record<number, string>> = {
  ...{ 1: 'redirect', 2: 'kernel', 3: 'boot', 4: 'static', 8: 'gated', 9: 'ra', 11: 'zebra', 12: 'bird' },
  ...{ 16: 'dhcp', 18: 'keepalived', 42: 'babel', 186: 'bgp', 187: 'isis', 188: 'ospf' },
  ...{ 189: 'rip', 192: 'eigrp' },
};

/** @returns the name, or the number where there is none */
export function formatProtocol(protocol: number): string {
  return NAMES[protocol] ?? String(protocol);
}

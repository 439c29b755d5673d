/** What packets of a route or nexthop object are wrapped in, for messages. Pure. */

/** LWTUNNEL_ENCAP_* by iproute2's names (linux/lwtunnel.h). */
const ENCAP_NAMES = new Map([
  [1, 'mpls'],
  [2, 'ip'],
  [3, 'ila'],
  [4, 'ip6'],
  [5, 'seg6'],
  [6, 'bpf'],
  [7, 'seg6local'],
  [8, 'rpl'],
  [9, 'ioam6'],
  [10, 'xfrm'],
]);

/** @param type LWTUNNEL_ENCAP_* */
export function formatEncap(type: number): string {
  return `encap ${ENCAP_NAMES.get(type) ?? type}`;
}

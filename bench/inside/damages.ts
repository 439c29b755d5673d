/** What can be done to the kernel state of an agent. Pure. */

/** To what leads over the overlay device, and to that device. */
export const OVERLAY_DAMAGES = [
  'route deleted',
  'nexthop deleted',
  'neighbour deleted',
  'FDB entry deleted',
  'route altered',
  'nexthop altered',
  'FDB entry altered',
  'address deleted',
  'device deleted',
  'device down and up',
  'MAC rewritten',
  'MTU changed',
  'MAC written again',
  'all routes deleted',
  'all neighbours deleted',
] as const;

/** To what leads over the underlay. */
export const UNDERLAY_DAMAGES = ['underlay down and up'] as const;

export type Damage = (typeof OVERLAY_DAMAGES)[number] | (typeof UNDERLAY_DAMAGES)[number];

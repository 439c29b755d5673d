/** What can be done to the kernel state of an agent. Pure. */

export const DAMAGES = [
  'route deleted',
  'nexthop deleted',
  'neighbour deleted',
  'FDB entry deleted',
  'address deleted',
  'device deleted',
  'device down and up',
  'MAC rewritten',
  'MTU changed',
] as const;

export type Damage = (typeof DAMAGES)[number];

/** A reconciler on a fake kernel with peers that are programmed, and what its tests ask and do. */
import type { Test } from 'tap';
import type { Entry } from '../../src/dataplane/model.js';
import * as nl from '../../src/dataplane/netlink/constants.js';
import type { Link } from '../../src/dataplane/netlink/link.js';
import { encodeRoute, type RouteRequest } from '../../src/dataplane/netlink/route.js';
import type { Reconciler } from '../../src/dataplane/reconciler.js';
import { DEVICE, OWN_ADDRESS, peerEntries, programmed, vxlanLink } from './dataplane.js';
import { startReconciling, type Reconciling } from './reconciling.js';

const WARN = 40;
export const CREATE = nl.NLM_F_CREATE | nl.NLM_F_EXCL;
export const REPLACE = nl.NLM_F_CREATE | nl.NLM_F_REPLACE;

/** A host with peers 2, 3 and 4, all programmed. @param random as in `startReconciling` */
export async function startWithPeers(t: Test, random?: number): Promise<Reconciling> {
  const lab = startReconciling(t, undefined, undefined, random);
  lab.reconciler.setHost([vxlanLink()], [OWN_ADDRESS]);
  setPeers(lab.reconciler, 2, 3, 4);
  lab.reconciler.setPeersComplete();
  lab.reconciler.allowPruning();
  await lab.settled();
  return lab;
}

/** Hands over all of these at once. */
export function setPeers(reconciler: Reconciler, ...peers: number[]): void {
  const numbered = peers.map(n => ({ key: `${n}`, n }));
  reconciler.setPeers(numbered, ({ n }) => peerEntries(n));
}

/** What the kernel should hold with these peers. */
export const allOf = (...peers: number[]): Entry[] =>
  programmed([OWN_ADDRESS, ...peers.flatMap(n => peerEntries(n))]);

export function deviceOf({ fake }: Reconciling): Link {
  const link = fake.state.links.find(({ name }) => name === DEVICE);
  if (link === undefined) throw new Error(`no ${DEVICE}`);
  return link;
}

/** What an action makes the reconciler send. */
export async function sentBy(
  lab: Reconciling,
  action: () => void,
): Promise<{ requests: number; dumps: number; changes: number }> {
  const before = lab.stats();
  action();
  await lab.settled();
  const after = lab.stats();
  return {
    requests: after.requests - before.requests,
    dumps: after.dumps - before.dumps,
    changes: after.changes - before.changes,
  };
}

export const warnings = ({ log }: Reconciling): string[] =>
  log.filter(({ level }) => level >= WARN).map(({ msg }) => msg);

/** Another process puts a route there. */
export function putRoute({ fake }: Reconciling, route: RouteRequest): void {
  const errno = fake.act(nl.RTM_NEWROUTE, REPLACE, writer => encodeRoute(writer, route));
  if (errno !== 0) throw new Error(`the fake kernel refuses it: ${errno}`);
}

/** What the lease manager tells, as the facts show it. */
import { samePrefix } from '../address/prefix.js';
import type { HeldLease, Loss, ManagerEvents, OwnLease } from '../subnet/manager.js';
import type { Facts, LeaseTrouble } from './facts.js';
import type { Clock } from './tasks.js';

/** What is more than facts: each is called with the facts up to date. */
export interface LeaseActions {
  onOwn(own: OwnLease): void;
  onLost(loss: Loss): void;
  /** Another host that lives has our public IP. */
  onDuplicate(lease: HeldLease): void;
}

/** Keeps the facts about the host's own lease. */
export function leaseEvents(facts: Facts, clock: Clock, actions: LeaseActions): ManagerEvents {
  /** Outlasts a renewal, which says nothing of what the key says. */
  let contest: LeaseTrouble | undefined;
  return {
    onOwn: own => {
      const { lostSubnet, ownLost } = facts;
      if (lostSubnet !== undefined && ownLost !== undefined && !samePrefix(lostSubnet, own.subnet))
        facts.moved = { from: lostSubnet, loss: ownLost, at: clock.now() };
      facts.counts.lease.add('acquired');
      facts.own = own;
      facts.exhausted = undefined;
      facts.ownLost = undefined;
      facts.lostSubnet = undefined;
      facts.leaseTrouble = undefined;
      facts.duplicate = undefined;
      actions.onOwn(own);
    },
    onMoved: own => (facts.own = own),
    onRenewed: secondsLeft => {
      facts.counts.lease.add('renewed');
      // A reservation is there without anybody's doing.
      facts.renewedAt = secondsLeft === undefined ? undefined : clock.now();
      facts.expiresAt = secondsLeft === undefined ? undefined : clock.now() + secondsLeft * 1000;
      facts.leaseTrouble = contest;
    },
    onAcquisitionFailed: error => (facts.leaseTrouble = { seen: `none yet: ${error.message}`, error }),
    onRenewalFailed: error => {
      facts.counts.lease.add('not-renewed');
      const since = clock.now() - (facts.renewedAt ?? facts.startedAt);
      facts.leaseTrouble = { seen: `not renewed since ${wallTime(since)}: ${error.message}`, error };
    },
    onContested: rewrites => {
      facts.counts.lease.add('contested');
      // Once is a mistake of somebody's, and put right.
      contest =
        rewrites < 2
          ? undefined
          : {
              seen: `contested: changed by somebody else ${rewrites} times; does another host have our public IP?`,
            };
      facts.leaseTrouble = contest;
    },
    onLost: loss => {
      facts.counts.losses.add(loss);
      facts.renewedAt = undefined;
      facts.expiresAt = undefined;
      facts.ownLost = loss;
      facts.lostSubnet = facts.own?.subnet;
      facts.leaseTrouble = { seen: `lost (${loss}): acquiring again` };
      actions.onLost(loss);
    },
    onAwaiting: awaiting => (facts.awaiting = awaiting),
    onDuplicate: lease => {
      facts.duplicate = lease;
      // Nothing is acquired, whatever was said before.
      facts.leaseTrouble = undefined;
      actions.onDuplicate(lease);
    },
    onExhausted: total => {
      facts.exhausted = total;
      facts.leaseTrouble = undefined;
      facts.own = undefined;
      facts.duplicate = undefined;
    },
  };
}

/** A moment as people know it. @param ago milliseconds */
function wallTime(ago: number): string {
  return new Date(Date.now() - ago).toISOString();
}

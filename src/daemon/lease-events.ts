/** What the lease manager tells, as the facts show it. */
import type { ManagerEvents, OwnLease } from '../subnet/manager.js';
import type { Facts, LeaseTrouble } from './facts.js';
import type { Clock } from './tasks.js';

/**
 * Keeps the facts about the host's own lease.
 * @param onOwn called when a lease is ours, with the facts up to date
 */
export function leaseEvents(facts: Facts, clock: Clock, onOwn: (own: OwnLease) => void): ManagerEvents {
  /** Outlasts a renewal, which says nothing of what the key says. */
  let contest: LeaseTrouble | undefined;
  return {
    onOwn: own => {
      facts.own = own;
      facts.exhausted = undefined;
      facts.ownLost = undefined;
      facts.leaseTrouble = undefined;
      onOwn(own);
    },
    onMoved: own => (facts.own = own),
    onRenewed: secondsLeft => {
      // A reservation is there without anybody's doing.
      facts.renewedAt = secondsLeft === undefined ? undefined : clock.now();
      facts.expiresAt = secondsLeft === undefined ? undefined : clock.now() + secondsLeft * 1000;
      facts.leaseTrouble = contest;
    },
    onAcquisitionFailed: error => (facts.leaseTrouble = { seen: `none yet: ${error.message}`, error }),
    onRenewalFailed: error => {
      const since = clock.now() - (facts.renewedAt ?? facts.startedAt);
      facts.leaseTrouble = { seen: `not renewed since ${wallTime(since)}: ${error.message}`, error };
    },
    onContested: rewrites => {
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
      facts.renewedAt = undefined;
      facts.expiresAt = undefined;
      facts.ownLost = loss;
      facts.leaseTrouble = { seen: `lost (${loss}): acquiring again` };
    },
    onExhausted: total => {
      facts.exhausted = total;
      facts.leaseTrouble = undefined;
      facts.own = undefined;
    },
  };
}

/** A moment as people know it. @param ago milliseconds */
function wallTime(ago: number): string {
  return new Date(Date.now() - ago).toISOString();
}

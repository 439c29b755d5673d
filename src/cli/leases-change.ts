/** `selvedge leases reserve` and `release`: one change by compare, and one line that says what became of it. */
import { pino } from 'pino';
import type { IpAddress } from '../address/ip.js';
import { formatPrefix, type Prefix } from '../address/prefix.js';
import { formatDuration } from '../daemon/duration.js';
import { readLeaseTime } from '../subnet/lease-times.js';
import { formatReservation, isReservation, NO_LEASE } from '../subnet/reservation.js';
import { findSubnet, holderOf, planRelease, planReserve, type Refusal } from '../subnet/reservation-plan.js';
import { revokeIfPossible } from '../subnet/revoke.js';
import type { KeyValue, Store, WriteResult } from '../subnet/store.js';
import { EXIT } from './exit-codes.js';
import { readNetwork } from './leases-network.js';

/** What to tell, and the exit code. */
export interface Answer {
  readonly code: number;
  readonly line: string;
}

/** What flanneld grants: a day to come back. An agent that wants another time takes that with its next renewal. */
const TTL_SECONDS = 24 * 3600;

/**
 * Reserves a subnet for the host with this public IP.
 * @param prefix `/net`
 * @throws StoreError
 */
export async function reserve(
  store: Store,
  prefix: string,
  wanted: { readonly subnet: Prefix; readonly publicIp: IpAddress },
): Promise<Answer> {
  const network = await readNetwork(store, prefix);
  const { config, configKey } = network;
  if (config === undefined)
    return trouble(`there is no config at ${configKey}: without it no subnet is known to be one`);
  if (!config.ok) return trouble(`the config at ${configKey} cannot be used: ${config.faults.join('; ')}`);
  const plan = planReserve(network, config.config.range, wanted);
  const subnet = formatPrefix(wanted.subnet);
  switch (plan.kind) {
    case 'refuse':
      return refused(plan);
    case 'create': {
      const value = formatReservation(wanted.publicIp);
      const written = await store.createIfAbsent(plan.key, value, NO_LEASE);
      return answer(
        written,
        subnet,
        `${subnet} is reserved for ${wanted.publicIp}, which gets it when its agent starts`,
      );
    }
    case 'keep': {
      const { key, value, modRevision } = plan.entry;
      const written = await store.replaceIfUnchanged(key, value, NO_LEASE, modRevision);
      return answer(
        written,
        subnet,
        `${subnet} of ${holderOf(plan.lease)} is a reservation now: it never expires`,
      );
    }
  }
}

/**
 * Gives a subnet back.
 * @param prefix `/net`
 * @param force also what a host may still use
 * @throws StoreError
 */
export async function release(store: Store, prefix: string, subnet: Prefix, force: boolean): Promise<Answer> {
  const network = await readNetwork(store, prefix);
  const found = findSubnet(network, subnet).find(({ entry }) => !isReservation(entry));
  const time = found && (await readLeaseTime(store, found.entry.leaseId));
  const plan = planRelease(network, subnet, time, force);
  const text = formatPrefix(subnet);
  switch (plan.kind) {
    case 'refuse':
      return refused(plan);
    case 'delete': {
      const { entry, lease } = plan;
      const written = await store.deleteIfUnchanged(entry.key, entry.modRevision);
      const was =
        lease === undefined
          ? ''
          : `${isReservation(entry) ? ', reserved for' : ', leased by'} ${holderOf(lease)},`;
      return answer(written, text, `${text}${was} is released: any host may take it`);
    }
    case 'let-expire': {
      const written = await hangOnNewLease(store, plan.entry);
      const until = `ends in ${formatDuration(TTL_SECONDS * 1000)} unless its host keeps it alive`;
      return answer(
        written,
        text,
        `${text} of ${holderOf(plan.lease)} is an ordinary lease again: it ${until}`,
      );
    }
  }
}

async function hangOnNewLease(store: Store, { key, value, modRevision }: KeyValue): Promise<WriteResult> {
  const { id } = await store.grantLease(TTL_SECONDS);
  const written = await store.replaceIfUnchanged(key, value, id, modRevision);
  if (!written.done) await revokeIfPossible({ store, log: pino({ level: 'silent' }) }, id);
  return written;
}

function answer(written: WriteResult, subnet: string, line: string): Answer {
  if (written.done) return { code: EXIT.healthy, line };
  return {
    code: EXIT.degraded,
    line: `${subnet} was changed by somebody else at this very moment: nothing was done; look again and repeat it`,
  };
}

function refused({ because, reason }: Refusal): Answer {
  return because === 'mistake' ? trouble(reason) : { code: EXIT.degraded, line: reason };
}

function trouble(line: string): Answer {
  return { code: EXIT.trouble, line };
}

/** The lease manager of an agent: it reads the mirror, spares the subnets of kept peers, and keeps the facts. */
import type { Logger } from 'pino';
import { LeaseManager, type ManagerOptions } from '../subnet/manager.js';
import type { Mirror } from '../subnet/mirror.js';
import type { Facts } from './facts.js';
import { keyPrefixOf } from './feed.js';
import { leaseEvents, type LeaseActions } from './lease-events.js';
import type { AgentOptions } from './options.js';
import type { Overlay } from './overlay.js';
import type { Clock } from './tasks.js';

export interface LeaseManagerParts {
  readonly options: AgentOptions;
  readonly log: Logger;
  readonly facts: Facts;
  readonly store: ManagerOptions['store'];
  readonly mirror: Mirror;
  readonly overlay: Overlay;
  /** Time and chance. */
  readonly surroundings: Clock & Pick<ManagerOptions, 'wallNow' | 'random' | 'randomBelow'>;
}

/** Creates the manager and makes it known to the facts; it does nothing before it is run. */
export function createLeaseManager(parts: LeaseManagerParts, actions: LeaseActions): LeaseManager {
  const { options, log, facts, store, mirror, overlay, surroundings } = parts;
  const manager = new LeaseManager(
    {
      ...surroundings,
      store,
      keyPrefix: keyPrefixOf(options),
      ttlSeconds: options.leaseTtlSeconds,
      entries: () => mirror.entries,
      keptKeys: () => overlay.peers?.kept ?? [],
      log,
    },
    leaseEvents(facts, surroundings, actions),
  );
  facts.manager = manager;
  return manager;
}

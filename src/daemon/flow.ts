/** The main flow: mirror the store, wait for a config, join the network. What surrounds it is its caller's business. */
import type { Logger } from 'pino';
import { formatPrefix } from '../address/prefix.js';
import { Mirror, type Position } from '../subnet/mirror.js';
import type { KeyValue, Store } from '../subnet/store.js';
import { ConfigFollower } from './config-follower.js';
import type { Facts } from './facts.js';
import { configKeyOf, StoreFeed } from './feed.js';
import { recallHistory } from './history.js';
import type { Host } from './host.js';
import type { ChosenInterface } from './interface.js';
import { joinNetwork } from './join.js';
import { recallState } from './memory.js';
import type { AgentOptions } from './options.js';
import { savedConfig } from './saved-state.js';
import { aborted, runTogether, steadyClock } from './tasks.js';

export interface FlowParts {
  readonly options: AgentOptions;
  readonly log: Logger;
  readonly facts: Facts;
  readonly store: Store;
  readonly host: Host;
  readonly underlay: ChosenInterface;
}

export interface Flow {
  /** What the store holds under the prefix, as far as is known. */
  readonly entries: ReadonlyMap<string, KeyValue>;
  /** How far that is; undefined before the first list. */
  position(): Position | undefined;
  /**
   * Runs until `signal` aborts, or the host leaves its network by itself.
   * @throws OperatorError for what only the operator can mend
   */
  run(signal: AbortSignal): Promise<void>;
}

/** Recalls what this host had before, and makes ready: from here on `facts` can be shown. */
export async function prepareFlow({ options, log, facts, store, host, underlay }: FlowParts): Promise<Flow> {
  facts.underlay = underlay;
  facts.saved = await recallState(options, log);
  facts.history = await recallHistory(options, log);
  if (facts.saved.subnet !== undefined) {
    const subnet = formatPrefix(facts.saved.subnet);
    log.info({ subnet }, `this host had ${subnet} before and asks for it again when etcd answers`);
  }
  const config = new ConfigFollower(configKeyOf(options), log, savedConfig(facts.saved, options.etcd.prefix));
  facts.config = config;
  const feed = new StoreFeed(facts, options, log, steadyClock);
  const timing = { random: Math.random, ...steadyClock };
  const mirror = new Mirror(store, `${options.etcd.prefix}/`, feed, { log, ...timing });
  const leaving = new AbortController();
  return {
    entries: mirror.entries,
    position: () => mirror.position,
    run: signal =>
      runTogether(AbortSignal.any([signal, leaving.signal]), [
        stop => mirror.run(stop),
        stop => feed.run(stop),
        async stop => {
          const running = await Promise.race([config.firstRunnable(), aborted(stop)]);
          if (running === undefined) return;
          const context = { options, log, facts, store, mirror, host, leave: () => leaving.abort() };
          await joinNetwork(context, running, underlay, stop);
        },
      ]),
  };
}

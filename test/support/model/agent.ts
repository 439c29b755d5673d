/**
 * An agent without its kernel: mirror, feed, doubt, lease manager and overlay, put together as `run.ts` and `join.ts`
 * put them together.
 */
import type { IpAddress } from '../../../src/address/ip.js';
import type { MacAddress } from '../../../src/address/mac.js';
import { ConfigFollower } from '../../../src/daemon/config-follower.js';
import { emptyFacts, type Facts } from '../../../src/daemon/facts.js';
import { configKeyOf, StoreFeed } from '../../../src/daemon/feed.js';
import { createLeaseManager } from '../../../src/daemon/lease-manager.js';
import { resolveAgentOptions, type AgentOptions } from '../../../src/daemon/options.js';
import { Overlay } from '../../../src/daemon/overlay.js';
import { savedConfig, type SavedState } from '../../../src/daemon/saved-state.js';
import { chooseMac } from '../../../src/daemon/start-up.js';
import { aborted } from '../../../src/daemon/tasks.js';
import { findOwnLease, type LeaseWish } from '../../../src/subnet/manager.js';
import { Mirror } from '../../../src/subnet/mirror.js';
import type { Store } from '../../../src/subnet/store.js';
import { recordedLog, type LogLine } from '../recorded-log.js';
import type { Link, World } from './world.js';

export const CONFIG_KEY = '/net/config';
export const KEY_PREFIX = '/net/subnets/';

export interface Agent {
  readonly facts: Facts;
  readonly lines: readonly LogLine[];
  /** What is on its disk by now. */
  readonly saved: SavedState;
  readonly link: Link;
  /** What it threw: a bug. */
  readonly bug: unknown;
  /** As SIGKILL does: nothing is given back. */
  kill(): void;
}

/** A machine as an agent finds it. */
export interface Machine {
  readonly publicIp: IpAddress;
  readonly node: LeaseWish['node'];
  /** MAC of the overlay device, where there is one. */
  readonly deviceMac: MacAddress | undefined;
  /** What a MAC that is drawn will be. */
  readonly drawnMac: MacAddress;
  /** The state of an earlier run. */
  readonly saved: SavedState;
  /** In [0, 1). */
  readonly random: () => number;
  /** The store with all that is asked of it noted. */
  readonly recorded: (store: Store) => Store;
}

export async function startAgent(
  world: World,
  { publicIp, node, deviceMac, drawnMac, saved, random, recorded }: Machine,
): Promise<Agent> {
  const { clock } = world;
  const options = agentOptions(world);
  const { log, lines } = recordedLog();
  const link = await world.connect();
  const store = recorded(link.store);
  const facts = emptyFacts(clock.now());
  const config = new ConfigFollower(configKeyOf(options), log, savedConfig(saved, options.etcd.prefix));
  facts.config = config;
  const feed = new StoreFeed(facts, options, log, clock);
  const mirror = new Mirror(store, '/net/', feed, { log, random, ...clock });
  const stopping = new AbortController();
  const { signal } = stopping;
  const agent: { -readonly [K in keyof Agent]: Agent[K] } = {
    facts,
    lines,
    saved,
    link,
    bug: undefined,
    kill,
  };

  function kill(): void {
    stopping.abort();
    link.close();
  }

  async function join(): Promise<void> {
    const running = await Promise.race([config.firstRunnable(), aborted(signal)]);
    if (running === undefined) return;
    const { backend, range } = running;
    const own = { publicIp, node, range, preferredKey: saved.leaseKey };
    const ownLease = findOwnLease(mirror.entries.values(), KEY_PREFIX, own);
    const mac = deviceMac ?? chooseMac(backend, [], ownLease, saved.mac ?? drawnMac)!;
    const underlay = { device: 'up0', address: publicIp, publicIp, mtu: 1500, routes: [] };
    const overlay = new Overlay({ backend, network: range.network, keyPrefix: KEY_PREFIX, log });
    facts.overlay = overlay;
    const surroundings = {
      ...clock,
      wallNow: () => clock.now(),
      random,
      randomBelow: (below: bigint) => BigInt(Math.floor(random() * Number(below))),
    };
    const manager = createLeaseManager(
      { options, log, facts, store, mirror, overlay, surroundings },
      {
        onOwn: lease => {
          const self = { subnets: { ipv4: lease.subnet }, underlay, mac };
          overlay.setOwn(lease, self, mirror.entries, facts.doubt?.state !== undefined);
          const { subnet, key: leaseKey } = lease;
          agent.saved = { subnet, leaseKey, mac, config: running.text, prefix: options.etcd.prefix };
        },
        onLost: () => undefined,
        onDuplicate: () => undefined,
      },
    );
    const preferred = saved.subnet === undefined ? [] : [{ subnet: saved.subnet, origin: 'state' as const }];
    const attributes = { publicIp, ...backend.leaseData(mac) };
    await manager.run({ ...own, preferred, attributes }, signal);
  }

  Promise.all([mirror.run(signal), feed.run(signal), join()]).catch((error: unknown) => (agent.bug = error));
  return agent;
}

function agentOptions({ ttlSeconds, graceSeconds }: World): AgentOptions {
  const resolved = resolveAgentOptions({}, [], {});
  if (!resolved.ok) throw new Error(resolved.faults.join());
  return { ...resolved.options, leaseTtlSeconds: ttlSeconds, doubtGraceSeconds: graceSeconds };
}

/** Gathers all facts of this host at once, each in its time. Effects; nothing is changed. */
import { findFlannelds } from '../daemon/host-checks.js';
import { messageOf } from '../daemon/operator-error.js';
import type { AgentOptions } from '../daemon/options.js';
import type { Fact, HostFacts } from './facts.js';
import { readAgent, type AskAgent } from './read/agent.js';
import { readChecksums, readTunnel, type Sleep } from './read/counters.js';
import { readEtcd, readEtcdServers } from './read/etcd.js';
import { readFiles, readFirewall, readSettings, readState } from './read/host.js';
import { readHasVxlan, readNetwork } from './read/kernel.js';
import { readWays } from './read/ways.js';

/** Longer than any of them takes on a host in trouble: an etcd that hangs is given up after two calls and a look at it. */
const LONGEST_MS = 15_000;

/** What is given from outside. */
export interface Means {
  readonly ask: AskAgent;
  readonly sleep: Sleep;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** It never rejects: what cannot be had is a fact too. */
export async function gatherFacts(options: AgentOptions, { ask, sleep, now }: Means): Promise<HostFacts> {
  const fact = <T>(read: Promise<T>) => factOf(read, LONGEST_MS);
  const asked = readAgent(options, ask);
  const [
    agent,
    etcd,
    etcdServers,
    network,
    firewall,
    settings,
    files,
    state,
    checksums,
    tunnel,
    ways,
    flannelds,
    hasVxlan,
  ] = await Promise.all([
    fact(asked),
    fact(readEtcd(options.etcd)),
    fact(readEtcdServers(options.etcd, now)),
    fact(readNetwork(options)),
    fact(readFirewall(options)),
    fact(readSettings(options)),
    fact(readFiles(options)),
    fact(readState(options)),
    fact(readChecksums(sleep)),
    fact(asked.then(agent => readTunnel(agent, sleep))),
    fact(asked.then(readWays)),
    fact(findFlannelds()),
    fact(readHasVxlan()),
  ]);
  return {
    options,
    facts: {
      ...{ agent, etcd, etcdServers, network, firewall, settings },
      ...{ files, state, checksums, tunnel, ways, flannelds, hasVxlan },
    },
  };
}

/** @param limitMs after which it counts as not to be had */
export async function factOf<T>(read: Promise<T>, limitMs: number): Promise<Fact<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Fact<T>>(resolve => {
    timer = setTimeout(() => resolve({ ok: false, why: `no answer within ${limitMs / 1000} s` }), limitMs);
  });
  try {
    return await Promise.race([read.then((value): Fact<T> => ({ ok: true, value })), late]);
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What an agent would do on this host, now: the very flow of the agent, on a host and a store that only take notes. An
 * agent may run meanwhile.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { NetlinkSocket } from '../../dataplane/netlink/socket.js';
import { emptyFacts, isHostProgrammed, type Facts } from '../facts.js';
import { prepareFlow } from '../flow.js';
import { requireNoFlanneld } from '../host-checks.js';
import { openStore } from '../open-store.js';
import type { AgentOptions } from '../options.js';
import { checkPaths, chooseUnderlay } from '../start-up.js';
import type { StatusDocument } from '../status.js';
import { buildStatus } from '../status-builder.js';
import { sleep } from '../tasks.js';
import type { PlannedChange } from './changes.js';
import { dryHost } from './dry-host.js';
import { dryStore } from './dry-store.js';

const LOOK_MS = 20;

export interface Plan {
  /** In the order in which they would be made. */
  readonly changes: readonly PlannedChange[];
  /** Nothing would follow after these. If not, `status` says what is awaited. */
  readonly isComplete: boolean;
  /** How an agent would be doing with all of it done. */
  readonly status: StatusDocument;
}

/**
 * Makes the plan and changes nothing.
 * @param waitMs how long to wait for etcd, and whatever else an agent waits for
 * @throws OperatorError what would keep an agent from starting
 */
export async function makePlan(options: AgentOptions, log: Logger, waitMs: number): Promise<Plan> {
  await requireNoFlanneld(options.etcd.prefix);
  await checkPaths(options);
  const changes: PlannedChange[] = [];
  const note = (change: PlannedChange) => changes.push(change);
  const netlink = new NetlinkSocket();
  const store = await openStore(options.etcd, log);
  const host = dryHost(netlink, note);
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  try {
    const underlay = await chooseUnderlay(options, netlink);
    const facts = emptyFacts(performance.now());
    const flow = await prepareFlow({ options, log, facts, store: dryStore(store, note), host, underlay });
    running = flow.run(stop.signal);
    await Promise.race([running, settles(facts, waitMs, stop.signal)]);
    const status = buildStatus(facts, options, { wall: Date.now(), steady: performance.now() });
    return { changes: [...changes], isComplete: isSettled(facts), status };
  } finally {
    stop.abort();
    await running.catch(() => undefined);
    store.close();
    host.close();
    netlink.close();
  }
}

async function settles(facts: Facts, waitMs: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + waitMs;
  while (!isSettled(facts) && performance.now() < until) await sleep(LOOK_MS, signal);
}

/** The files come last, but for what an earlier config has left. */
function isSettled(facts: Facts): boolean {
  const { files, saved } = facts;
  const areWritten = files !== undefined && (files.writtenAt.size > 0 || files.error !== undefined);
  return isHostProgrammed(facts) && areWritten && saved.retired === undefined;
}

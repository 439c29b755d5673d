/**
 * The main flow: mirror the store, wait for a config, join the network, and show how it goes until told to stop.
 * What may fail for a while is tried again by its owner; what is thrown ends the agent.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { formatPrefix } from '../address/prefix.js';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { Mirror } from '../subnet/mirror.js';
import { ConfigFollower } from './config-follower.js';
import { openControlSocket } from './control-socket.js';
import { emptyFacts } from './facts.js';
import { configKeyOf, StoreFeed } from './feed.js';
import { takeLock } from './lock.js';
import { joinNetwork } from './join.js';
import { forgetLease, recallState } from './memory.js';
import { openStore } from './open-store.js';
import type { AgentOptions } from './options.js';
import { releaseLease } from './release.js';
import { savedConfig } from './saved-state.js';
import { checkHost, chooseUnderlay } from './start-up.js';
import { buildStatus } from './status-builder.js';
import { aborted, runTogether, steadyClock } from './tasks.js';
import { VERSION } from './version.js';

/**
 * Runs the agent until `signal` aborts. The kernel keeps what it holds: a restart loses no packet. The lease stays, unless
 * `--release-on-exit` says otherwise.
 * @throws OperatorError for what only the operator can mend
 */
export async function run(options: AgentOptions, log: Logger, signal: AbortSignal): Promise<void> {
  log.info({ version: VERSION, prefix: options.etcd.prefix }, `selvedge ${VERSION} starts`);
  await checkHost(options);
  const holder = { pid: process.pid, instance: options.instance };
  const lock = await takeLock(`instance ${options.instance}`, holder);
  const netlink = new NetlinkSocket();
  const underlay = await chooseUnderlay(options, netlink);
  log.info(
    { ...underlay },
    `underlay is ${underlay.name} with ${underlay.address}, because ${underlay.reason}`,
  );

  const facts = emptyFacts(performance.now());
  facts.underlay = underlay;
  facts.saved = await recallState(options, log);
  if (facts.saved.subnet !== undefined) {
    const subnet = formatPrefix(facts.saved.subnet);
    log.info({ subnet }, `this host had ${subnet} before and asks for it again when etcd answers`);
  }
  const config = new ConfigFollower(configKeyOf(options), log, savedConfig(facts.saved, options.etcd.prefix));
  facts.config = config;
  const feed = new StoreFeed(facts, options, log, steadyClock);
  const leaving = new AbortController();
  const control = await openControlSocket({
    path: options.socketPath,
    status: () => buildStatus(facts, options, { wall: Date.now(), steady: performance.now() }),
    onError: error => log.warn({ err: error }, 'control socket'),
  });
  const store = openStore(options.etcd, log, view => (facts.credentials = view));
  const mirror = new Mirror(store, `${options.etcd.prefix}/`, feed, {
    log,
    random: Math.random,
    ...steadyClock,
  });
  try {
    await runTogether(AbortSignal.any([signal, leaving.signal]), [
      stop => mirror.run(stop),
      stop => feed.run(stop),
      async stop => {
        const running = await Promise.race([config.firstRunnable(), aborted(stop)]);
        if (running === undefined) return;
        const context = { options, log, facts, netlink, store, mirror, holder, leave: () => leaving.abort() };
        await joinNetwork(context, running, underlay, stop);
      },
    ]);
  } finally {
    facts.stopping = true;
    const held = facts.ownLost === undefined ? facts.own : undefined;
    const mustRelease = options.releaseOnExit && signal.aborted && held !== undefined;
    const isReleased =
      mustRelease && (await releaseLease(held, { store, entries: mirror.entries, clock: steadyClock, log }));
    if (isReleased || facts.ownLost === 'deleted') await forgetLease(options, facts.saved, log);
    store.close();
    netlink.close();
    await control.close();
    lock.release();
    log.info('stopped; the data plane stays as it is');
  }
}

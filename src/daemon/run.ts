/** The agent: the main flow, with all that it owns, until it is told to stop. */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { openControlSocket } from './control-socket.js';
import { countedStore } from './counted-store.js';
import { emptyFacts } from './facts.js';
import { prepareFlow } from './flow.js';
import { keepHistory } from './history.js';
import { realHost } from './host.js';
import { takeLock } from './lock.js';
import { forgetLease } from './memory.js';
import { openMonitoring } from './monitoring.js';
import { openStore } from './open-store.js';
import type { Notifier } from './notify.js';
import type { AgentOptions } from './options.js';
import { probePeers } from './probing.js';
import { releaseLease } from './release.js';
import { reportToService } from './service-report.js';
import { checkHost, chooseUnderlay } from './start-up.js';
import { buildStatus } from './status-builder.js';
import { steadyClock } from './tasks.js';
import { logVerdicts } from './verdict-log.js';
import { VERSION } from './version.js';

/**
 * Runs the agent until `signal` aborts. The kernel keeps what it holds: a restart loses no packet. The lease stays, unless
 * `--release-on-exit` says otherwise.
 * @param notifier the service manager, where one wants to know how the agent is doing
 * @throws OperatorError for what only the operator can mend
 */
export async function run(
  options: AgentOptions,
  log: Logger,
  signal: AbortSignal,
  notifier?: Notifier,
): Promise<void> {
  log.info({ version: VERSION, prefix: options.etcd.prefix }, `selvedge ${VERSION} starts`);
  await checkHost(options, log);
  const holder = { pid: process.pid, instance: options.instance };
  const lock = await takeLock(`instance ${options.instance}`, holder);
  const netlink = new NetlinkSocket();
  const underlay = await chooseUnderlay(options, netlink);
  log.info(
    { ...underlay },
    `underlay is ${underlay.name} with ${underlay.address}, because ${underlay.reason}`,
  );
  const facts = emptyFacts(performance.now());
  const opened = await openStore(options.etcd, log, {
    onCredentials: view => (facts.credentials = view),
    onEndpoints: view => (facts.endpoints = view),
  });
  const store = countedStore(opened, facts.counts);
  const host = realHost(netlink, holder, log);
  const flow = await prepareFlow({ options, log, facts, store, host, underlay });
  const moment = () => ({ wall: Date.now(), steady: performance.now() });
  const status = () => buildStatus(facts, options, moment());
  const control = await openControlSocket({
    path: options.socketPath,
    status,
    onError: error => log.warn({ err: error }, 'control socket'),
  });
  const kernelChanges = () => netlink.stats.changes;
  const monitoring = await openMonitoring({ options, log, facts, moment, status, kernelChanges });
  const ending = new AbortController();
  const position = () => flow.position();
  const historyParts = { options, log, facts, position, clock: steadyClock, writeFile: host.writeFile };
  const history = keepHistory(historyParts, ending.signal);
  const probeParts = { facts, log, clock: steadyClock, rate: options.probeRate };
  const probes = options.probeRate === 0 ? undefined : probePeers(probeParts, ending.signal);
  const verdicts = logVerdicts({ log, facts, options, clock: steadyClock }, ending.signal);
  const service =
    notifier && reportToService({ notifier, facts, options, clock: steadyClock }, ending.signal);
  try {
    await flow.run(signal);
  } finally {
    facts.stopping = true;
    notifier?.tell('STOPPING=1', 'STATUS=stopping; the data plane stays as it is');
    const held = facts.ownLost === undefined ? facts.own : undefined;
    const mustRelease = options.releaseOnExit && signal.aborted && held !== undefined;
    const isReleased =
      mustRelease && (await releaseLease(held, { store, entries: flow.entries, clock: steadyClock, log }));
    if (isReleased || facts.ownLost === 'deleted') await forgetLease(options, facts.saved, log);
    store.close();
    host.close();
    netlink.close();
    await control.close();
    ending.abort();
    await Promise.all([monitoring.close(), history, probes, verdicts, service]);
    lock.release();
    log.info('stopped; the data plane stays as it is');
  }
}

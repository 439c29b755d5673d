/**
 * The health port: HTTP for probes and monitoring, at flannel's options and paths. Effects.
 *
 * The network matters more than being asked about it: an address that cannot be had is shown as a problem and tried
 * again, and ends no agent.
 */
import type { Server } from 'node:http';
import type { Logger } from 'pino';
import type { IpAddress } from '../address/ip.js';
import { type Facts, type Moment } from './facts.js';
import { close, createReadServer, listen, textAnswer, type Routes } from './http-server.js';
import { stallOf } from './liveness.js';
import { messageOf } from './operator-error.js';
import { lackOf } from './readiness.js';
import { sleep } from './tasks.js';

/** How soon an address is tried again. */
const RETRY_MS = 5_000;

export interface HealthPortOptions {
  readonly ip: IpAddress;
  readonly port: number;
  readonly log: Logger;
  readonly facts: Facts;
  readonly routes: Routes;
}

/**
 * `/healthz`: 200 while the agent's work goes on, also when etcd is away: a restart would not help. `/readyz`: 200 while
 * containers may count on this host's network. Both say why not in their text, with 503.
 * @param configKey where the config is looked for
 */
export function healthRoutes(facts: Facts, configKey: string, moment: () => Moment): Routes {
  return {
    '/healthz': () => {
      const stall = stallOf(facts, moment().steady);
      return stall === undefined ? textAnswer(200, 'selvedge is running\n') : textAnswer(503, `${stall}\n`);
    },
    '/readyz': () => {
      const lack = lackOf(facts, configKey, moment());
      return lack === undefined
        ? textAnswer(200, 'selvedge is ready\n')
        : textAnswer(503, `selvedge is not ready: ${lack}\n`);
    },
  };
}

/** Serves until `signal` aborts. */
export async function serveHealth(options: HealthPortOptions, signal: AbortSignal): Promise<void> {
  const { ip, port, log, facts, routes } = options;
  while (!signal.aborted) {
    const server = createReadServer(routes, error => log.warn({ err: error }, 'health port'));
    try {
      await listen(server, { host: ip, port });
    } catch (error) {
      const message = `cannot listen on ${addressOf(ip, port)}: ${messageOf(error)}`;
      if (message !== facts.healthPortError) log.warn(message);
      facts.healthPortError = message;
      await sleep(RETRY_MS, signal);
      continue;
    }
    facts.healthPortError = undefined;
    log.info({ ip, port }, `health and metrics at http://${addressOf(ip, port)}`);
    await serveUntilItFails(server, log, signal);
  }
}

async function serveUntilItFails(server: Server, log: Logger, signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    server.on('error', error => {
      log.warn({ err: error }, 'health port');
      resolve();
    });
    if (signal.aborted) resolve();
  });
  await close(server);
}

function addressOf(ip: IpAddress, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

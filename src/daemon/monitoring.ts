/** What others see of the agent by HTTP, when the health port is on: health, metrics, and a page for people. */
import type { Logger } from 'pino';
import type { Facts, Moment } from './facts.js';
import { configKeyOf } from './feed.js';
import { healthRoutes, serveHealth } from './health-port.js';
import type { Routes } from './http-server.js';
import type { AgentOptions } from './options.js';
import { pageRoutes } from './page/routes.js';
import { lackOf } from './readiness.js';
import type { StatusDocument } from './status.js';

export interface MonitoringParts {
  readonly options: AgentOptions;
  readonly log: Logger;
  readonly facts: Facts;
  readonly moment: () => Moment;
  readonly status: () => StatusDocument;
  /** Messages that were to change the kernel, since the start. */
  readonly kernelChanges: () => number;
}

/** Begins to serve, or does nothing where the port is off. */
export async function openMonitoring(parts: MonitoringParts): Promise<{ close(): Promise<void> }> {
  const { options, log, facts } = parts;
  if (options.health === undefined) return { close: () => Promise.resolve() };
  const ending = new AbortController();
  const routes = await routesOf(parts);
  const ended = serveHealth({ ...options.health, log, facts, routes }, ending.signal);
  return {
    close: () => {
      ending.abort();
      return ended;
    },
  };
}

async function routesOf({ options, facts, moment, status, kernelChanges }: MonitoringParts): Promise<Routes> {
  const configKey = configKeyOf(options);
  // An agent without the port does not pay for the library.
  const { createMetrics } = await import('./metrics/metrics.js');
  const metrics = createMetrics({ perPeer: options.metricsPerPeer });
  facts.watchToKernel = metrics.watchToKernel;
  facts.onProbeAnswer = metrics.onProbeAnswer;
  return {
    ...pageRoutes({ status, now: () => moment().steady }),
    ...healthRoutes(facts, configKey, moment),
    '/metrics': () => {
      const now = moment();
      const lack = lackOf(facts, configKey, now);
      return metrics.answer({
        status: status(),
        facts,
        now: now.steady,
        lack,
        kernelChanges: kernelChanges(),
      });
    },
  };
}

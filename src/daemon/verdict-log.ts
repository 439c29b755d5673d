/** A line in the log whenever the verdict changes, or the problems that make it. */
import type { Logger } from 'pino';
import { isoAt, type Facts } from './facts.js';
import { problemsOf } from './find-problems.js';
import type { AgentOptions } from './options.js';
import { phaseOf } from './phase.js';
import type { Clock } from './tasks.js';

/** Soon enough for a log; what comes and goes between two looks is told by whoever saw it. */
const LOOK_MS = 2_000;

export interface VerdictLogOptions {
  readonly log: Logger;
  readonly facts: Facts;
  readonly options: AgentOptions;
  readonly clock: Clock;
}

/**
 * Tells until `signal` aborts, from the first moment on at which the network works. The parts tell what happens, this tells
 * what it means: the codes are those of `selvedge status` and of the README.
 */
export async function logVerdicts(options: VerdictLogOptions, signal: AbortSignal): Promise<void> {
  const { log, clock } = options;
  let told: string | undefined;
  while (!signal.aborted) {
    const verdict = look(options);
    if (verdict !== undefined && verdict.text !== told) {
      told = verdict.text;
      const { isHealthy, codes, text } = verdict;
      log[isHealthy ? 'info' : 'warn']({ problems: codes }, text);
    }
    await clock.sleep(LOOK_MS, signal);
  }
}

function look({ facts, options, clock }: VerdictLogOptions) {
  if (phaseOf(facts) !== 'running') return undefined;
  const wall = Date.now();
  const at = isoAt({ wall, steady: clock.now() });
  const problems = problemsOf(facts, options, facts.config?.status.faults ?? [], at, wall);
  const codesOf = (severity: string) => [
    ...new Set(problems.filter(found => found.severity === severity).map(({ code }) => code)),
  ];
  const [errors, warnings] = [codesOf('error').sort(), codesOf('warning').sort()];
  const isHealthy = errors.length === 0;
  const text = [
    isHealthy ? 'healthy' : `degraded: ${errors.join(', ')}`,
    ...(warnings.length === 0 ? [] : [`warnings: ${warnings.join(', ')}`]),
    ...(problems.length === 0 ? [] : ['selvedge status tells cause and next command']),
  ].join('; ');
  return { isHealthy, codes: [...errors, ...warnings], text };
}

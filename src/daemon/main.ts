/** The process of the agent: signals in, exit code out. */
import type { Logger } from 'pino';
import { OperatorError } from './operator-error.js';
import type { AgentOptions } from './options.js';
import { run } from './run.js';

/** The agent stopped because it was told to. */
const STOPPED = 0;
/** A bug: the stack is in the log, and the supervisor starts the agent again. */
const BUG = 1;
/** Only the operator can mend it: starting again would not help. */
const OPERATOR = 2;

/**
 * Runs the agent until SIGTERM or SIGINT; a second signal ends the process at once.
 * @returns the exit code
 */
export async function runAgent(options: AgentOptions, log: Logger): Promise<number> {
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    log.info({ signal }, `${signal}: stopping`);
    process.removeListener('SIGTERM', onSignal);
    process.removeListener('SIGINT', onSignal);
    stop.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    await run(options, log, stop.signal);
    return STOPPED;
  } catch (error) {
    if (error instanceof OperatorError) {
      process.stderr.write(`selvedge agent: ${error.message}\n`);
      return OPERATOR;
    }
    log.fatal({ err: error }, 'this is a bug; please report it with this line');
    return BUG;
  }
}

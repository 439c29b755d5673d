/** The process of the agent: signals in, exit code out. */
import type { Logger } from 'pino';
import { tuneEngine } from './engine.js';
import { OperatorError } from './operator-error.js';
import { openNotifier } from './notify.js';
import type { AgentOptions } from './options.js';
import { oneLine } from './service-status.js';
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
  tuneEngine();
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    log.info({ signal }, `${signal}: stopping`);
    process.removeListener('SIGTERM', onSignal);
    process.removeListener('SIGINT', onSignal);
    stop.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  const notifier = openNotifier(process.env, log);
  // What we start must not speak for us.
  delete process.env.NOTIFY_SOCKET;
  delete process.env.WATCHDOG_USEC;
  delete process.env.WATCHDOG_PID;
  try {
    await run(options, log, stop.signal, notifier);
    return STOPPED;
  } catch (error) {
    if (error instanceof OperatorError) {
      process.stderr.write(`selvedge agent: ${error.message}\n`);
      notifier?.tell(`STATUS=${oneLine(error.message)}`);
      return OPERATOR;
    }
    log.fatal({ err: error }, 'this is a bug; please report it with this line');
    return BUG;
  } finally {
    notifier?.close();
  }
}

/** Exit codes of all commands, as scripts and monitoring rely on them. */
import type { FaultSource } from '../daemon/options.js';

export const EXIT = {
  healthy: 0,
  degraded: 1,
  /** The agent can't be reached, or something stands in the way that only the operator can mend: also a wrong variable. */
  trouble: 2,
  /** The command line is wrong: a command, an option, an argument, or the value of one (EX_USAGE of sysexits.h). */
  usage: 64,
} as const;

/** For options that cannot be used. */
export const EXIT_FOR_FAULTS: Readonly<Record<FaultSource, number>> = {
  'command line': EXIT.usage,
  environment: EXIT.trouble,
};

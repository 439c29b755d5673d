/** Exit codes of all commands, as scripts and monitoring rely on them. */
export const EXIT = {
  healthy: 0,
  degraded: 1,
  /** The agent can't be reached, or the operator asked for something that can't be. */
  trouble: 2,
  /** The command line makes no sense (EX_USAGE of sysexits.h). */
  usage: 64,
} as const;

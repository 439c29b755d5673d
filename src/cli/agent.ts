/** `selvedge agent`: options in, the agent run, its exit code out. */
import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { AgentOptions } from '../daemon/options.js';
import { openLog } from './agent-log.js';
import { AgentOptionsCommand } from './agent-options-command.js';

const EXAMPLES = `
Every option can be given in the environment as SELVEDGE_ and its name, such as
SELVEDGE_ETCD_PREFIX; flannel's also as FLANNELD_ and the name. A flag is
stronger. Go's syntax (-iface=eth1) is understood. flanneld's other options are
ignored with a note where that loses nothing, and refused by name where it does.

Examples:
  selvedge agent --etcd-endpoints http://10.0.0.1:2379,http://10.0.0.2:2379
  selvedge agent --etcd-prefix /coreos.com/network --iface eth1
  SELVEDGE_LEASE_TTL=48h selvedge agent --public-ip 192.0.2.10

Exit codes: 0 stopped by a signal or left with --on-revoke=exit, 1 a bug,
2 something that only you can mend, on the host or in a variable, 64 usage. The
unit does not start it again after 2 and 64.`;

/** Runs the agent until it is stopped. @returns the exit code */
export type RunAgent = (options: AgentOptions, log: Logger) => Promise<number>;

/** @param run called when all options are sound */
export function agentCommand(run: RunAgent): Command {
  const command = new AgentOptionsCommand('agent', async (options, notes) => {
    const log = await openLog(options);
    for (const note of notes) log.warn(note);
    return run(options, log);
  });
  return command
    .description(
      'Runs the agent: leases a subnet from etcd, wires this host to the others, and keeps both so until it is stopped.',
    )
    .addHelpText('after', EXAMPLES);
}

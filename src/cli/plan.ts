/** `selvedge plan`: what an agent with these options would change on this host, now. */
import { Option, type Command } from 'commander';
import { pino } from 'pino';
import { OperatorError } from '../daemon/operator-error.js';
import type { AgentOptions } from '../daemon/options.js';
import { makePlan } from '../daemon/plan/plan.js';
import { AgentOptionsCommand } from './agent-options-command.js';
import { EXIT } from './exit-codes.js';
import { renderPlan } from './plan-text.js';
import { printable, printableJson } from './printable.js';
import { besideUnit } from './unit-options.js';

/** Of the JSON; raised when a field is removed or changes its meaning. */
const PLAN_VERSION = 1;
/** etcd has had its chance by then. */
const WAIT_MS = 10_000;

const EXAMPLES = `
The options are the agent's: those of the command line and the environment, else
those in the files of the systemd unit (/etc/default/selvedge,
/etc/sysconfig/selvedge, /etc/sysconfig/flanneld). Nothing is changed: not the
kernel, not a file, not etcd. An agent may run meanwhile. It needs root, as the
agent does, and waits 10 s for etcd at most.

Examples:
  selvedge plan --etcd-endpoints http://10.0.0.1:2379
  selvedge plan -o json | jq '.changes[] | select(.action == "remove")'

Exit codes: 0 nothing to change, 1 changes are due, 2 an agent would not start
or would wait, 64 usage.`;

/** The command. */
export function planCommand(): Command {
  const act = async (options: AgentOptions, notes: readonly string[]) => {
    const complain = (line: string) => process.stderr.write(`selvedge plan: ${printable(line)}\n`);
    notes.forEach(complain);
    try {
      const plan = await makePlan(options, pino({ level: 'silent' }), WAIT_MS);
      const isJson = command.getOptionValue('output') === 'json';
      process.stdout.write(
        isJson ? `${printableJson({ version: PLAN_VERSION, ...plan })}\n` : renderPlan(plan),
      );
      if (!plan.isComplete) return EXIT.trouble;
      return plan.changes.length === 0 ? EXIT.healthy : EXIT.degraded;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      complain(error.message);
      return EXIT.trouble;
    }
  };
  const command = new AgentOptionsCommand('plan', act, besideUnit);
  return command
    .description(
      'Shows what an agent with these options would change on this host, now, and changes nothing.',
    )
    .addOption(
      new Option('-o, --output <form>', 'form of the answer').choices(['plain', 'json']).default('plain'),
    )
    .addHelpText('after', EXAMPLES);
}

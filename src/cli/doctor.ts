/** `selvedge doctor`: looks at this host and names what is wrong, why, and what to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type { AgentOptions } from '../daemon/options.js';
import { mendAll } from '../doctor/fix.js';
import { gatherFacts } from '../doctor/gather.js';
import type { AskAgent } from '../doctor/read/agent.js';
import { diagnose } from '../doctor/report.js';
import { AgentUnreachableError, readStatus } from './agent-client.js';
import { AgentOptionsCommand } from './agent-options-command.js';
import { renderDoctor } from './doctor-text.js';
import { EXIT } from './exit-codes.js';
import { printable, printableJson } from './printable.js';
import { besideUnit } from './unit-options.js';

const EXAMPLES = `
It needs no agent. The options are the agent's: those of the command line and the
environment, else those in the files of the systemd unit (/etc/default/selvedge,
/etc/sysconfig/selvedge, /etc/sysconfig/flanneld). Nothing is changed without
--fix. Without root it looks at what it may, and says what it could not look at.

Examples:
  selvedge doctor
  selvedge doctor --etcd-endpoints http://10.0.0.1:2379
  selvedge doctor -o json | jq -r '.findings[].code'
  selvedge doctor --fix       (what host-setup does, and stale entries of ours)

Exit codes: 0 nothing found, 1 something is, 2 a variable is wrong,
64 usage.`;

/** The command. */
export function doctorCommand(): Command {
  const command: Command = new AgentOptionsCommand(
    'doctor',
    async (options, notes) => {
      for (const note of notes) process.stderr.write(`selvedge doctor: ${printable(note)}\n`);
      const { output, fix } = command.opts<{ output: 'plain' | 'json'; fix?: true }>();
      return examineHost(options, output, fix === true);
    },
    besideUnit,
  );
  return command
    .description('Looks at this host and names what is wrong with its network: cause, and next command.')
    .addOption(
      new Option('-o, --output <form>', 'form of the answer').choices(['plain', 'json']).default('plain'),
    )
    .option('--fix', 'mend what is ours to mend, and look again')
    .addHelpText('after', EXAMPLES);
}

async function examineHost(options: AgentOptions, output: 'plain' | 'json', fix: boolean): Promise<number> {
  const { findings, document: first } = await lookAtHost(options);
  let document = first;
  if (fix && findings.some(finding => finding.fix !== undefined)) {
    for (const line of await mendAll(findings, options.instance)) {
      process.stderr.write(`selvedge doctor: ${printable(line)}\n`);
    }
    ({ document } = await lookAtHost(options));
  }
  process.stdout.write(output === 'json' ? `${printableJson(document)}\n` : renderDoctor(document));
  return document.findings.length === 0 ? EXIT.healthy : EXIT.degraded;
}

/** Looks at everything once; nothing is changed. */
export async function lookAtHost(options: AgentOptions): Promise<ReturnType<typeof diagnose>> {
  return diagnose(await gatherFacts(options, { ask, sleep, now: Date.now }));
}

const ask: AskAgent = async socketPath => {
  try {
    return { status: await readStatus(socketPath) };
  } catch (error) {
    if (!(error instanceof AgentUnreachableError)) throw error;
    const { seen, cause, next, code } = error;
    return { unreachable: { seen, cause, next, code } };
  }
};

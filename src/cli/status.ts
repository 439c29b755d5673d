/** `selvedge status`: one document from the agent, as text or JSON; the verdict is the exit code. */
import { Command, Option } from 'commander';
import { DEFAULT_RUN_DIR } from '../daemon/socket-path.js';
import { AgentUnreachableError, findSocket, readStatus } from './agent-client.js';
import { EXIT } from './exit-codes.js';
import { printableJson } from './printable.js';
import { renderStatus } from './status-text.js';

const EXAMPLES = `
Examples:
  selvedge status
  selvedge status --all --instance network
  selvedge status -o json | jq .lease.subnet

Exit codes: 0 healthy, 1 degraded or starting, 2 no agent answers, 64 usage.`;

interface StatusFlags {
  readonly output: 'plain' | 'json';
  readonly all?: true;
  readonly socket?: string;
  readonly instance?: string;
  readonly runDir: string;
}

/** The command. It needs no root, only read and write permission on the socket. */
export function statusCommand(): Command {
  return new Command('status')
    .description(
      'Shows how the agent on this host is doing: the verdict first, then what is wrong, then the rest.',
    )
    .addOption(
      new Option('-o, --output <form>', 'form of the answer').choices(['plain', 'json']).default('plain'),
    )
    .option('--all', 'show all peers, not the first 20')
    .addOption(new Option('--instance <name>', 'which agent, where several run').env('SELVEDGE_INSTANCE'))
    .addOption(
      new Option('--run-dir <dir>', 'where the sockets are').default(DEFAULT_RUN_DIR).env('SELVEDGE_RUN_DIR'),
    )
    .addOption(new Option('--socket <path>', 'the very socket, whatever the instance'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags: StatusFlags) => {
      process.exitCode = await showStatus(flags);
    });
}

async function showStatus(flags: StatusFlags): Promise<number> {
  try {
    const document = await readStatus(flags.socket ?? (await findSocket(flags.runDir, flags.instance)));
    process.stdout.write(
      flags.output === 'json'
        ? `${printableJson(document)}\n`
        : renderStatus(document, { now: new Date(), all: flags.all === true }),
    );
    return document.verdict === 'healthy' ? EXIT.healthy : EXIT.degraded;
  } catch (error) {
    if (!(error instanceof AgentUnreachableError)) throw error;
    process.stderr.write(`selvedge status: ${error.message}\n`);
    return EXIT.trouble;
  }
}

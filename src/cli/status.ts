/** `selvedge status`: one document from the agent, as text or JSON; the verdict is the exit code. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../daemon/duration.js';
import { DEFAULT_RUN_DIR } from '../daemon/socket-path.js';
import type { StatusDocument } from '../daemon/status.js';
import { findSocket, readStatus } from './agent-client.js';
import { EXIT } from './exit-codes.js';
import { colourPaint, noPaint } from './paint.js';
import { printableJson } from './printable.js';
import { look, lookUntilHealthy, redraw, type Look } from './status-follow.js';
import { renderBrief, renderStatus } from './status-text.js';
import { hasColour } from './terminal.js';
import { runDirOf } from './unit-options.js';

const EXAMPLES = `
Examples:
  selvedge status
  selvedge status --wait 60s && docker run …
  selvedge status --watch
  selvedge status --all --instance network
  selvedge status -o wide
  selvedge status -o json | jq .lease.subnet

Exit codes: 0 healthy, 1 degraded or starting, 2 no agent answers, 64 usage.`;

interface StatusFlags {
  readonly output: 'plain' | 'wide' | 'json';
  readonly brief?: true;
  readonly all?: true;
  readonly watch?: true;
  /** Seconds. */
  readonly wait?: number;
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
      new Option('-o, --output <form>', 'form of the answer')
        .choices(['plain', 'wide', 'json'])
        .default('plain'),
    )
    .option('--brief', 'the verdict and the codes of problems, in one line')
    .option('--all', 'show all peers, not the first 20')
    .addOption(new Option('--watch', 'draw it again every two seconds, until Ctrl-C').conflicts('wait'))
    .addOption(
      new Option('--wait <duration>', 'wait until it is healthy, so long at most: 60s, 5m').argParser(
        seconds,
      ),
    )
    .addOption(new Option('--instance <name>', 'which agent, where several run').env('SELVEDGE_INSTANCE'))
    .addOption(
      new Option('--run-dir <dir>', 'where the sockets are').default(DEFAULT_RUN_DIR).env('SELVEDGE_RUN_DIR'),
    )
    .addOption(new Option('--socket <path>', 'the very socket, whatever the instance'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags: StatusFlags, command: Command) => {
      process.exitCode = await showStatus({ ...flags, runDir: await runDirOf(command) });
    });
}

function seconds(text: string): number {
  const value = parseDuration(text);
  if (value === undefined) throw new InvalidArgumentError('must be a duration such as 60s or 5m.');
  return value;
}

async function showStatus(flags: StatusFlags): Promise<number> {
  const read = async () => readStatus(flags.socket ?? (await findSocket(flags.runDir, flags.instance)));
  if (flags.watch === true) return watch(flags, read);
  const seen = await (flags.wait === undefined ? look(read) : lookUntilHealthy(read, flags.wait));
  if ('failure' in seen) process.stderr.write(`selvedge status: ${seen.failure.message}\n`);
  else process.stdout.write(render(flags, seen.document));
  return exitCodeOf(seen);
}

/** Ctrl-C is how it is meant to end: the code is the one of the last look. */
async function watch(flags: StatusFlags, read: () => Promise<StatusDocument>): Promise<number> {
  const stopping = new AbortController();
  process.once('SIGINT', () => stopping.abort()).once('SIGTERM', () => stopping.abort());
  process.stdout.once('error', () => stopping.abort());
  let last: Look | undefined;
  const picture = async () => {
    last = await look(read);
    return 'failure' in last ? `selvedge status: ${last.failure.message}\n` : render(flags, last.document);
  };
  await redraw(process.stdout, picture, stopping.signal);
  return last === undefined ? EXIT.trouble : exitCodeOf(last);
}

function render(flags: StatusFlags, document: StatusDocument): string {
  if (flags.output === 'json') return `${printableJson(document)}\n`;
  const options = {
    now: new Date(),
    all: flags.all === true,
    wide: flags.output === 'wide',
    paint: hasColour(process.stdout, process.env) ? colourPaint : noPaint,
  };
  return flags.brief === true ? renderBrief(document, options) : renderStatus(document, options);
}

function exitCodeOf(seen: Look): number {
  if ('failure' in seen) return EXIT.trouble;
  return seen.document.verdict === 'healthy' ? EXIT.healthy : EXIT.degraded;
}

/** `selvedge support`: all that somebody needs who is to help with this host, in one file and without its secrets. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { OperatorError } from '../daemon/operator-error.js';
import { DEFAULT_RUN_DIR } from '../daemon/socket-path.js';
import { findInstalled } from '../dataplane/firewall/programs.js';
import { packInto, writeArchive } from '../support/archive.js';
import { gatherFiles } from '../support/gather.js';
import { EXIT } from './exit-codes.js';
import { directoryBesideUnit, runDirOf } from './unit-options.js';

const EXAMPLES = `
It needs no running agent. Without root it takes what it may read; index.txt in
the archive names what could not be had, and why. It takes seconds, and where
etcd is away a quarter of a minute. What names itself a secret is taken out, and
the password of this host's agent wherever it stands; look through the archive
before you give it away.

Examples:
  sudo selvedge support
  sudo selvedge support --output - | ssh helper 'cat > support.tar.gz'

Exit codes: 0 written, 2 it could not be written, 64 usage.`;

interface SupportFlags {
  readonly output?: string;
  readonly instance?: string;
  readonly runDir: string;
}

/** The command. */
export function supportCommand(): Command {
  return new Command('support')
    .description(
      'Writes a tar.gz with status, findings, plan, rules, routes and last log lines, secrets removed.',
    )
    .addOption(
      new Option('-o, --output <file>', 'a new file, or - for standard output').default(
        undefined,
        'selvedge-support-HOST-TIME.tar.gz here',
      ),
    )
    .addOption(new Option('--instance <name>', 'which agent, where several run').env('SELVEDGE_INSTANCE'))
    .addOption(
      new Option('--run-dir <dir>', 'where the sockets are').default(DEFAULT_RUN_DIR).env('SELVEDGE_RUN_DIR'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: SupportFlags, command: Command) => {
      process.exitCode = await makeArchive({ ...flags, runDir: await runDirOf(command) });
    });
}

async function makeArchive(flags: SupportFlags): Promise<number> {
  const say = (line: string) => process.stderr.write(`selvedge support: ${line}\n`);
  if (flags.output === '-' && process.stdout.isTTY) {
    say('an archive is nothing for a terminal: name a file, or send it through a pipe');
    return EXIT.trouble;
  }
  const now = new Date();
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  const host = hostname();
  const name = `selvedge-support-${host}-${time}`;
  const stateDir = await directoryBesideUnit('state-dir', process.env);
  const gather = () =>
    gatherFiles({
      stateDir,
      root: '/',
      environment: process.env,
      findProgram: findInstalled,
      selvedge: [process.execPath, process.argv[1]!],
      choice: [
        ...['--run-dir', flags.runDir],
        ...(flags.instance === undefined ? [] : ['--instance', flags.instance]),
      ],
      now,
      host,
    });
  if (process.stderr.isTTY)
    say('gathering; this takes seconds, and where etcd is away a quarter of a minute');
  try {
    if (flags.output === '-') {
      await packInto(process.stdout, name, await gather());
    } else {
      const path = resolve(flags.output ?? `${name}.tar.gz`);
      await writeArchive(path, name, gather);
      process.stdout.write(`${path}\n`);
    }
    return EXIT.healthy;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    say(error.message);
    return EXIT.trouble;
  }
}

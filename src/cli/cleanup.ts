/** `selvedge cleanup`: takes everything of an instance off this host. */
import { Command } from 'commander';
import { cleanUp } from '../daemon/cleanup.js';
import { OperatorError } from '../daemon/operator-error.js';
import { OPTION_ROWS } from '../daemon/options-table.js';
import { resolveAgentOptions } from '../daemon/options.js';
import { addOptions, givenFlags } from './agent-options.js';
import { EXIT, EXIT_FOR_FAULTS } from './exit-codes.js';
import { resolveBeside, someBesideUnit } from './unit-options.js';

const EXAMPLES = `
The lease in etcd stays until it expires. The agent must not run. Where it had its
files is known from the options, and from those in the files of the systemd unit
(/etc/default/selvedge …).

Examples:
  selvedge cleanup --dry-run
  selvedge cleanup --keep-state      (come back later with the same subnet and MAC)
  selvedge cleanup --etcd-prefix /coreos.com/network

Exit codes: 0 done, 2 the agent still runs, something cannot be removed, or
there is no state by which to know what is the agent's; 64 usage.`;

/** Those of the agent's options that say where things are. */
const SHARED_NAMES = new Set([
  'etcd-prefix',
  'instance',
  'state-dir',
  'run-dir',
  'subnet-file',
  'docker-env-file',
  'docker-opts-file',
]);
const SHARED = OPTION_ROWS.filter(([name]) => SHARED_NAMES.has(name));

export function cleanupCommand(): Command {
  const command = new Command('cleanup')
    .description('Removes all routes, devices and files of the agent from this host, and nothing else.')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .option('--keep-state', 'leave the state directory')
    .addHelpText('after', EXAMPLES);
  addOptions(command, SHARED);
  return command.action(async () => {
    process.exitCode = await clean(command);
  });
}

async function clean(command: Command): Promise<number> {
  const { dryRun, keepState } = command.opts<{ dryRun?: true; keepState?: true }>();
  const gathered = await someBesideUnit(SHARED_NAMES, givenFlags(command, SHARED), process.env);
  for (const note of gathered.notes) process.stderr.write(`selvedge cleanup: ${note}\n`);
  const resolved = resolveBeside(gathered, (flags, environment) =>
    resolveAgentOptions(flags, [], environment),
  );
  if (!resolved.ok) return fail(resolved.faults, EXIT_FOR_FAULTS[resolved.source]);
  const { etcd, ...options } = resolved.options;
  const say = (line: string) =>
    process.stdout.write(`${dryRun === true && line.startsWith('remove ') ? 'would ' : ''}${line}\n`);
  try {
    const choice = { dryRun: dryRun === true, keepState: keepState === true };
    await cleanUp({ ...options, etcdPrefix: etcd.prefix, ...choice }, say);
    return EXIT.healthy;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return fail([error.message], EXIT.trouble);
  }
}

function fail(lines: readonly string[], code: number): number {
  process.stderr.write(lines.map(line => `selvedge cleanup: ${line}\n`).join(''));
  return code;
}

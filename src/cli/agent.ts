/** `selvedge agent`: options in, the agent run, its exit code out. */
import { Command, Option, type ParseOptionsResult } from 'commander';
import { pino, type Logger } from 'pino';
import { FLANNEL_OPTIONS } from '../daemon/options-flannel.js';
import { OPTION_ROWS, type OptionRow } from '../daemon/options-table.js';
import { resolveAgentOptions, type AgentOptions } from '../daemon/options.js';
import { EXIT } from './exit-codes.js';
import { fromGoFlags, type FlagKind } from './go-flags.js';

const EXAMPLES = `
Every option can be given in the environment as SELVEDGE_ and its name, such as
SELVEDGE_ETCD_PREFIX; flannel's also as FLANNELD_ and the name. A flag is
stronger. Go's syntax (-iface=eth1) is understood. flanneld's other options are
ignored with a note where that loses nothing, and refused by name where it does.

Examples:
  selvedge agent --etcd-endpoints http://10.0.0.1:2379,http://10.0.0.2:2379
  selvedge agent --etcd-prefix /coreos.com/network --iface eth1
  SELVEDGE_LEASE_TTL=48h selvedge agent --public-ip 192.0.2.10

Exit codes: 0 stopped by a signal or left with --on-revoke=exit, 1 a bug, 2 a
wrong option or something else that only you can mend.`;

/** Runs the agent until it is stopped. @returns the exit code */
export type RunAgent = (options: AgentOptions, log: Logger) => Promise<number>;

/**
 * The command. Wrong options are all named at once, so its parser stops at none of them.
 * @param run called when all options are sound
 */
export function agentCommand(run: RunAgent): Command {
  return new AgentCommand(run);
}

class AgentCommand extends Command {
  readonly #kinds = new Map<string, FlagKind>();
  readonly #flags: Record<string, string[]> = {};
  #missing: string | undefined;

  constructor(run: RunAgent) {
    super('agent');
    this.summary('run the agent in the foreground').description(
      'Runs the agent: leases a subnet from etcd, wires this host to the others, and keeps both so until it is stopped.',
    );
    for (const [name, row] of OPTION_ROWS) {
      this.#add(
        row.kind,
        new Option(`--${name} <${row.argument}>`, describe(row)).helpGroup(`${row.group}:`),
      );
    }
    for (const [name, { kind }] of Object.entries(FLANNEL_OPTIONS)) {
      this.#add(kind, new Option(`--${name} <value>`).hideHelp());
    }
    this.addHelpText('after', EXAMPLES);
    this.allowUnknownOption().argument('[words...]').usage('[options]');
    this.action(async () => this.#run(run));
  }

  #add(kind: FlagKind, option: Option): void {
    const name = option.name();
    this.#kinds.set(name, kind);
    this.addOption(option.argParser(text => (this.#flags[name] ??= []).push(text)));
  }

  override parseOptions(argv: string[]): ParseOptionsResult {
    const { args, missing } = fromGoFlags(argv, this.#kinds);
    this.#missing = missing;
    return super.parseOptions(args);
  }

  async #run(run: RunAgent): Promise<void> {
    const resolved = resolveAgentOptions(this.#flags, this.args, process.env);
    const faults = resolved.ok ? [] : [...resolved.faults];
    if (this.#missing !== undefined) faults.push(`--${this.#missing}: needs a value`);
    if (!resolved.ok || faults.length > 0) {
      process.stderr.write(`selvedge agent: ${faults.join('\nselvedge agent: ')}\n`);
      process.exitCode = EXIT.trouble;
      return;
    }
    const log = createLog(resolved.options);
    for (const note of resolved.notes) log.warn(note);
    process.exitCode = await run(resolved.options, log);
  }
}

function describe(row: OptionRow): string {
  const fallback = row.default ?? row.derived;
  const repeatable = row.kind === 'list' ? '; repeatable' : '';
  return `${row.help}${repeatable}${fallback === undefined ? '' : ` (default: ${fallback})`}`;
}

/** Synchronous, so that the last line before the end is written; to standard error, as flanneld does. */
function createLog(options: AgentOptions): Logger {
  return pino(
    {
      level: options.logLevel,
      base: { instance: options.instance },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

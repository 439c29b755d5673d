/** A command that takes the options of the agent, spelt as flannel's users spell them. */
import { Command, Option, type ParseOptionsResult } from 'commander';
import { FLANNEL_OPTIONS } from '../daemon/options-flannel.js';
import { OPTION_ROWS, type OptionRow } from '../daemon/options-table.js';
import type { Environment, GivenFlags } from '../daemon/options-given.js';
import { resolveAgentOptions, type AgentOptions } from '../daemon/options.js';
import { EXIT, EXIT_FOR_FAULTS } from './exit-codes.js';
import { fromGoFlags } from './go-flags.js';
import { AGENT_FLAG_KINDS, resolveBeside, type GatheredOptions } from './unit-options.js';

/** Does what the command is for. @param notes what was ignored, a line each @returns the exit code */
export type Act = (options: AgentOptions, notes: readonly string[]) => Promise<number>;

/** Adds to typed flags, and the variables of the process, what else says options. */
type Gather = (typed: GivenFlags, own: Environment) => Promise<GatheredOptions>;

const fromEnvironment: Gather = (flags, environment) =>
  Promise.resolve({
    flags,
    environment,
    own: { flags, environment },
    faults: [],
    files: [],
    unread: [],
    notes: [],
  });

/** Wrong options are all named at once, so its parser stops at none of them. */
export class AgentOptionsCommand extends Command {
  readonly #flags: Record<string, string[]> = {};
  #missing: string | undefined;

  readonly #gather: Gather;

  /**
   * @param act called when all options are sound
   * @param gather adds the options that the command line does not give
   */
  constructor(name: string, act: Act, gather: Gather = fromEnvironment) {
    super(name);
    this.#gather = gather;
    for (const [name, row] of OPTION_ROWS) {
      this.#add(new Option(`--${name} <${row.argument}>`, describe(row)).helpGroup(`${row.group}:`));
    }
    for (const name of Object.keys(FLANNEL_OPTIONS)) this.#add(new Option(`--${name} <value>`).hideHelp());
    this.allowUnknownOption().argument('[words...]').usage('[options]');
    this.action(async () => this.#run(act));
  }

  #add(option: Option): void {
    const name = option.name();
    this.addOption(option.argParser(text => (this.#flags[name] ??= []).push(text)));
  }

  override parseOptions(argv: string[]): ParseOptionsResult {
    const { args, missing } = fromGoFlags(argv, AGENT_FLAG_KINDS);
    this.#missing = missing;
    return super.parseOptions(args);
  }

  async #run(act: Act): Promise<void> {
    const gathered = await this.#gather(this.#flags, process.env);
    const resolved = resolveBeside(gathered, (flags, environment) =>
      resolveAgentOptions(flags, this.args, environment),
    );
    const faults = resolved.ok ? [] : [...resolved.faults];
    if (this.#missing !== undefined) faults.push(`--${this.#missing}: needs a value`);
    if (!resolved.ok || faults.length > 0) {
      const intro = `selvedge ${this.name()}: `;
      process.stderr.write(`${intro}${faults.join(`\n${intro}`)}\n`);
      process.exitCode =
        this.#missing === undefined && !resolved.ok ? EXIT_FOR_FAULTS[resolved.source] : EXIT.usage;
      return;
    }
    process.exitCode = await act(resolved.options, [...gathered.notes, ...resolved.notes]);
  }
}

function describe(row: OptionRow): string {
  const fallback = row.default ?? row.derived;
  const repeatable = row.kind === 'list' ? '; repeatable' : '';
  return `${row.help}${repeatable}${fallback === undefined ? '' : ` (default: ${fallback})`}`;
}

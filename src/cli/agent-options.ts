/** Options of the agent that other commands have too. */
import { Option, type Command } from 'commander';
import type { GivenFlags } from '../daemon/options-given.js';
import type { OptionName, OptionRow } from '../daemon/options-table.js';

type Rows = readonly (readonly [OptionName, OptionRow])[];

/** Adds a flag for each row; what is typed is read by the resolvers of options.ts, so that the environment counts too. */
export function addOptions(command: Command, rows: Rows): void {
  for (const [name, row] of rows) {
    const fallback = row.default === undefined ? '' : ` (default: ${row.default})`;
    command.addOption(new Option(`--${name} <${row.argument}>`, `${row.help}${fallback}`));
  }
}

/** What was typed for these rows. */
export function givenFlags(command: Command, rows: Rows): GivenFlags {
  const names = new Set<string>(rows.map(([name]) => name));
  const given = command.options
    .filter(option => names.has(option.name()))
    .map(option => [option.name(), command.getOptionValue(option.attributeName())] as const)
    .filter((pair): pair is readonly [string, string] => typeof pair[1] === 'string');
  return Object.fromEntries(given.map(([name, value]) => [name, [value]]));
}

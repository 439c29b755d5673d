/** What was given for each option, by flag, environment or default, and its reading. Pure. */
import { posix } from 'node:path';
import {
  AGENT_OPTIONS,
  environmentNames,
  OPTION_ROWS,
  type DerivedName,
  type OptionName,
  type OptionRow,
  type OptionValues,
} from './options-table.js';

/** The values of every flag that was given, by name without dashes, in the order of the command line. */
export type GivenFlags = Readonly<Record<string, readonly string[]>>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The text of one option and where it comes from, for messages. */
export interface Given {
  readonly source: string;
  readonly texts: readonly string[];
}

export type AllGiven = ReadonlyMap<OptionName, Given>;

/** Chooses for each option between flag, environment and default; the result lacks options that nobody gave. */
export function settle(flags: GivenFlags, environment: Environment): AllGiven {
  const given = new Map<OptionName, Given>();
  for (const [name, row] of OPTION_ROWS) {
    const found = find(name, row, flags, environment);
    if (found !== undefined) given.set(name, found);
  }
  deriveDefaults(given);
  return given;
}

function find(name: OptionName, row: OptionRow, flags: GivenFlags, environment: Environment) {
  const source = `--${name}`;
  const typed = flags[name];
  if (typed !== undefined) {
    const last = row.kind === 'list' ? typed : typed.slice(-1);
    // Units hold lines such as --etcd-cafile=${CA}; but an empty prefix must not quietly become the default network.
    const texts = row.default === undefined ? last.filter(text => text !== '') : last;
    return texts.length > 0 ? { source, texts } : undefined;
  }
  for (const variable of environmentNames(name, row)) {
    const text = environment[variable];
    if (text !== undefined && text !== '') return { source: variable, texts: [text] };
  }
  return row.default === undefined ? undefined : { source, texts: [row.default] };
}

function deriveDefaults(given: Map<OptionName, Given>): void {
  const beside = posix.dirname(given.get('subnet-file')!.texts[0]!);
  const derive = (name: DerivedName, text: string) => {
    if (!given.has(name)) given.set(name, { source: `--${name}`, texts: [text] });
  };
  // A faulty subnet file or prefix is named once, not again by what would be derived from it.
  const sound = (name: OptionName) => AGENT_OPTIONS[name].type.safeParse(given.get(name)!.texts[0]).success;
  if (sound('subnet-file')) {
    derive('docker-env-file', posix.join(beside, 'docker'));
    derive('docker-opts-file', posix.join(beside, 'flannel_docker_opts.env'));
  }
  if (sound('etcd-prefix')) {
    const parts = given.get('etcd-prefix')!.texts[0]!.split('/');
    derive('instance', parts.filter(part => part !== '').at(-1)!);
  }
}

/**
 * Reads every text that was given.
 * @returns the sound values, undefined where a text is faulty or missing, and the faults, a line each
 */
export function readValues(given: AllGiven) {
  const values: Partial<Record<OptionName, unknown>> = {};
  const faults: string[] = [];
  for (const [name, row] of OPTION_ROWS) {
    const { source, texts } = given.get(name) ?? { source: '', texts: [] };
    const read: unknown[] = [];
    for (const text of texts) {
      const parsed = row.type.safeParse(text);
      if (parsed.success) read.push(parsed.data);
      else for (const issue of parsed.error.issues) faults.push(faultLine(source, text, issue.message));
    }
    values[name] = row.kind === 'list' ? read : read[0];
  }
  return { values: values as Partial<OptionValues>, faults };
}

function faultLine(source: string, text: string, rule: string): string {
  if (text === '') return `${source}: needs a value`;
  // A URL may hold a password by mistake; a line that says so must not show it.
  return `${source}: ${JSON.stringify(text.replace(/\/\/[^,]*@/g, '//…@'))} ${rule}`;
}

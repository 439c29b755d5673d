/**
 * The options that the agent's unit gives it, as those of a command that an operator types beside it: what is typed, or stands
 * in the environment, is stronger.
 */
import type { Command } from 'commander';
import { FLANNEL_OPTIONS } from '../daemon/options-flannel.js';
import { settle, type Environment, type GivenFlags } from '../daemon/options-given.js';
import { unknownFaults } from '../daemon/options-rules.js';
import { AGENT_OPTIONS, environmentNames, OPTION_ROWS, type OptionName } from '../daemon/options-table.js';
import { splitWords } from '../daemon/environment-file.js';
import { readUnitEnvironment } from '../daemon/unit-environment.js';
import type { FaultyOptions } from '../daemon/options.js';
import { fromGoFlags, type FlagKind } from './go-flags.js';

interface Options {
  readonly flags: GivenFlags;
  readonly environment: Environment;
}

/** Options from several places, to be resolved together. */
export interface GatheredOptions extends Options {
  /** What the operator said of it. */
  readonly own: Options;
  /** What the unit says and the rules for options do not see: words that are none, a value that is missing. */
  readonly faults: readonly string[];
  /** Where the unit says something. */
  readonly files: readonly string[];
  /** Where it may say more. */
  readonly unread: readonly string[];
  /** What could not be looked at, a line each. */
  readonly notes: readonly string[];
}

/** All flags that the agent takes, by name without dashes. */
export const AGENT_FLAG_KINDS: ReadonlyMap<string, FlagKind> = new Map([
  ...OPTION_ROWS.map(([name, { kind }]) => [name, kind] as const),
  ...Object.entries(FLANNEL_OPTIONS).map(([name, { kind }]) => [name, kind] as const),
]);

/** The unit's command line has them in this order: `selvedge agent $FLANNEL_OPTIONS $SELVEDGE_OPTIONS`. */
const COMMAND_LINES = ['FLANNEL_OPTIONS', 'SELVEDGE_OPTIONS'];

const CREDENTIALS = [
  'etcd-username',
  'etcd-password',
  'etcd-password-file',
] as const satisfies readonly OptionName[];

/**
 * Who names one of the first otherwise than the unit is in another place, or another person: then nothing counts that the unit says
 * of these, and of the second.
 */
const TOGETHER: readonly (readonly [names: readonly OptionName[], also: readonly OptionName[]])[] = [
  [
    ['instance', 'etcd-prefix'],
    ['subnet-file', 'docker-env-file', 'docker-opts-file'],
  ],
  [['etcd-username'], ['etcd-password', 'etcd-password-file']],
  [['etcd-password', 'etcd-password-file'], []],
  [['etcd-certfile', 'etcd-keyfile'], []],
];

/**
 * @param typed the flags of this command line
 * @param own variables of this process
 * @param files as `readUnitEnvironment` takes them
 */
export async function besideUnit(
  typed: GivenFlags,
  own: Environment,
  files?: readonly string[],
): Promise<GatheredOptions> {
  const unit = await readUnitEnvironment(files);
  const { flags, unknown, missing } = readWords(
    COMMAND_LINES.flatMap(name => splitWords(unit.variables[name] ?? '')),
  );
  return {
    ...combine(typed, own, flags, unit.variables),
    own: { flags: typed, environment: own },
    faults: [...unknownFaults(unknown), ...(missing === undefined ? [] : [needsValue(missing)])],
    files: unit.files,
    unread: unit.unread,
    notes: unit.notes,
  };
}

/**
 * The same for a command that has only some of the options: mistakes in the others are not its affair.
 * @param names of those that the unit may say
 */
export async function someBesideUnit(
  names: ReadonlySet<string>,
  typed: GivenFlags,
  own: Environment,
  files?: readonly string[],
): Promise<GatheredOptions> {
  const gathered = await besideUnit(typed, own, files);
  const variables = new Set(
    OPTION_ROWS.flatMap(([name, row]) => (names.has(name) ? environmentNames(name, row) : [])),
  );
  return {
    ...gathered,
    flags: pick(gathered.flags, name => names.has(name) || typed[name] !== undefined),
    environment: pick(
      gathered.environment,
      name => variables.has(name) || gathered.environment[name] === own[name],
    ),
    faults: gathered.faults.filter(fault => [...names].some(name => fault === needsValue(name))),
  };
}

/**
 * Resolves what was gathered. Faults that are not the operator's are told with the file that may have them, and are nothing that
 * the command line could be blamed for.
 * @param resolve the resolver of options.ts for the options that the command has
 */
export function resolveBeside<R extends { readonly ok: true }>(
  { flags, environment, own, faults: unitFaults, files }: GatheredOptions,
  resolve: (flags: GivenFlags, environment: Environment) => R | FaultyOptions,
): R | FaultyOptions {
  const resolved = resolve(flags, environment);
  if (resolved.ok && unitFaults.length === 0) return resolved;
  const faultsOf = (result: R | FaultyOptions) => (result.ok ? [] : result.faults);
  const ownFaults = new Set(faultsOf(resolve(own.flags, own.environment)));
  const typedFaults = new Set(faultsOf(resolve(own.flags, {})));
  const faults = faultsOf(resolved);
  const place = ` (${files.join(' or ')})`;
  return {
    ok: false,
    faults: [
      ...faults.map(fault => (ownFaults.has(fault) ? fault : fault + place)),
      ...unitFaults.map(fault => fault + place),
    ],
    source: faults.some(fault => typedFaults.has(fault)) ? 'command line' : 'environment',
  };
}

/**
 * Why a command must not change anything: nobody has named these options, and what the unit says of them is not known. Their defaults
 * may be another network's.
 */
export function unknownToUs(
  { own, unread }: GatheredOptions,
  names: readonly OptionName[],
): readonly string[] {
  const isNamed = (name: OptionName) =>
    own.flags[name] !== undefined ||
    environmentNames(name, AGENT_OPTIONS[name]).some(variable => Boolean(own.environment[variable]));
  const unnamed = unread.length === 0 ? [] : names.filter(name => !isNamed(name));
  return unnamed.map(name => `--${name}: has to be given, since ${unread.join(' and ')} cannot be read`);
}

function needsValue(name: string): string {
  return `--${name}: needs a value`;
}

/** Where control sockets are: what the command's `--run-dir` says, or the own environment, else the unit. */
export async function runDirOf(command: Command, files?: readonly string[]): Promise<string> {
  const chosen = command.getOptionValue('runDir') as string;
  const source = command.getOptionValueSource('runDir');
  const isGiven = source !== 'default' && !(source === 'env' && chosen === '');
  return isGiven ? chosen : directoryBesideUnit('run-dir', {}, files);
}

/** One of the agent's directories, as text. @param own variables of this process */
export async function directoryBesideUnit(
  name: 'run-dir' | 'state-dir',
  own: Environment,
  files?: readonly string[],
): Promise<string> {
  const { flags, environment } = await someBesideUnit(new Set([name]), {}, own, files);
  return settle(flags, environment).get(name)!.texts[0]!;
}

/** Pure. @param flags of the unit's command line @param unit its variables */
function combine(typed: GivenFlags, own: Environment, flags: GivenFlags, unit: Environment): Options {
  const namesOf = new Map(OPTION_ROWS.map(([name, row]) => [name, environmentNames(name, row)]));
  const given = (name: OptionName) =>
    typed[name]?.at(-1) ??
    namesOf
      .get(name)!
      .map(variable => own[variable])
      .find(Boolean);
  // With defaults, and the instance that the prefix makes.
  const settled = settle(flags, unit);
  const differs = (name: OptionName) => {
    const text = given(name);
    return text !== undefined && !meansTheSame(name, text, settled.get(name)?.texts.at(-1));
  };
  const dropped = new Set<string>(OPTION_ROWS.flatMap(([name]) => (given(name) === undefined ? [] : name)));
  for (const [names, also] of TOGETHER) {
    if (names.some(differs)) for (const name of [...names, ...also]) dropped.add(name);
  }
  // What the unit sends through TLS is sent nowhere else in the clear.
  const isTls = (text: string | undefined) => text?.trimStart().startsWith('https:');
  const endpoints = given('etcd-endpoints');
  if (endpoints !== undefined && !isTls(endpoints) && isTls(settled.get('etcd-endpoints')?.texts.at(-1))) {
    for (const name of CREDENTIALS) dropped.add(name);
  }
  const droppedVariables = new Set([...dropped].flatMap(name => namesOf.get(name as OptionName) ?? []));
  const variables = new Set([...namesOf.values()].flat());
  // An empty one says nothing, so that it hides nothing either.
  const isSaid = (name: string) => !variables.has(name) || Boolean(own[name]);
  return {
    flags: { ...pick(flags, name => !dropped.has(name)), ...typed },
    environment: { ...pick(unit, name => !droppedVariables.has(name)), ...pick(own, isSaid) },
  };
}

/** Whether two texts of an option are one value, such as a prefix with a slash at its end and without. */
function meansTheSame(name: OptionName, a: string, b: string | undefined): boolean {
  if (a === b || b === undefined) return a === b;
  const [one, other] = [a, b].map(text => AGENT_OPTIONS[name].type.safeParse(text));
  return one!.success && other!.success && one!.data === other!.data;
}

function pick<T>(all: Readonly<Record<string, T>>, isWanted: (name: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => isWanted(name)));
}

function readWords(words: readonly string[]) {
  const flags: Record<string, string[]> = {};
  const unknown: string[] = [];
  const { args, missing } = fromGoFlags(words, AGENT_FLAG_KINDS);
  for (const word of args) {
    const [, name = '', value = ''] = /^--([\w-]+)=(.*)$/s.exec(word) ?? [];
    if (AGENT_FLAG_KINDS.has(name)) (flags[name] ??= []).push(value);
    else unknown.push(word);
  }
  return { flags, unknown, missing };
}

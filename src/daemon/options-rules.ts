/** Rules over several options, and what is said about flanneld's. Pure. */
import { FLANNEL_OPTIONS, judgeFlannelOption } from './options-flannel.js';
import type { AllGiven, Environment, GivenFlags } from './options-given.js';
import { environmentNames, OPTION_ROWS, type OptionName, type OptionValues } from './options-table.js';
import { LONGEST_SOCKET_PATH, socketPathOf } from './socket-path.js';

/**
 * Names each unknown flag without its value, which may be a secret behind a misspelt name; so a word behind an unknown
 * flag is taken for its value and not shown either.
 */
export function unknownFaults(unknown: readonly string[]): string[] {
  return unknown.flatMap((word, index) => {
    if (word.startsWith('-')) return [`${word.split('=', 1)[0]!}: unknown option`];
    return unknown[index - 1]?.startsWith('-') ? [] : [`${JSON.stringify(word)}: unexpected argument`];
  });
}

/** The unit's own, which makes words of the command line of it. */
const OPTIONS_VARIABLE = 'SELVEDGE_OPTIONS';

/** Names of variables that look like options of ours and are none. */
export function unknownVariables(environment: Environment): string[] {
  const options = OPTION_ROWS.flatMap(([name, row]) => environmentNames(name, row));
  const known = new Set([OPTIONS_VARIABLE, ...options]);
  return Object.keys(environment).filter(name => name.startsWith('SELVEDGE_') && !known.has(name));
}

/** Options that are of no use without each other, and those that exclude each other. */
export function pairFaults(given: AllGiven): string[] {
  const passwords = (['etcd-password', 'etcd-password-file'] as const).filter(name => given.has(name));
  const [password, passwordFile] = passwords.map(name => given.get(name)!.source);
  const faults: string[] = [];
  if (passwordFile !== undefined) faults.push(`${passwordFile}: cannot be given together with ${password!}`);
  const pairs: readonly (readonly [OptionName, OptionName])[] = [
    ['etcd-certfile', 'etcd-keyfile'],
    ['etcd-username', passwords[0] ?? 'etcd-password-file'],
  ];
  for (const [a, b] of pairs) {
    if (given.has(a) === given.has(b)) continue;
    const [there, missing] = given.has(a) ? [a, b] : [b, a];
    faults.push(`${given.get(there)!.source}: needs --${missing} too`);
  }
  return faults;
}

/** Files that would overwrite each other, and a socket path that the kernel would refuse. */
export function pathFaults(values: Partial<OptionValues>): string[] {
  const faults: string[] = [];
  const owners = new Map<string, string>();
  for (const name of ['subnet-file', 'docker-env-file', 'docker-opts-file'] as const) {
    const path = values[name];
    if (path === undefined) continue;
    const owner = owners.get(path);
    if (owner !== undefined) faults.push(`--${name}: ${JSON.stringify(path)} is the file of --${owner} too`);
    owners.set(path, name);
  }
  const { 'run-dir': runDir, instance } = values;
  if (runDir !== undefined && instance !== undefined) {
    const socket = socketPathOf(runDir, instance);
    if (Buffer.byteLength(socket) > LONGEST_SOCKET_PATH) {
      faults.push(`--run-dir: ${socket} must be at most ${LONGEST_SOCKET_PATH} bytes, for a unix socket`);
    }
  }
  return faults;
}

/** Whether the endpoints, which are all of one scheme, are https. */
export function usesTls(endpoints: readonly string[]): boolean {
  return endpoints.some(url => url.startsWith('https:'));
}

/** Notes and faults for the options that only flanneld has. */
export function judgeForeign(flags: GivenFlags, environment: Environment) {
  const notes: string[] = [];
  const faults: string[] = [];
  for (const [name, option] of Object.entries(FLANNEL_OPTIONS)) {
    const variable = environmentNames(name, { flannel: true })[1]!;
    const typed = flags[name]?.at(-1);
    const value = typed ?? environment[variable] ?? '';
    if (value === '') continue;
    const judgement = judgeFlannelOption(option, typed === undefined ? variable : `--${name}`, value);
    if (judgement.kind === 'note') notes.push(judgement.text);
    if (judgement.kind === 'fault') faults.push(judgement.text);
  }
  return { notes, faults };
}

/** What was given soundly and still is not what the operator may think. */
export function notesOn(flags: GivenFlags, given: AllGiven, values: Partial<OptionValues>) {
  const notes: string[] = [];
  if (!usesTls(values['etcd-endpoints'] ?? [])) {
    const tls = (['etcd-cafile', 'etcd-certfile', 'etcd-keyfile'] as const).filter(name => given.has(name));
    if (tls.length > 0) {
      notes.push(`${tls.map(name => given.get(name)!.source).join(', ')}: not used, the endpoints are http`);
    }
  }
  if (flags['etcd-password'] !== undefined && given.has('etcd-password')) {
    notes.push('--etcd-password: ps shows it to everybody on this host; use --etcd-password-file');
  }
  return notes;
}

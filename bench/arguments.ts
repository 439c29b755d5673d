/** The command line of `npm run bench`. Pure. */
import { parseArgs } from 'node:util';
import { MOST_PEERS } from './peers.js';

export interface Arguments {
  readonly only: readonly string[];
  readonly peers: readonly number[] | undefined;
  readonly rounds: number | undefined;
  /** A file, or `-` for standard output. */
  readonly json: string | undefined;
  readonly help: boolean;
}

/** @param benches name and title of each */
export function usage(benches: readonly { readonly name: string; readonly title: string }[]): string {
  const width = Math.max(...benches.map(({ name }) => name.length));
  return [
    'npm run bench [-- OPTION...]',
    '',
    '  --only NAME      one of the benches below; may be given several times, all by default',
    '  --peers N[,N]    with how many peers to measure',
    '  --rounds N       how often each contestant has its turn',
    '  --json FILE      writes all figures as JSON; - for standard output in the place of the tables',
    '',
    ...benches.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`),
    '',
    'Needs root: everything happens in network namespaces of its own, which are removed in the end.',
  ].join('\n');
}

/**
 * Reads the arguments.
 * @param names of all benches
 * @throws Error that says which argument is wrong
 */
export function readArguments(argv: readonly string[], names: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const unknown = values.only.find(name => !names.includes(name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: not one of ${names.join(', ')}`);
  return {
    only: values.only,
    peers: values.peers?.split(',').map(text => wholeNumber('--peers', text, MOST_PEERS)),
    rounds: values.rounds === undefined ? undefined : wholeNumber('--rounds', values.rounds, 1_000),
    json: values.json,
    help: values.help,
  };
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw new Error(`${option} ${text}: must be a whole number from 1 to ${most}`);
}

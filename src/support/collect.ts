/** Gets the pieces of a support archive, a few at a time, on a host that may be in trouble. Effects. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../daemon/operator-error.js';
import type { FindProgram } from '../dataplane/firewall/programs.js';
import type { Piece, Source } from './pieces.js';
import { runLimited, type Ran, type RunLimits } from './run.js';
import { withoutValues } from './variables.js';

/** Ten thousand peers in the kernel's words as JSON; more is cut. */
const MOST_BYTES = 8 * 1024 * 1024;
const PROGRAM_LIMITS: RunLimits = { milliseconds: 10_000, bytes: MOST_BYTES };
/** The slowest wait for an etcd that is away, and the host may be small. */
const AT_A_TIME = 4;
/** A doctor or a plan that waits for an etcd that is away. */
const SELVEDGE_LIMITS: RunLimits = { milliseconds: 40_000, bytes: MOST_BYTES };

/** A piece, had or not. */
export interface Collected {
  readonly name: string;
  /** What was run or read. */
  readonly how: string;
  /** Undefined: it could not be had. */
  readonly text: string | undefined;
  /** Why it could not be had, or what is wrong with it; empty when all is well. */
  readonly remark: string;
}

export interface CollectParts {
  /** Directory that stands for `/`. */
  readonly root: string;
  readonly findProgram: FindProgram;
  /** How `selvedge` itself is started. */
  readonly selvedge: readonly [program: string, ...args: string[]];
  /** For our own commands: where the agent's options stand. */
  readonly environment: NodeJS.ProcessEnv;
  /** Takes secrets out of whatever goes into the archive. */
  readonly clean: (text: string) => string;
}

/**
 * A piece that cannot be had is named with its reason, and keeps none of the others back.
 * @returns in the order of the pieces
 */
export async function collect(pieces: readonly Piece[], parts: CollectParts): Promise<readonly Collected[]> {
  const collected: Collected[] = [];
  const left = pieces.entries();
  const collectNext = async () => {
    for (const [i, piece] of left) collected[i] = await collectOne(piece, parts);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, collectNext));
  return collected;
}

async function collectOne(piece: Piece, parts: CollectParts): Promise<Collected> {
  const { name, source } = piece;
  const how = parts.clean(howOf(source));
  try {
    const { text, remark } = await read(piece, parts);
    return {
      name,
      how,
      text: text === undefined ? undefined : parts.clean(text),
      remark: parts.clean(remark),
    };
  } catch (error) {
    return { name, how, text: undefined, remark: parts.clean(messageOf(error)) };
  }
}

function howOf(source: Source): string {
  switch (source.kind) {
    case 'program':
      return source.argv.join(' ');
    case 'selvedge':
      return ['selvedge', ...source.args].join(' ');
    case 'file':
      return source.path;
    case 'variables':
      return `${source.path}, without the values of foreign variables`;
  }
}

interface Had {
  readonly text: string | undefined;
  readonly remark: string;
}

async function read(piece: Piece, parts: CollectParts): Promise<Had> {
  const { source } = piece;
  switch (source.kind) {
    case 'file':
      return readHead(join(parts.root, source.path));
    case 'variables': {
      const { text = '', remark } = await readHead(join(parts.root, source.path));
      return { text: withoutValues(text), remark };
    }
    case 'selvedge': {
      const [program, ...args] = parts.selvedge;
      const ran = await runLimited(program, [...args, ...source.args], parts.environment, SELVEDGE_LIMITS);
      return outcomeOf(piece, ran, SELVEDGE_LIMITS);
    }
    case 'program': {
      const [name = '', ...args] = source.argv;
      const path = await parts.findProgram(name);
      if (path === undefined) return { text: undefined, remark: `${name} is not installed` };
      const env = { PATH: process.env.PATH, LC_ALL: 'C' };
      return outcomeOf(piece, await runLimited(path, args, env, PROGRAM_LIMITS), PROGRAM_LIMITS);
    }
  }
}

function outcomeOf({ goodCodes = [0] }: Piece, ran: Ran, limits: RunLimits): Had {
  const { code, stdout, stderr, isCut, isLate } = ran;
  const complaint = stderr.trim();
  const isGood = code !== null && goodCodes.includes(code);
  const remarks = [
    ...(isLate ? [`ended after ${limits.milliseconds / 1000} s`] : []),
    ...(isLate || isGood ? [] : [code === null ? 'ended by a signal' : `exit code ${code}`]),
    ...(isCut ? [`cut at ${MOST_BYTES} bytes`] : []),
    ...(complaint === '' ? [] : [complaint.split('\n').slice(0, 5).join(' / ').slice(0, 500)]),
  ];
  return { text: stdout === '' && !isGood ? undefined : stdout, remark: remarks.join(': ') };
}

async function readHead(path: string): Promise<Had> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(MOST_BYTES);
    // Files in /proc have no size.
    const { bytesRead } = await file.read(buffer, 0, MOST_BYTES, 0);
    const remark = bytesRead === MOST_BYTES ? `cut at ${MOST_BYTES} bytes` : '';
    return { text: buffer.toString('utf8', 0, bytesRead), remark };
  } finally {
    await file.close();
  }
}

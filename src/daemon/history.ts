/**
 * How far this host has followed etcd, in `<state-dir>/<instance>/history.json`: by it the next start tells an etcd that
 * was restored to an earlier moment, or exchanged, while no agent ran.
 *
 * A file of its own: what is in state.json changes with this host, this with every write to etcd.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import * as z from 'zod';
import type { Position } from '../subnet/mirror.js';
import type { Facts } from './facts.js';
import { readFileIfPresent, type WriteFile } from './files.js';
import { messageOf } from './operator-error.js';
import type { AgentOptions } from './options.js';
import type { Clock } from './tasks.js';

const VERSION = 1;
/**
 * How often it is noted while etcd changes, and a note that failed tried again: what was written to etcd since the last note
 * is what a restore may undo unnoticed. Renewals are no changes; a network at rest costs no note.
 */
const NOTE_EVERY_MS = 5_000;

const shape = z.object({
  version: z.literal(VERSION),
  prefix: z.string(),
  clusterId: z.string(),
  revision: z.string().regex(/^\d{1,19}$/),
});

export function historyFileOf(instanceStateDir: string): string {
  return join(instanceStateDir, 'history.json');
}

/** @returns undefined when nothing was noted on this very prefix; a file that cannot be read is as none, and logged */
export async function recallHistory(
  { instanceStateDir, etcd }: Pick<AgentOptions, 'instanceStateDir' | 'etcd'>,
  log: Logger,
): Promise<Position | undefined> {
  const path = historyFileOf(instanceStateDir);
  try {
    const contents = await readFileIfPresent(path);
    if (contents === undefined) return undefined;
    const { prefix, clusterId, revision } = shape.parse(JSON.parse(contents));
    return prefix === etcd.prefix ? { clusterId, revision: BigInt(revision) } : undefined;
  } catch {
    log.warn(`${path} cannot be read: whether etcd is the one of before is not known`);
    return undefined;
  }
}

export interface HistoryParts {
  readonly options: Pick<AgentOptions, 'instanceStateDir' | 'etcd'>;
  readonly log: Logger;
  readonly facts: Facts;
  /** How far the mirror is. */
  readonly position: () => Position | undefined;
  readonly clock: Clock;
  readonly writeFile: WriteFile;
}

/**
 * Notes the position within seconds of its change, and when `signal` aborts. In doubt nothing is noted: an agent that is
 * restarted then must doubt again.
 */
export async function keepHistory(parts: HistoryParts, signal: AbortSignal): Promise<void> {
  const { facts, clock, position } = parts;
  let noted: Position | undefined;
  do {
    await clock.sleep(NOTE_EVERY_MS, signal);
    const reached = position();
    if (reached === undefined || facts.doubt?.state !== undefined || isDeepStrictEqual(reached, noted))
      continue;
    if (await note(reached, parts)) noted = reached;
  } while (!signal.aborted);
}

/** @returns whether the file says how far we are */
async function note(
  { clusterId, revision }: Position,
  { options, log, facts, writeFile }: HistoryParts,
): Promise<boolean> {
  const json = {
    version: VERSION,
    prefix: options.etcd.prefix,
    clusterId,
    revision: revision.toString(),
  } satisfies z.input<typeof shape>;
  try {
    await writeFile(historyFileOf(options.instanceStateDir), `${JSON.stringify(json, null, 2)}\n`);
    facts.historyError = undefined;
    return true;
  } catch (error) {
    const message = messageOf(error);
    if (facts.historyError !== message) log.error(message);
    facts.historyError = message;
    return false;
  }
}

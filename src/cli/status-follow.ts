/** Looking at the status more than once: until it is healthy, or until the operator has seen enough. Effects. */
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { StatusDocument } from '../daemon/status.js';
import { AgentUnreachableError } from './agent-client.js';

const POLL_MS = 250;
const REDRAW_MS = 2_000;
/** Cursor home, and erase from there on: without a flicker, and what was above stays in the scroll-back (ECMA-48 CUP, ED). */
const HOME = '\u001b[H';
const ERASE = '\u001b[J';
const ERASE_ALL = '\u001b[2J';

/** What a look at the agent gave. */
export type Look = { readonly document: StatusDocument } | { readonly failure: AgentUnreachableError };

/** One look; an agent that does not answer is a finding, too. */
export async function look(read: () => Promise<StatusDocument>): Promise<Look> {
  try {
    return { document: await read() };
  } catch (error) {
    if (error instanceof AgentUnreachableError) return { failure: error };
    throw error;
  }
}

/** Looks until the agent is healthy, or the time is over. @returns the last look */
export async function lookUntilHealthy(read: () => Promise<StatusDocument>, seconds: number): Promise<Look> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const seen = await look(read);
    if ('document' in seen && seen.document.verdict === 'healthy') return seen;
    const left = deadline - performance.now();
    if (left <= 0) return seen;
    await sleep(Math.min(POLL_MS, left));
  }
}

/** Where a picture is drawn again and again. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly rows?: number;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Draws what `picture` gives, every two seconds, until `signal` aborts: in place on a terminal, cut at its height; one after
 * the other elsewhere.
 */
export async function redraw(
  screen: Screen,
  picture: () => Promise<string>,
  signal: AbortSignal,
): Promise<void> {
  if (screen.isTTY === true) screen.write(ERASE_ALL);
  while (!signal.aborted) {
    const text = await picture();
    if (screen.isTTY === true) screen.write(`${HOME}${fitting(text, screen)}${ERASE}`);
    else screen.write(`${text}\n`);
    await sleep(REDRAW_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** What is left of the line before is erased with each line, and the last line stays free for the cursor. */
function fitting(text: string, { rows = Infinity, columns = Infinity }: Screen): string {
  const lines = text.split('\n');
  let used = 0;
  const ends = lines.map(line => (used += rowsOf(line, columns)));
  const shown =
    used <= rows ? lines : [...lines.filter((_, i) => ends[i]! <= rows - 2), '… (the window is too low)', ''];
  return shown.join('\u001b[K\n');
}

/** A line that is too long goes on in the next row. */
function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(Array.from(stripVTControlCharacters(line)).length / columns));
}

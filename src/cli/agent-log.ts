/** The agent's log on standard error: JSON lines, or lines for people. */
import { writeSync } from 'node:fs';
import { pino, type DestinationStream, type Logger } from 'pino';
import { loggedError } from '../daemon/logged-error.js';
import type { AgentOptions } from '../daemon/options.js';
import { printable } from './printable.js';
import { hasColour } from './terminal.js';

const STDERR = 2;

/** Synchronous, so that the last line before the end is written; to standard error, as flanneld does. */
export async function openLog(
  options: Pick<AgentOptions, 'instance' | 'logLevel' | 'logFormat'>,
): Promise<Logger> {
  const isPretty = options.logFormat === 'pretty';
  const format = isPretty ? await prettyFormat(hasColour(process.stderr, process.env)) : undefined;
  return pino(
    {
      level: options.logLevel,
      base: { instance: options.instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: loggedError },
    },
    format === undefined ? pino.destination({ dest: STDERR, sync: true }) : toStderr(format),
  );
}

/**
 * Makes lines for people: `[2026-01-31 08:15:00.123] WARN: etcd is away …`, the fields behind the message. The formatter alone is
 * used and none of its streams: no thread and no buffer stands between a line and its file.
 * @returns a line of pino's JSON → text with its newline
 */
export async function prettyFormat(colorize: boolean): Promise<(line: string) => string> {
  // An agent that writes JSON does not pay for the library.
  // The default export: a CommonJS module that is bundled has no other.
  const { default: pinoPretty } = await import('pino-pretty');
  const pretty = pinoPretty.prettyFactory({
    colorize,
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    ignore: 'instance',
    singleLine: true,
  });
  return line => pretty(withoutControls(JSON.parse(line) as LogLine));
}

interface LogLine {
  readonly err?: { readonly stack?: string };
}

/** Messages repeat what stands in etcd, which must not act on a terminal; only a stack has lines of its own. */
function withoutControls(line: LogLine): LogLine {
  const clean = printable(line);
  const stack = line.err?.stack;
  if (stack === undefined) return clean;
  return { ...clean, err: { ...clean.err, stack: stack.split('\n').map(printable).join('\n') } };
}

function toStderr(format: (line: string) => string): DestinationStream {
  return {
    write: line => {
      try {
        writeSync(STDERR, format(line));
      } catch (error) {
        // A reader that has gone, or is slow: as with JSON, no line of a log ends an agent.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EPIPE' && code !== 'EAGAIN') throw error;
      }
    },
  };
}

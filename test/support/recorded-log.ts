/** A log that a test can read. */
import { pino, type Logger } from 'pino';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** @returns a logger, and the lines that it has written so far */
export function recordedLog(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const log = pino(
    { level: 'debug', base: null, timestamp: false, formatters: { level: level => ({ level }) } },
    { write: line => void lines.push(JSON.parse(line) as LogLine) },
  );
  return { log, lines };
}

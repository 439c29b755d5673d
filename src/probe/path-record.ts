/** What the probes of one path to one peer have shown: loss, round-trip time, and a word that is not changed lightly. Pure. */

/**
 * Whether the other end answers. `untested`: too few probes to say; `never`: enough of them, and none was ever answered;
 * `silent`: it has answered before.
 */
export type Word = 'untested' | 'answers' | 'silent' | 'never';

export interface PathRecord {
  readonly word: Word;
  /** Probes in a row that came out alike: so many answered, or as a negative number so many lost. */
  readonly streak: number;
  /** Outcomes of the latest probes, a bit each, the newest lowest: 1 is lost. */
  readonly losses: number;
  /** How many bits of `losses` mean something. */
  readonly counted: number;
  /** Smoothed, milliseconds; undefined before the first answer. */
  readonly rttMs: number | undefined;
  /** When the last answer came, on the caller's clock. */
  readonly answeredAt: number | undefined;
}

export const UNTESTED: PathRecord = {
  ...{ word: 'untested', streak: 0, losses: 0, counted: 0, rttMs: undefined, answeredAt: undefined },
};

/** One packet is lost now and then on any network; three in a row are a word. */
const SILENT_AFTER = 3;
/** Back after silence: a single answer may be chance. */
const BACK_AFTER = 2;
/** Loss is counted over so many of the latest probes. */
const WINDOW = 20;
/** Weight of the newest round trip (RFC 6298). */
const RTT_WEIGHT = 1 / 8;
/** The first packets wait for neighbours to be resolved and for code to warm up: of these the quickest counts. */
const WARMING_UP = 3;

/** An answer came after `rttMs`. */
export function withAnswer(record: PathRecord, rttMs: number, now: number): PathRecord {
  const streak = Math.max(record.streak, 0) + 1;
  const isTrusted = record.word !== 'silent' || streak >= BACK_AFTER;
  return {
    word: isTrusted ? 'answers' : 'silent',
    streak,
    ...shifted(record, 0),
    rttMs: smoothed(record, rttMs),
    answeredAt: now,
  };
}

function smoothed({ rttMs, counted }: PathRecord, newest: number): number {
  if (rttMs === undefined) return newest;
  return counted < WARMING_UP ? Math.min(rttMs, newest) : rttMs + (newest - rttMs) * RTT_WEIGHT;
}

/** No answer came in time. */
export function withLoss(record: PathRecord): PathRecord {
  const streak = Math.min(record.streak, 0) - 1;
  return { ...record, streak, word: wordAfterLoss(record, streak), ...shifted(record, 1) };
}

function wordAfterLoss({ word, answeredAt }: PathRecord, streak: number): Word {
  if (-streak < SILENT_AFTER) return word;
  return answeredAt === undefined ? 'never' : 'silent';
}

function shifted({ losses, counted }: PathRecord, bit: 0 | 1): Pick<PathRecord, 'losses' | 'counted'> {
  const mask = 2 ** WINDOW - 1;
  return { losses: ((losses << 1) | bit) & mask, counted: Math.min(counted + 1, WINDOW) };
}

/** Whether the next few probes may change the word, so that they should come soon. */
export function isUnsettled({ word, streak }: PathRecord): boolean {
  if (word === 'answers') return streak < 0;
  return word === 'untested' || streak > 0;
}

/** Lost probes among the latest 20, per cent; undefined before the first. */
export function lossPercent({ losses, counted }: PathRecord): number | undefined {
  if (counted === 0) return undefined;
  let lost = 0;
  for (let rest = losses; rest !== 0; rest >>>= 1) lost += rest & 1;
  return Math.round((lost * 100) / counted);
}

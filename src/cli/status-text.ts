/** The status document as people read it: the verdict first, then what is wrong, then everything else. Pure. */
import type { PeerStatus, Problem, StatusDocument } from '../daemon/status.js';
import { statusFacts } from '../report/facts.js';
import {
  CONDITIONS,
  conditionOf,
  PEER_COLUMNS,
  peerCells,
  troubleFirst,
  UNPROBED_COLUMNS,
  WIDE_COLUMNS,
  widePeerCells,
  type Condition,
} from '../report/peers.js';
import { faultyLeases, verdictLine } from '../report/verdict.js';
import { formatColumns } from './columns.js';
import type { Paint, Tone } from './paint.js';
import { printable } from './printable.js';

/** Rows of a table before it is cut. */
const MOST_ROWS = 20;

export interface RenderOptions {
  /** What ages are counted from. */
  readonly now: Date;
  /** Show every row of every table. */
  readonly all: boolean;
  /** Show every row and every column. */
  readonly wide: boolean;
  readonly paint: Paint;
}

/** @returns lines with a newline at the end; without its colours it is the same text */
export function renderStatus(document: StatusDocument, options: RenderOptions): string {
  const status = printable(document);
  const sections = [
    paintedVerdict(status, options),
    ...status.problems.map(problem => renderProblem(problem, options.paint)),
    renderPeers(status, options),
    renderSetAside(status, options),
    renderFacts(status, options.now),
  ];
  return `${sections.filter(section => section !== '').join('\n\n')}\n`;
}

/** The verdict, and the codes of what is wrong, in one line. */
export function renderBrief(document: StatusDocument, options: RenderOptions): string {
  const status = printable(document);
  const codes = status.problems.map(({ code }) => code);
  return `${[paintedVerdict(status, options), ...new Set(codes)].join(' · ')}\n`;
}

const VERDICT_TONES = { healthy: 'good', degraded: 'bad', starting: 'warning' } as const;

function paintedVerdict(status: StatusDocument, { now, paint }: RenderOptions): string {
  const { verdict } = status;
  return paint(VERDICT_TONES[verdict], verdict) + verdictLine(status, now).slice(verdict.length);
}

function renderProblem(problem: Problem, paint: Paint): string {
  const isWarning = problem.severity === 'warning';
  return [
    paint(isWarning ? 'warning' : 'bad', `${isWarning ? 'warning' : 'problem'} ${problem.code}`),
    `  seen   ${problem.seen}`,
    `  cause  ${problem.cause}`,
    `  next   ${problem.next}`,
  ].join('\n');
}

/** Of rows that are to be looked at; the others are left as they are. */
const CONDITION_TONES: Readonly<Partial<Record<Condition, Tone>>> = {
  failing: 'bad',
  pending: 'warning',
  unreachable: 'bad',
  'overlay-blocked': 'bad',
  'black-hole': 'bad',
  fragmented: 'warning',
};

function renderPeers({ peers }: StatusDocument, { all, wide, now, paint }: RenderOptions): string {
  if (peers.length === 0) return '';
  const sorted = troubleFirst(peers);
  const shown = all || wide ? sorted : sorted.slice(0, MOST_ROWS);
  const isProbed = peers.some(({ probe }) => probe !== null);
  const titles = wide ? WIDE_COLUMNS : PEER_COLUMNS.slice(0, isProbed ? undefined : UNPROBED_COLUMNS);
  const cells = wide ? widePeerCells : peerCells;
  const lines = formatColumns(
    titles,
    shown.map(peer => cells(peer, now).slice(0, titles.length)),
  ).split('\n');
  const table = lines.map((line, i) => {
    const tone = i === 0 ? 'dim' : CONDITION_TONES[conditionOf(shown[i - 1]!)];
    return tone === undefined ? line : paint(tone, line);
  });
  const hidden = sorted.slice(shown.length);
  return hidden.length === 0 ? table.join('\n') : [...table, cutLine(hidden, isProbed)].join('\n');
}

/** @param isProbed whether probes tell of some peers: then those of which they do not are only called programmed */
function cutLine(hidden: readonly PeerStatus[], isProbed: boolean): string {
  const counts = new Map<string, number>(CONDITIONS.map(condition => [condition, 0]));
  for (const peer of hidden) {
    const condition = conditionOf(peer);
    counts.set(condition, counts.get(condition)! + 1);
  }
  const isHealthy = (condition: string) =>
    condition === 'reachable' || (!isProbed && condition === 'programmed');
  const words = Array.from(counts)
    .filter(([, count]) => count > 0)
    .map(([condition, count]) => `${count} ${isHealthy(condition) ? 'healthy' : condition}`);
  return `… and ${words.join(', ')} (use --all)`;
}

function renderSetAside(status: StatusDocument, { all, wide, paint }: RenderOptions): string {
  const setAside = faultyLeases(status);
  if (setAside.length === 0) return '';
  const shown = all || wide ? setAside : setAside.slice(0, MOST_ROWS);
  const [titles = '', ...rows] = formatColumns(
    ['SET ASIDE', 'CODE', 'REASON'],
    shown.map(({ key, code, reason }) => [key, code, reason]),
  ).split('\n');
  const table = [paint('dim', titles), ...rows].join('\n');
  const hidden = setAside.length - shown.length;
  return hidden === 0 ? table : `${table}\n… and ${hidden} more (use --all)`;
}

/** Everything else: a name, and beside it one line or several. */
function renderFacts(status: StatusDocument, now: Date): string {
  const facts = statusFacts(status, now);
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts
    .flatMap(([name, lines]) => lines.map((line, i) => `${(i === 0 ? name : '').padEnd(width)}  ${line}`))
    .join('\n');
}

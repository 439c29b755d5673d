/** The status document as people read it: the verdict first, then what is wrong, then everything else. Pure. */
import type { PeerStatus, Problem, StatusDocument } from '../daemon/status.js';
import { statusFacts } from '../report/facts.js';
import {
  CONDITIONS,
  conditionOf,
  isWell,
  PEER_COLUMNS,
  peerCells,
  troubleFirst,
  UNPROBED_COLUMNS,
} from '../report/peers.js';
import { faultyLeases, verdictLine } from '../report/verdict.js';
import { formatColumns } from './columns.js';
import { printable } from './printable.js';

/** Rows of a table before it is cut. */
const MOST_ROWS = 20;

export interface RenderOptions {
  /** What ages are counted from. */
  readonly now: Date;
  /** Show every row of every table. */
  readonly all: boolean;
}

/** @returns lines with a newline at the end; no colours, so that a pipe gets what a terminal gets */
export function renderStatus(document: StatusDocument, options: RenderOptions): string {
  const status = printable(document);
  const sections = [
    verdictLine(status, options.now),
    ...status.problems.map(renderProblem),
    renderPeers(status.peers, options),
    renderSetAside(status, options),
    renderFacts(status, options.now),
  ];
  return `${sections.filter(section => section !== '').join('\n\n')}\n`;
}

/** The verdict, and the codes of what is wrong, in one line. */
export function renderBrief(document: StatusDocument, now: Date): string {
  const status = printable(document);
  const codes = status.problems.map(({ code }) => code);
  return `${[verdictLine(status, now), ...new Set(codes)].join(' · ')}\n`;
}

function renderProblem(problem: Problem): string {
  return [
    `${problem.severity === 'warning' ? 'warning' : 'problem'} ${problem.code}`,
    `  seen   ${problem.seen}`,
    `  cause  ${problem.cause}`,
    `  next   ${problem.next}`,
  ].join('\n');
}

function renderPeers(peers: readonly PeerStatus[], { all, now }: RenderOptions): string {
  if (peers.length === 0) return '';
  const sorted = troubleFirst(peers);
  const shown = all ? sorted : sorted.slice(0, MOST_ROWS);
  const columns = peers.some(({ probe }) => probe !== null) ? PEER_COLUMNS.length : UNPROBED_COLUMNS;
  const table = formatColumns(
    PEER_COLUMNS.slice(0, columns),
    shown.map(peer => peerCells(peer, now).slice(0, columns)),
  );
  const hidden = sorted.slice(shown.length).map(conditionOf);
  if (hidden.length === 0) return table;
  const counts = CONDITIONS.filter(condition => !isWell(condition)).flatMap(condition => {
    const count = hidden.filter(each => each === condition).length;
    return count === 0 ? [] : [`${count} ${condition}`];
  });
  const healthy = hidden.filter(isWell).length;
  if (healthy > 0) counts.push(`${healthy} healthy`);
  return `${table}\n… and ${counts.join(', ')} (use --all)`;
}

function renderSetAside(status: StatusDocument, options: RenderOptions): string {
  const setAside = faultyLeases(status);
  if (setAside.length === 0) return '';
  const shown = options.all ? setAside : setAside.slice(0, MOST_ROWS);
  const table = formatColumns(
    ['SET ASIDE', 'CODE', 'REASON'],
    shown.map(({ key, code, reason }) => [key, code, reason]),
  );
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

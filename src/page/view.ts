/** The status document on the page: the verdict first, then what is wrong, then the peers, then everything else. */
import type { Problem, StatusDocument } from '../daemon/status.js';
import { statusFacts } from '../report/facts.js';
import { statusFigures } from '../report/figures.js';
import {
  conditionOf,
  matches,
  PEER_COLUMNS,
  peerCells,
  troubleFirst,
  type Condition,
} from '../report/peers.js';
import { faultyLeases, verdictReason } from '../report/verdict.js';
import { elementById, replaceIfChanged, setText, textElement } from './elements.js';
import { KeyedTable } from './keyed-table.js';

/** More rows than anybody reads make a browser slow; the filter finds the others. */
const MOST_ROWS = 2_000;

/** @returns draws a document as it is at a moment of the agent's clock; told again of the same one it changes ages only */
export function createView(): (status: StatusDocument, now: Date) => void {
  const filter = elementById('filter') as HTMLInputElement;
  const peers = new KeyedTable(elementById('peers') as HTMLTableSectionElement, PEER_COLUMNS);
  const setAside = new KeyedTable(elementById('set-aside') as HTMLTableSectionElement, SET_ASIDE_COLUMNS);
  let shown: StatusDocument | undefined;
  let shownAt = new Date();
  const showPeers = () => {
    if (shown !== undefined) drawPeers(peers, shown, shownAt, filter.value.trim());
  };
  filter.addEventListener('input', showPeers);
  return (status, now) => {
    const isNew = status !== shown;
    shown = status;
    shownAt = now;
    drawTop(status, now);
    drawFacts(status, now);
    if (!isNew) return;
    showPeers();
    const faulty = faultyLeases(status).slice(0, MOST_ROWS);
    elementById('set-aside-part').hidden = faulty.length === 0;
    setAside.show(faulty.map(({ key, code, reason }) => ({ key, cells: [key, code, reason], tone: '' })));
  };
}

const SET_ASIDE_COLUMNS = ['LEASE', 'CODE', 'REASON'];

/** As the style has them; what the kernel refuses is told at length. */
const TONES: Readonly<Record<Condition, 'failing refused' | 'failing' | 'pending' | 'programmed'>> = {
  failing: 'failing refused',
  pending: 'pending',
  unreachable: 'failing',
  'overlay-blocked': 'failing',
  'black-hole': 'failing',
  fragmented: 'pending',
  programmed: 'programmed',
  reachable: 'programmed',
};

function drawTop(status: StatusDocument, now: Date): void {
  const subnet = status.lease?.subnet ?? 'no lease';
  const address = status.underlay === null ? '' : ` · ${status.underlay.publicIp}`;
  const title = `${status.verdict} · ${subnet} · selvedge`;
  if (document.title !== title) document.title = title;
  if (document.body.dataset.verdict !== status.verdict) document.body.dataset.verdict = status.verdict;
  setText(elementById('where'), `selvedge · ${status.agent.instance}${address}`);
  // Apart from the rest, for this alone is read out by a screen reader when it changes.
  setText(elementById('word'), status.verdict);
  setText(elementById('reason'), verdictReason(status));
  const figures = statusFigures(status, now);
  replaceIfChanged(elementById('figures'), figures, () =>
    figures.map(({ name, value, note, isTrouble }) => {
      const figure = textElement('div', '', isTrouble ? 'trouble' : '');
      figure.append(textElement('dt', name), textElement('dd', value), textElement('dd', note, 'note'));
      return figure;
    }),
  );
  replaceIfChanged(elementById('problems'), status.problems, () => status.problems.map(problemElement));
}

function problemElement({ severity, code, seen, cause, next }: Problem): HTMLElement {
  const element = textElement('section', '', severity);
  const list = document.createElement('dl');
  list.append(textElement('dt', 'seen'), textElement('dd', seen));
  list.append(textElement('dt', 'cause'), textElement('dd', cause));
  const command = document.createElement('dd');
  command.append(textElement('code', next));
  list.append(textElement('dt', 'next'), command);
  element.append(textElement('h2', `${severity === 'warning' ? 'warning' : 'problem'} ${code}`), list);
  return element;
}

function drawPeers(table: KeyedTable, { peers }: StatusDocument, now: Date, search: string): void {
  const rows = troubleFirst(peers).map(peer => ({
    key: peer.subnet,
    cells: peerCells(peer, now),
    tone: TONES[conditionOf(peer)],
  }));
  const found = search === '' ? rows : rows.filter(({ cells }) => matches(cells, search));
  table.show(found.slice(0, MOST_ROWS));
  const cut = found.length > MOST_ROWS ? `, the first ${MOST_ROWS} are shown` : '';
  const all = `${peers.length} ${peers.length === 1 ? 'peer' : 'peers'}`;
  setText(elementById('peer-count'), search === '' ? `${all}${cut}` : `${found.length} of ${all}${cut}`);
}

function drawFacts(status: StatusDocument, now: Date): void {
  const facts = statusFacts(status, now);
  replaceIfChanged(elementById('facts'), facts, () =>
    facts.flatMap(([name, lines]) => [
      textElement('dt', name),
      ...lines.map(line => textElement('dd', line)),
    ]),
  );
}

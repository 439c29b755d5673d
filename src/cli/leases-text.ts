/** The list of leases as people read it: the verdict first, then a lease a line. Pure. */
import { formatDuration } from '../daemon/duration.js';
import { formatColumns } from './columns.js';
import type { LeaseRow, LeasesDocument } from './leases-document.js';
import { printable } from './printable.js';

const HEADER = ['SUBNET', 'HOST', 'PUBLIC IP', 'BACKEND', 'SINCE', 'REFRESHED', 'LEFT', 'STATE'];

/**
 * The list is never cut: who asks for the leases wants them, and a pipe gets what a terminal gets.
 * @param now what ages are counted from
 * @returns lines with a newline at the end
 */
export function renderLeases(document: LeasesDocument, now: Date): string {
  const shown = printable(document);
  const table =
    shown.leases.length === 0
      ? []
      : [
          '',
          formatColumns(
            HEADER,
            shown.leases.map(row => cells(row, now)),
          ),
        ];
  return `${[verdictLine(shown), ...configFaults(shown), ...table].join('\n')}\n`;
}

function verdictLine({ counts, range, config }: LeasesDocument): string {
  const reserved = counts.reserved + counts['reserved-unused'];
  const unused = counts['reserved-unused'] === 0 ? '' : ` (${counts['reserved-unused']} unused)`;
  const parts = [
    ...(config.state === 'usable' ? [`${counts.ok} leased`, `${reserved} reserved${unused}`] : []),
    ...(counts.unjudged === 0 ? [] : [`${counts.unjudged} leases or reservations`]),
    ...(counts['set-aside'] === 0 ? [] : [`${counts['set-aside']} set aside`]),
  ];
  return [parts.join(', '), range === null ? whyNoRange(config) : freeSubnets(range)]
    .filter(part => part !== '')
    .join(' · ');
}

function freeSubnets({ total, free }: NonNullable<LeasesDocument['range']>): string {
  return `${free} of ${total} subnets free (${Math.floor((free / total) * 100)} %)`;
}

function whyNoRange({ state, key }: LeasesDocument['config']): string {
  return state === 'missing'
    ? `there is no config at ${key}: nothing is judged by it`
    : `the config at ${key} cannot be used: nothing is judged by it`;
}

function configFaults({ config }: LeasesDocument): string[] {
  return config.faults.map(fault => `  ${fault}`);
}

function cells(row: LeaseRow, now: Date): string[] {
  return [
    row.subnet ?? row.key,
    row.host ?? '-',
    row.publicIp ?? '-',
    row.backend === null || row.backend === '' ? '-' : row.backend,
    row.since === null ? '-' : `${formatDuration(now.getTime() - Date.parse(row.since))} ago`,
    row.refreshedSecondsAgo === null ? '-' : `${formatSeconds(row.refreshedSecondsAgo)} ago`,
    row.secondsLeft === null ? '-' : formatSeconds(row.secondsLeft),
    [stateText(row), ...row.notes].join('; '),
  ];
}

function formatSeconds(seconds: number): string {
  return formatDuration(seconds * 1000);
}

function stateText({ state, code, reason }: LeaseRow): string {
  switch (state) {
    case 'ok':
    case 'reserved':
      return state;
    case 'reserved-unused':
      return 'reserved, unused';
    case 'unjudged':
      return 'not judged';
    case 'set-aside':
      return `set aside: ${code ?? ''}: ${reason ?? ''}`;
  }
}

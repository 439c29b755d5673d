/** What the doctor found, as people read it: causes with what follows from them, then what could not be looked at. Pure. */
import type { DoctorDocument, ToldFinding } from '../doctor/report.js';
import { formatColumns } from './columns.js';
import { printable } from './printable.js';

/** @returns lines with a newline at the end; no colours, so that a pipe gets what a terminal gets */
export function renderDoctor(document: DoctorDocument): string {
  const doctor = printable(document);
  const sections = [summary(doctor), ...doctor.findings.map(renderFinding), renderNotChecked(doctor)];
  return `${sections.filter(section => section !== '').join('\n\n')}\n`;
}

function summary({ findings, notChecked, checks }: DoctorDocument): string {
  const following = countFollowing(findings);
  const found = [
    findings.length === 0 ? 'nothing found' : `${findings.length} found`,
    ...(following === 0 ? [] : [`${following} more that follow${following === 1 ? 's' : ''}`]),
  ].join(', ');
  const left = notChecked.length === 0 ? '' : `, ${notChecked.length} could not be looked at`;
  return `${found} · ${checks} checks${left}`;
}

function countFollowing(findings: readonly ToldFinding[]): number {
  return findings.reduce((sum, { follows }) => sum + follows.length + countFollowing(follows), 0);
}

function renderFinding(finding: ToldFinding): string {
  return [
    `${finding.severity === 'warning' ? 'warning' : 'problem'} ${finding.code}`,
    `  seen   ${finding.seen}`,
    `  cause  ${finding.cause}`,
    `  next   ${finding.next}`,
    ...(finding.fixable ? ['  fix    selvedge doctor --fix does it'] : []),
    ...finding.follows.flatMap(each => renderFollowing(each, '  ')),
  ].join('\n');
}

function renderFollowing({ code, seen, follows }: ToldFinding, indent: string): string[] {
  return [
    `${indent}so     ${code}: ${seen}`,
    ...follows.flatMap(each => renderFollowing(each, `${indent}  `)),
  ];
}

function renderNotChecked({ notChecked }: DoctorDocument): string {
  if (notChecked.length === 0) return '';
  return formatColumns(
    ['NOT CHECKED', 'WHY'],
    notChecked.map(({ about, why }) => [about, why]),
  );
}

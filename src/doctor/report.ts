/** What the doctor tells: one typed document, and the text for people. Pure. */
import { CHECKS } from './checks/index.js';
import { examine } from './check.js';
import { isFindingCode } from './codes.js';
import type { HostFacts } from './facts.js';
import type { Finding, NotChecked } from './finding.js';
import { fold, type FoldedFinding } from './fold.js';

/** Of the JSON; raised when a field is removed or changes its meaning. */
export const DOCTOR_VERSION = 1;

export interface ToldFinding {
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly seen: string;
  readonly cause: string;
  /** The next command to run. */
  readonly next: string;
  /** The page that says more, below the project's root; null for a code of a newer agent. */
  readonly page: string | null;
  /** Whether `--fix` mends it. */
  readonly fixable: boolean;
  /** What comes of it, as far as that was found too. */
  readonly follows: readonly ToldFinding[];
}

export interface DoctorDocument {
  readonly version: typeof DOCTOR_VERSION;
  /** The instance that was looked at. */
  readonly instance: string;
  /** The most important first. */
  readonly findings: readonly ToldFinding[];
  /** What could not be looked at: it may be fine or not. */
  readonly notChecked: readonly NotChecked[];
  /** How many things were looked at. */
  readonly checks: number;
}

/** @returns what was found, and the document that tells it */
export function diagnose(host: HostFacts): {
  readonly findings: readonly Finding[];
  readonly document: DoctorDocument;
} {
  const { findings, notChecked, checks } = examine(host, CHECKS);
  const { instance } = host.options;
  const told = fold(findings).map(tell);
  return { findings, document: { version: DOCTOR_VERSION, instance, findings: told, notChecked, checks } };
}

function tell({ code, severity, seen, cause, next, fix, follows }: FoldedFinding): ToldFinding {
  const page = isFindingCode(code) ? `docs/problems/${code}.md` : null;
  return { code, severity, seen, cause, next, page, fixable: fix !== undefined, follows: follows.map(tell) };
}

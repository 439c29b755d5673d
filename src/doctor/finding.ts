/** What the checks come to. Pure. */
import type { Entry } from '../dataplane/model.js';
import type { Lack } from '../daemon/host-setup/judge.js';
import { severityOf, type FindingCode } from './codes.js';

/** What `--fix` may do: nothing that is another's. */
export type Fix =
  | Exclude<Lack['remedy'], { readonly kind: 'by-hand' }>
  /** Entries of ours that lead nowhere, while no agent runs. */
  | { readonly kind: 'remove'; readonly entries: readonly Entry[] };

/** Something that an operator should act on. */
export interface Finding {
  /** A code of the registry, or one of a newer agent. */
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly seen: string;
  readonly cause: string;
  /** The next command to run. */
  readonly next: string;
  readonly fix?: Fix;
}

/** Something that could not be looked at: never to be taken for fine. */
export interface NotChecked {
  readonly about: string;
  readonly why: string;
}

/** A finding of the doctor's own. */
export function finding(code: FindingCode, seen: string, cause: string, next: string, fix?: Fix): Finding {
  return { code, severity: severityOf(code), seen, cause, next, ...(fix && { fix }) };
}

/** More of these than an operator reads are counted, not listed. */
const MOST_LISTED = 5;

/** The first few, and how many more. */
export function listed(items: readonly string[]): string {
  const rest = items.length - MOST_LISTED;
  return items.slice(0, MOST_LISTED).join('; ') + (rest > 0 ? `; and ${rest} more` : '');
}

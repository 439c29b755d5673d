/** The form of a check, and how all of them are made. Pure. */
import { FINDING_CODES } from './codes.js';
import type { FactName, FactValues, HostFacts } from './facts.js';
import type { Finding, NotChecked } from './finding.js';

/** What a check comes to: findings, and parts of it that could not be looked at. */
export type Outcome = readonly (Finding | NotChecked)[];

/** One thing that is looked at. */
export interface Check {
  /** For people, such as `clock against etcd`. */
  readonly about: string;
  /** Facts without which nothing can be said. */
  readonly needs: readonly FactName[];
  readonly check: (host: HostFacts) => Outcome;
}

/**
 * A check with the facts that it needs.
 * @param check gets these facts, and the host for those that it can do without
 */
export function row<N extends FactName>(
  about: string,
  needs: readonly N[],
  check: (facts: Pick<FactValues, N>, host: HostFacts) => Outcome,
): Check {
  const take = (host: HostFacts) => {
    const entries = needs.map(name => {
      const fact = host.facts[name];
      return [name, fact.ok ? fact.value : undefined];
    });
    return check(Object.fromEntries(entries) as Pick<FactValues, N>, host);
  };
  return { about, needs, check: take };
}

/** What all checks came to. */
export interface Examination {
  /** What matters most first. */
  readonly findings: readonly Finding[];
  readonly notChecked: readonly NotChecked[];
  /** How many checks there are. */
  readonly checks: number;
}

/**
 * Makes all checks. A fault of one of them is told, and takes nothing from the others.
 * @param checks in the order in which their word counts: a code that an earlier one tells is not told again
 */
export function examine(host: HostFacts, checks: readonly Check[]): Examination {
  const findings: Finding[] = [];
  const notChecked: NotChecked[] = [];
  for (const check of checks) {
    const told = new Set(findings.map(({ code }) => code));
    for (const outcome of carryOut(check, host)) {
      if ('about' in outcome) notChecked.push(outcome);
      else if (!told.has(outcome.code)) findings.push(outcome);
    }
  }
  return { findings: findings.toSorted(byWeight), notChecked, checks: checks.length };
}

function carryOut({ about, needs, check }: Check, host: HostFacts): Outcome {
  const missing = needs.flatMap(name => {
    const fact = host.facts[name];
    return fact.ok ? [] : [fact.why];
  });
  if (missing.length > 0) return [{ about, why: [...new Set(missing)].join('; ') }];
  try {
    return check(host);
  } catch (error) {
    return [{ about, why: `a fault of this program: ${String(error)}` }];
  }
}

/** Errors first, then in the order of the registry; codes of a newer agent come last. */
function byWeight(a: Finding, b: Finding): number {
  const isWarning = ({ severity }: Finding) => Number(severity === 'warning');
  return isWarning(a) - isWarning(b) || rankOf(a.code) - rankOf(b.code);
}

function rankOf(code: string): number {
  const rank = (FINDING_CODES as readonly string[]).indexOf(code);
  return rank < 0 ? FINDING_CODES.length : rank;
}

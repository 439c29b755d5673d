/** A plan for people: a line for each change, a sum, and what else there is to say. Pure. */
import type { Plan } from '../daemon/plan/plan.js';
import type { PlannedChange } from '../daemon/plan/changes.js';
import { formatColumns } from './columns.js';
import { printable } from './printable.js';

/** @returns lines, each with its newline */
export function renderPlan(plan: Plan): string {
  const { changes, isComplete, status } = printable(plan);
  const lines: string[] = [];
  if (changes.length > 0)
    lines.push(
      formatColumns(
        ['ACTION', 'WHERE', 'WHAT'],
        changes.map(({ action, where, what }) => [action, where, what]),
      ),
      '',
    );
  for (const { code, seen, next } of status.problems) lines.push(`${code}: ${seen}`, `  next: ${next}`);
  for (const { wanted, found } of status.dataPlane?.conflicts ?? [])
    lines.push(`in the way, and left alone: ${found}`, `  of: ${wanted}`);
  if (!isComplete)
    lines.push(`the plan ends here: an agent would wait for ${status.awaiting ?? 'the kernel'}`);
  lines.push(sum(changes, isComplete));
  return `${lines.join('\n')}\n`;
}

function sum(changes: readonly PlannedChange[], isComplete: boolean): string {
  if (changes.length === 0)
    return isComplete ? 'nothing to change: this host is as an agent wants it' : 'nothing so far';
  const actions = ['create', 'change', 'remove', 'write'] as const;
  const counts = actions.map(
    action => [action, changes.filter(change => change.action === action).length] as const,
  );
  const parts = counts.filter(([, count]) => count > 0).map(([action, count]) => `${count} to ${action}`);
  return `${changes.length} ${changes.length === 1 ? 'change' : 'changes'}: ${parts.join(', ')}; none was made`;
}

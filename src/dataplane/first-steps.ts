/** What the kernel must be told before some replacing takes effect. Pure. */
import { kindOf } from './kinds/index.js';
import type { Op } from './diff.js';

/** An op that goes before another. */
export interface PlacedStep {
  readonly op: Op;
  /** Place of the one that needs it. */
  readonly place: number;
}

/** The first steps of these ops, in their order; of nearly all there are none. */
export function firstStepsOf(ops: readonly Op[]): readonly PlacedStep[] {
  const steps: PlacedStep[] = [];
  // Of tens of thousands at a start, none is a replacing.
  if (!ops.some(({ kind }) => kind === 'replace')) return steps;
  for (const [place, op] of ops.entries()) {
    if (op.kind !== 'replace') continue;
    const step = kindOf(op.entry).firstStep?.(op.entry, op.held);
    if (step !== undefined) steps.push({ op: step, place });
  }
  return steps;
}

/**
 * Trouble by the place of the op that has it, a first step's at the place of the op that needed it.
 * @param troubles of all first steps and then all ops, by their place in that list
 */
export function atTheirOps<T>(
  troubles: ReadonlyMap<number, T>,
  steps: readonly PlacedStep[],
): ReadonlyMap<number, T> {
  const placeOf = (index: number) => steps[index]?.place ?? index - steps.length;
  return new Map([...troubles].map(([index, trouble]) => [placeOf(index), trouble]));
}

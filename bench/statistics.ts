/** Several rounds of one measurement, and what they say. */

/** One figure of several rounds, all in one unit. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly rounds: number;
}

/**
 * Sums up a figure that was measured once in each round.
 * @throws RangeError without any value
 */
export function spreadOf(values: readonly number[]): Spread {
  const [median, least, most] = [quantile(values, 0.5), quantile(values, 0), quantile(values, 1)];
  return { median, least, most, rounds: values.length };
}

/**
 * The smallest value that is not exceeded by this share of all (nearest rank, no interpolation: a value that was seen).
 * @param share 0 to 1; 0.99 for the 99th percentile
 * @throws RangeError without any value
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('no value was measured');
  return value;
}

/**
 * Lets contestants take turns, so that a load that comes and goes meets all of them alike.
 * @param contestants each measures itself once; undefined is one that cannot take part
 * @returns what each measured, in the order of the rounds
 */
export async function alternate<K extends string>(
  rounds: number,
  contestants: Readonly<Record<K, (() => Promise<number>) | undefined>>,
): Promise<Record<K, number[]>> {
  const names = Object.keys(contestants) as K[];
  const measured = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const turn = contestants[name];
      if (turn !== undefined) measured[name].push(await turn());
    }
  }
  return measured;
}

/** A burst in the log: the first few of it in full, and how many there are more. Pure. */

/** So many at once are told in full. */
export const TOLD_IN_FULL = 10;

/**
 * Tells what happened at once.
 * @param tell is given the first few, one at a time
 * @param tellRest is given how many there are besides, if any
 */
export function tellFew<T>(
  items: readonly T[],
  tell: (item: T) => void,
  tellRest: (count: number) => void,
): void {
  for (const item of items.slice(0, TOLD_IN_FULL)) tell(item);
  if (items.length > TOLD_IN_FULL) tellRest(items.length - TOLD_IN_FULL);
}

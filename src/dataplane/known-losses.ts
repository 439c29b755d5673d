/**
 * What a change of a device has certainly taken along, so that it can be put back before everything is read: with ten
 * thousand peers the reading takes longer than the putting back. Pure.
 *
 * The kernel flushes a device's permanent neighbours when its MAC is written, even if it is the same (net/core/neighbour.c,
 * neigh_changeaddr), and when it is set down or its last IPv4 address goes (net/ipv4/fib_frontend.c, fib_disable_ip).
 */
import type { Op } from './diff.js';
import { keyOf } from './kinds/index.js';
import type { Mended } from './link-keeper.js';
import type { Entry } from './model.js';

/**
 * Puts back the host's addresses that are gone, and all neighbours of devices that were flushed. Those replace what is
 * there, since all on our own devices is ours; of a device that is bare of addresses some may be there, for peers that
 * came after its address went.
 * @param mended the devices that have been touched just now
 * @param host what the host itself needs
 * @param addresses all that are there
 * @param wanted all desired entries
 */
export function opsAgainstLosses(
  mended: readonly Mended[],
  host: readonly Entry[],
  addresses: readonly Entry[],
  wanted: Iterable<Entry>,
): readonly Op[] {
  // On a device that has just been made there is nothing yet, and to read that takes no time.
  const made = new Set(mended.filter(({ isNew }) => isNew).map(({ device }) => device));
  const present = new Set(addresses.map(keyOf));
  const lost = host
    .filter(entry => entry.kind === 'address')
    .filter(entry => !made.has(entry.device) && !present.has(keyOf(entry)));
  const addressed = new Set(addresses.map(({ device }) => device));
  const flushed = new Set([
    ...mended.filter(({ isFlushed }) => isFlushed).map(({ device }) => device),
    ...lost.map(({ device }) => device).filter(device => !addressed.has(device)),
  ]);
  const ops: Op[] = lost.map(entry => ({ kind: 'create', entry }));
  if (flushed.size === 0) return ops;
  for (const entry of wanted) {
    if (entry.kind === 'neighbour' && flushed.has(entry.device)) ops.push({ kind: 'create', entry });
  }
  return ops;
}

/** A keeper of entries with nexthop objects for any number of peers, before a kernel of which `apply` alone is asked. */
import { EntryKeeper } from '../../src/dataplane/entry-keeper.js';
import type { Kernel } from '../../src/dataplane/kernel.js';
import { ALWAYS, OWNERSHIP } from './dataplane.js';
import { recordedLog } from './recorded-log.js';

export function keeperOn(apply: Kernel['apply']) {
  const kernel: Pick<Kernel, 'apply' | 'hasNexthops'> = { hasNexthops: true, apply };
  const { log, lines } = recordedLog();
  let doubts = 0;
  const keeper = new EntryKeeper({
    kernel: kernel as Kernel,
    ownership: OWNERSHIP,
    log,
    now: () => 0,
    nexthopRange: ALWAYS,
    onDoubt: () => doubts++,
  });
  return { keeper, lines, doubts: () => doubts };
}

/** Mends what may be mended without asking. Effects. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../operator-error.js';
import type { Lack } from './judge.js';
import { SYSCTL } from './read.js';

/** Nobody writes files of /proc/net. */
const READABLE = 0o444;

/** What became of a lack: mended, or not, and what the operator can do. */
export type Outcome = { readonly kind: 'mended' } | { readonly kind: 'left'; readonly next: string };

/** Never throws: a host that cannot be set up is still to boot. */
export async function mend({ remedy }: Pick<Lack, 'remedy'>): Promise<Outcome> {
  if (remedy.kind === 'by-hand') return { kind: 'left', next: remedy.next };
  try {
    if (remedy.kind === 'sysctl') await writeFile(join(SYSCTL, remedy.path), `${remedy.value}\n`);
    else await chmod(remedy.path, READABLE);
    return { kind: 'mended' };
  } catch (error) {
    return { kind: 'left', next: `${commandOf(remedy)} (not possible from here: ${messageOf(error)})` };
  }
}

/** The command that does the same, or says what to do. */
export function commandOf(remedy: Lack['remedy']): string {
  switch (remedy.kind) {
    case 'sysctl':
      return `sysctl -w ${remedy.path}=${remedy.value}`;
    case 'readable':
      return `chmod a+r ${remedy.path}`;
    case 'by-hand':
      return remedy.next;
  }
}

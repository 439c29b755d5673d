/** Mends what is ours to mend, and says so. Effects. */
import { NetlinkKernel } from '../dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../dataplane/netlink/socket.js';
import { describe } from '../dataplane/kinds/index.js';
import { commandOf, mend } from '../daemon/host-setup/apply.js';
import { takeLock } from '../daemon/lock.js';
import { messageOf } from '../daemon/operator-error.js';
import type { Finding, Fix } from './finding.js';

/**
 * Carries out the fixes of findings, each by itself.
 * @param instance whose entries may go
 * @returns a line for each thing that was done or could not be
 */
export async function mendAll(findings: readonly Finding[], instance: string): Promise<string[]> {
  const lines: string[] = [];
  for (const { code, fix } of findings) {
    if (fix === undefined) continue;
    lines.push(...(await mendOne(fix, instance)).map(line => `${code}: ${line}`));
  }
  return lines;
}

async function mendOne(fix: Fix, instance: string): Promise<string[]> {
  if (fix.kind === 'remove') return removeEntries(fix.entries, instance);
  const outcome = await mend({ remedy: fix });
  return [outcome.kind === 'mended' ? `done: ${commandOf(fix)}` : `not done: ${outcome.next}`];
}

/** Under the agent's own lock: one that starts meanwhile does it itself. */
async function removeEntries(
  entries: Extract<Fix, { kind: 'remove' }>['entries'],
  instance: string,
): Promise<string[]> {
  try {
    const lock = await takeLock(`instance ${instance}`, { pid: process.pid, instance });
    const socket = new NetlinkSocket();
    try {
      const kernel = new NetlinkKernel(socket);
      await kernel.readLinks();
      const troubles = await kernel.apply(entries.map(held => ({ kind: 'remove', held })));
      return entries.map((entry, index) => {
        const trouble = troubles.get(index);
        return trouble?.kind === 'refused'
          ? `not done: ${trouble.message}`
          : `done: remove ${describe(entry)}`;
      });
    } finally {
      socket.close();
      lock.release();
    }
  } catch (error) {
    return [`not done: ${messageOf(error)}`];
  }
}

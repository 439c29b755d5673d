/** Which boot of the machine this is. */
import { readFile } from 'node:fs/promises';

/**
 * The kernel's id of this boot (random(4)), another one after each.
 * @returns undefined where /proc does not tell
 */
export async function readBootId(): Promise<string | undefined> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return text.trim() || undefined;
}

/** Builds and runs `floor.c`: the same bytes without anything of ours around them. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../src/demo/lab.js';
import type { Namespace } from '../src/demo/namespace.js';

const SOURCE = fileURLToPath(new URL('../../bench/floor.c', import.meta.url));
const FLOOR_SECONDS = 120;

/** The built program, or why there is none. */
export type Floor =
  { readonly ok: true; readonly program: string } | { readonly ok: false; readonly reason: string };

/** What sending took, in milliseconds. */
export interface Taken {
  readonly milliseconds: number;
  readonly processor: number;
}

export async function buildFloor(lab: Lab): Promise<Floor> {
  const program = join(lab.directory, 'floor');
  try {
    const { code, stderr } = await lab.commands.run(['cc', '-O2', '-Wall', '-Wextra', '-o', program, SOURCE]);
    return code === 0 ? { ok: true, program } : { ok: false, reason: `cc failed: ${stderr.trim()}` };
  } catch (error) {
    return { ok: false, reason: `no C compiler: ${(error as Error).message}` };
  }
}

/**
 * Sends recorded datagrams.
 * @returns milliseconds that the sending took, by the clock and of the processor
 * @throws Error when the kernel refused one: then it was not the same work
 */
export async function runFloor(
  lab: Lab,
  namespace: Namespace,
  program: string,
  file: string,
): Promise<Taken> {
  const output = await lab.commands.must(namespace.argv([program, file]), { timeoutSeconds: FLOOR_SECONDS });
  const { milliseconds, processor, refused } = JSON.parse(output) as Taken & { readonly refused: number };
  if (refused > 0) throw new Error(`the floor: ${refused} messages were refused`);
  return { milliseconds, processor };
}

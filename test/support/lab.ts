/** A lab for one tap test. */
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { Lab, type LabOptions } from '../../src/demo/lab.js';

/** The built command; the tests' own copy of src/ has no package.json above it. */
export const SELVEDGE = [
  process.execPath,
  fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url)),
];

/**
 * Makes a lab that is gone when the test is over; a test that fails prints the last log lines and commands.
 * @param t the test that owns it
 */
export async function createLab(t: Test, options: LabOptions = {}): Promise<Lab> {
  const lab = await Lab.create({ selvedge: SELVEDGE, ...options });
  t.teardown(async () => {
    if (!t.passing()) t.comment(lab.describe());
    await lab.dispose();
  });
  return lab;
}

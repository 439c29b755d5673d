/** A lab for one bench, gone when the bench is over, and programs of ours that run in its namespaces. */
import { fileURLToPath } from 'node:url';
import { Lab } from '../src/demo/lab.js';
import type { Namespace } from '../src/demo/namespace.js';
import type { InsidePrograms } from './inside/programs.js';

/** The built command. This file is measured from .build/bench. */
export const SELVEDGE_MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A program inside may load, program and check 50,000 peers. */
const INSIDE_SECONDS = 600;

/** Makes a lab, and takes it away when `body` has ended, failed, or the user has had enough (exit code 130 or 143). */
export async function withLab<T>(body: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = await Lab.create({ selvedge: [process.execPath, SELVEDGE_MAIN] });
  const leave = (signal: NodeJS.Signals) => {
    process.stderr.write(`${signal}: removing the namespaces ${lab.id}-*\n`);
    void lab.dispose().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.on('SIGINT', leave).on('SIGTERM', leave);
  try {
    return await body(lab);
  } catch (error) {
    throw new Error(`${String(error)}\n${lab.describe()}`, { cause: error });
  } finally {
    process.off('SIGINT', leave).off('SIGTERM', leave);
    await lab.dispose();
  }
}

/**
 * Runs a program of `inside/` in a namespace: a Node process cannot change its own.
 * @returns what the program answers
 */
export async function runInside<P extends keyof InsidePrograms>(
  lab: Lab,
  namespace: Namespace,
  program: P,
  task: InsidePrograms[P]['task'],
  nodeOptions: readonly string[] = [],
): Promise<InsidePrograms[P]['answer']> {
  const file = fileURLToPath(new URL(`inside/${program}.js`, import.meta.url));
  const argv = namespace.argv([process.execPath, ...nodeOptions, file, JSON.stringify(task)]);
  const output = await lab.commands.must(argv, { timeoutSeconds: INSIDE_SECONDS });
  return JSON.parse(output) as InsidePrograms[P]['answer'];
}

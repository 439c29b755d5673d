/** The frame of a program that runs inside a namespace: its task is its only argument, its answer its only output. */
import type { InsidePrograms } from './programs.js';

/** Reads the task, works, prints the answer. What `work` throws ends the process with its stack and exit code 1. */
export async function answer<P extends keyof InsidePrograms>(
  program: P,
  work: (task: InsidePrograms[P]['task']) => Promise<InsidePrograms[P]['answer']>,
): Promise<void> {
  const [, , argument] = process.argv;
  if (argument === undefined) throw new Error(`${program}: the task is missing`);
  const task = JSON.parse(argument) as InsidePrograms[P]['task'];
  process.stdout.write(`${JSON.stringify(await work(task))}\n`);
}

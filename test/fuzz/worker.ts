/** Fuzzes one target in a thread of its own, which can be ended when an input makes it run for ever. */
import { parentPort, workerData } from 'node:worker_threads';
import { fuzz, type FuzzLimits } from './fuzz.js';
import { TARGETS } from './targets.js';

export interface Task extends FuzzLimits {
  readonly target: string;
}

const { target: name, ...limits } = workerData as Task;
const target = TARGETS.find(each => each.name === name);
if (target === undefined) throw new Error(`no target ${name}`);
parentPort?.postMessage(await fuzz(target, limits));

/** `npm run fuzz`: each target for a bounded time. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { FuzzResult } from './fuzz.js';
import { TARGETS } from './targets.js';
import type { Task } from './worker.js';

const DEFAULT_SECONDS = 10;
const MOST_SECONDS = 86_400;
/** Beyond its time a target may finish the input at hand and shrink the one that failed. */
const GRACE_MS = 60_000;
const NAMES = TARGETS.map(({ name }) => name);

const USAGE = `npm run fuzz [-- OPTION...]

  --target NAME  one of ${NAMES.join(', ')}; may be given several times, all by default
  --seconds N    for each target (default ${DEFAULT_SECONDS})
  --seed N       the inputs of an earlier run
  --path PATH    with its seed: the one input that showed a fault

Needs no root. Exit code 1 when a fault is found.`;

interface Wish {
  readonly targets: readonly string[];
  readonly forMs: number;
  readonly seed: number;
  readonly path: string | undefined;
}

/** @returns undefined when only the usage is asked for. @throws Error that says which argument is wrong */
function readWish(args: string[]): Wish | undefined {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: 'string', multiple: true, default: NAMES },
      seconds: { type: 'string', default: `${DEFAULT_SECONDS}` },
      seed: { type: 'string' },
      path: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const unknown = values.target.find(name => !NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`--target ${unknown}: not one of ${NAMES.join(', ')}`);
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= MOST_SECONDS))
    throw new Error(`--seconds ${values.seconds}: must be a number up to ${MOST_SECONDS}`);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  if (!Number.isInteger(seed)) throw new Error(`--seed ${values.seed}: must be a whole number`);
  return { targets: values.target, forMs: seconds * 1000, seed, path: values.path };
}

/** @returns the result, or what happened to the thread instead */
function runInThread(task: Task): Promise<FuzzResult | Error> {
  const worker = new Worker(new URL('worker.js', import.meta.url), { workerData: task });
  return new Promise(resolve => {
    const timer = setTimeout(
      () => {
        void worker.terminate();
        resolve(new Error('an input makes it run for ever'));
      },
      (task.forMs ?? 0) + GRACE_MS,
    );
    const end = (result: FuzzResult | Error): void => {
      clearTimeout(timer);
      resolve(result);
    };
    worker.once('message', end);
    worker.once('error', end);
    worker.once('exit', code => end(new Error(`its thread ended with code ${code} and without a result`)));
  });
}

/** @returns whether no fault was found */
async function fuzzTarget(target: string, { forMs, seed, path }: Wish): Promise<boolean> {
  const task: Task = { target, forMs, seed, ...(path !== undefined && { path }) };
  const result = await runInThread(task);
  const replay = `npm run fuzz -- --target ${target} --seed ${seed}`;
  if (result instanceof Error) {
    process.stdout.write(`${target}: ${result.stack ?? result.message}\n  again: ${replay}\n`);
    return false;
  }
  const { inputs, fault } = result;
  if (fault === undefined) {
    process.stdout.write(`${target}: ${inputs} inputs, no fault (seed ${seed})\n`);
    return true;
  }
  process.stdout.write(
    `${target}: a fault after ${inputs} inputs\n  ${fault.error}\n  input: ${fault.input}\n  again: ${replay} --path ${fault.path}\n`,
  );
  return false;
}

async function main(): Promise<number> {
  const wish = readWish(process.argv.slice(2));
  if (wish === undefined) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  let ok = true;
  for (const target of wish.targets) ok = (await fuzzTarget(target, wish)) && ok;
  return ok ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}

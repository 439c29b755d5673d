/**
 * Random sequences of what may happen to hosts and their store, each checked against what must always be true.
 *
 * The sequences are the same in every run. Other ones: `MODEL_SEED=random` (or a number), and more of them:
 * `MODEL_RUNS=5000`. A failure prints the shortest sequence that fails, and seed and path; with these in
 * `MODEL_SEED` and `MODEL_PATH` that one sequence runs alone. A run that is cut off, as by a time-out,
 * prints the seed and the sequence it was in.
 */
import fc from 'fast-check';
import type { Test } from 'tap';
import { anyActions, type Action, type Lengths } from './actions.js';
import { System } from './system.js';
import type { World } from './world.js';

export interface ModelRuns extends Lengths {
  /** Of the usual sequences. */
  readonly seed: number;
  /** How many sequences. */
  readonly runs: number;
  /** What all of them begin with. */
  readonly first: readonly Action[];
  /** How often etcd is turned back to a backup of before a change, in 52 actions. */
  readonly turns: number;
  /** Whether a sequence that fails is made shorter, which runs it many times. */
  readonly shrinks: boolean;
  /** No new sequence begins after so many seconds. */
  readonly seconds: number;
}

/** Runs random sequences, each in a world of its own. */
export async function runModel(t: Test, createWorld: () => Promise<World>, runs: ModelRuns): Promise<void> {
  const { MODEL_SEED, MODEL_RUNS, MODEL_PATH } = process.env;
  const seed =
    MODEL_SEED === 'random' ? (Date.now() + runs.seed) & 0x7fffffff : Number(MODEL_SEED ?? runs.seed);
  // Said at once, and not as a comment: tap holds back those of tests that run side by side, and a time-out loses them.
  const say = (text: string) => process.stderr.write(`${t.name}: ${text}\n`);
  say(`begins with MODEL_SEED=${seed}`);
  let world: World | undefined;
  /** The sequence that runs now, as it can be kept. */
  let underWay: string | undefined;
  const over = new AbortController();
  const isOver = () => over.signal.aborted;
  // A test that timed out would else draw and run on for as long as the process lives.
  t.teardown(async () => {
    over.abort();
    if (underWay !== undefined) {
      say(`cut off with MODEL_SEED=${seed}, in the sequence ${underWay}`);
    }
    await world?.close();
  });
  const property = fc.asyncProperty(anyActions(runs, runs.turns), fc.nat(), async (actions, drawn) => {
    if (isOver()) throw new fc.PreconditionFailure(true);
    const all = [...runs.first, ...actions];
    underWay = toKeep(drawn, all);
    try {
      world = await createWorld();
      if (isOver()) {
        // Whoever closes the world of a test that timed out may have come before there was one.
        await world.close();
        throw new fc.PreconditionFailure(true);
      }
      await runActions(world, all, drawn);
    } finally {
      underWay = undefined;
    }
  });
  const outcome = await fc.check(property, {
    seed,
    numRuns: Number(MODEL_RUNS ?? runs.runs),
    endOnFailure: !runs.shrinks,
    ...(MODEL_PATH !== undefined && { path: MODEL_PATH }),
    ...(MODEL_RUNS === undefined && { interruptAfterTimeLimit: runs.seconds * 1000 }),
  });
  if (isOver()) return;
  t.comment(`${outcome.numRuns} sequences with MODEL_SEED=${seed}`);
  if (!outcome.failed || outcome.counterexample === null) {
    t.ok(outcome.numRuns > 0, 'every sequence ended as it should');
    return;
  }
  const [actions, drawn] = outcome.counterexample;
  t.comment(`again: MODEL_SEED=${seed} MODEL_PATH=${outcome.counterexamplePath}`);
  t.comment(`to keep: ${toKeep(drawn, [...runs.first, ...actions])}`);
  t.fail(
    outcome.errorInstance instanceof Error ? outcome.errorInstance.message : String(outcome.errorInstance),
  );
}

function toKeep(drawn: number, actions: readonly Action[]): string {
  return `[${drawn}, ${JSON.stringify(actions)}]`;
}

/** Runs one sequence in a world that is closed afterwards. @param drawn seed of what the agents draw */
export async function runActions(world: World, actions: readonly Action[], drawn: number): Promise<void> {
  try {
    await new System(world, drawn).run(actions);
  } finally {
    await world.close();
  }
}

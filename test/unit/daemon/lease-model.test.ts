/** Hundreds of random histories of a few hosts and their store, in memory; see support/model. */
import t from 'tap';
import { createMemoryWorld } from '../../support/model/memory-world.js';
import { runModel } from '../../support/model/run-model.js';

t.test('whatever happens to hosts and store', async t => {
  await runModel(t, async () => createMemoryWorld(), {
    ...{ seed: 20_150_112, runs: 600, first: [], shortest: 0, longest: 18, longestWait: Infinity },
    ...{ turns: 4, shrinks: true, seconds: 30 },
  });
});

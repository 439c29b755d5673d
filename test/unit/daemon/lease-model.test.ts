/** Hundreds of random histories of a few hosts and their store, in memory; see support/model. */
import t from 'tap';
import { createMemoryWorld } from '../../support/model/memory-world.js';
import { runModel } from '../../support/model/run-model.js';

t.test('whatever happens to hosts and store', async t => {
  await runModel(t, async () => createMemoryWorld(), { runs: 800, longest: 18, shrinks: true, seconds: 30 });
});

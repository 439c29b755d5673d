/** A few random histories of hosts and a real etcd; see support/model. test/unit/daemon/lease-model.test.ts runs many. */
import t from 'tap';
import { needsEtcd } from '../support/etcd.js';
import type { Action } from '../support/model/actions.js';
import { createEtcdWorld } from '../support/model/etcd-world.js';
import { runActions, runModel } from '../support/model/run-model.js';

/** Random histories at once: most of the time they wait. */
const WORLDS = 3;
const JOINS: readonly Action[] = [1, 2, 3].map(host => ({ kind: 'join', host }));

/** In which chance has no part. */
const HISTORY: readonly Action[] = [
  ...JOINS,
  { kind: 'calm' },
  { kind: 'back-up' },
  // A lease expires, and what led to it is compacted.
  { kind: 'cut', host: 1, how: 'refused' },
  { kind: 'delete', host: 2 },
  { kind: 'wait', ttls: 1.3 },
  { kind: 'compact' },
  { kind: 'restart-agent', host: 3, finds: 'new-device' },
  { kind: 'heal', host: 1 },
  { kind: 'calm' },
  // A subnet is given to somebody else while requests arrive and answers do not.
  { kind: 'cut', host: 2, how: 'one-way' },
  { kind: 'garbage', what: 'stranger', host: 2, subnet: 1 },
  { kind: 'restart-etcd' },
  { kind: 'garbage', what: 'not-json', host: 3, subnet: 1 },
  { kind: 'heal', host: 2 },
  { kind: 'calm' },
  { kind: 'cut', host: 1, how: 'stalled' },
  { kind: 'wipe' },
  { kind: 'restart-agent', host: 2, finds: 'all' },
  { kind: 'join', host: 4 },
  { kind: 'calm' },
  { kind: 'restore' },
  { kind: 'calm' },
  // A key says again what its host said before, at an older revision.
  { kind: 'back-up' },
  { kind: 'restart-agent', host: 1, finds: 'new-device' },
  { kind: 'garbage', what: 'dual-stack', host: 2, subnet: 1 },
  { kind: 'wait', ttls: 0.3 },
  { kind: 'restore' },
];

t.jobs = WORLDS + 1;

t.test('one history with everything', needsEtcd(), async t => {
  const world = await createEtcdWorld();
  t.teardown(() => world.close());
  await t.resolves(runActions(world, HISTORY, 1));
});

for (let world = 1; world <= WORLDS; world++) {
  t.test(`whatever happens to hosts and a real etcd, ${world}`, needsEtcd(), async t => {
    await runModel(t, createEtcdWorld, {
      ...{ seed: 20_150_112 + world, runs: 2, first: JOINS, shortest: 10, longest: 10, longestWait: 1.3 },
      ...{ turns: 0, shrinks: false, seconds: 35 },
    });
  });
}

/** The bench with real agents: a few peers give figures of the promised shape. What they are is not judged here. */
import t from 'tap';
import { restart } from '../../bench/restart.js';

const PEERS = 20;

t.test('restart', async t => {
  const [row] = await restart.run({ peers: [PEERS], rounds: 1, progress: () => undefined });
  t.equal(row!.peers, PEERS);
  t.ok(row!.changesAtFirst >= 3 * PEERS, 'every peer was sent to the kernel');
  t.equal(row!.changesAtRestart, 0, 'and nothing the second time');
  t.ok(row!.firstStart > 0 && row!.restart.median > 0);
});

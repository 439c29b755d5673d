/** The bench with real agents: a few peers give figures of the promised shape. What they are is not judged here. */
import t from 'tap';
import { repair } from '../../bench/repair.js';
import { restart } from '../../bench/restart.js';

const PEERS = 20;

t.test('restart', async t => {
  const [row] = await restart.run({ peers: [PEERS], rounds: 1, progress: () => undefined });
  t.equal(row!.peers, PEERS);
  t.equal(row!.changesAtRestart, 0, 'nothing is sent the second time');
  const { lastEntry, files, firstStart, restart: again } = row!;
  t.ok(lastEntry!.median > 0 && files.median > 0 && again.median > 0);
  t.ok(firstStart.median > files.median, 'who runs has written the files');
  t.ok(firstStart.median > lastEntry!.median, 'who runs has programmed all');
});

t.test('repair', async t => {
  const [data] = await repair.run({ peers: [PEERS], rounds: 1, progress: () => undefined });
  const damages = data!.rows.map(({ damage }) => damage);
  t.ok(damages.includes('device deleted') && damages.includes('underlay down and up'), damages.join(', '));
  for (const { damage, p50, worst, rounds } of data!.rows)
    t.ok(rounds === 1 && p50! > 0 && p50 === worst, `${damage}: ${p50} ms`);
  const floors = data!.rows.flatMap(({ damage, floor }) => (floor === null ? [] : damage));
  if (floors.length > 0)
    t.same(
      floors,
      [
        'address deleted',
        'device deleted',
        'device down and up',
        'MAC rewritten',
        'MAC written again',
        'all routes deleted',
        'all neighbours deleted',
        'underlay down and up',
      ],
      'of what takes many entries, when they could be put back to the last',
    );
});

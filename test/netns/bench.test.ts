/** The bench itself: a cold start of few peers gives figures of the promised shape. What they are is not judged here. */
import t from 'tap';
import { coldStart } from '../../bench/cold-start.js';

const PEERS = 50;

t.test('cold-start', async t => {
  const data = await coldStart.run({ peers: [PEERS], rounds: 2, progress: () => undefined });
  const spread = { median: Number, least: Number, most: Number, rounds: 2 };
  const floor = data.noFloor === null ? spread : null;
  t.match(JSON.parse(JSON.stringify(data)), {
    rows: [
      {
        peers: PEERS,
        ours: spread,
        judging: { median: Number },
        classicBatch: spread,
        nexthopBatch: spread,
        emptyBatch: spread,
        floor,
        microsecondsPerPeer: Number,
        ratioToClassicBatch: Number,
        ratioToNexthopBatch: Number,
        ratioToFloor: data.noFloor === null ? Number : null,
      },
    ],
  });
  const [row] = data.rows;
  t.ok(row!.messages >= 3 * PEERS, 'every peer was sent to the kernel');
  t.ok(row!.ours.median > 0 && row!.ours.least <= row!.ours.median && row!.ours.median <= row!.ours.most);
  const { header, rows } = coldStart.table(data);
  t.same(
    rows.map(cells => cells.length),
    [header.length],
    'the table has a cell for each column',
  );
});

import t from 'tap';
import { formatPings } from '../../../src/cli/demo-report.js';

t.test('formatPings', async t => {
  const lines = formatPings(
    ['host1', 'host2'],
    [
      [undefined, { kind: 'answered', bestMs: 0.0414 }],
      [{ kind: 'lost', detail: '2 of 3 came back' }, undefined],
    ],
  ).split('\n');
  t.same(lines, ['FROM \\ TO  host1  host2', 'host1      -      0.041', 'host2      LOST   -']);
});

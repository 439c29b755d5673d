import t from 'tap';
import { formatColumns } from '../../../src/cli/columns.js';

t.test('columns are as wide as their widest cell', async t => {
  t.equal(
    formatColumns(
      ['SUBNET', 'VIA'],
      [
        ['10.5.2.0/24', '192.0.2.2'],
        ['10.5.30.0/24', '-'],
      ],
    ),
    ['SUBNET        VIA', '10.5.2.0/24   192.0.2.2', '10.5.30.0/24  -'].join('\n'),
  );
});

t.test('no rows, missing cells, characters outside the basic plane', async t => {
  t.equal(formatColumns(['A', 'B'], []), 'A  B');
  t.equal(formatColumns(['A', 'B', 'C'], [['1'], ['', '', '3']]), 'A  B  C\n1\n      3');
  t.equal(formatColumns(['A', 'B'], [['\u{1d54f}', '1']]), 'A  B\n\u{1d54f}  1');
});

import fc from 'fast-check';
import t from 'tap';
import { formatHolder, isNodeId, printableName, readHolder } from '../../../src/subnet/holder.js';
import { parseLeaseValue } from '../../../src/subnet/lease.js';

const ID = '0123456789abcdef0123456789abcdef';
const SINCE = '2026-01-31T08:15:00Z';

t.test('a holder', async t => {
  const holder = { nodeId: ID, name: 'node7', since: SINCE };
  t.strictSame(readHolder({ NodeID: ID, Name: 'node7', Since: SINCE, Later: 1 }), holder);
  t.strictSame(readHolder(JSON.parse(JSON.stringify(formatHolder(holder)))), holder);
  t.equal(JSON.stringify(formatHolder({ nodeId: ID, name: '' })), `{"NodeID":"${ID}"}`);
});

t.test('a name or a time that makes no sense is as if it were not there', async t => {
  const names = [7, null, 'a\nb', '\u001b[2J', 'a\u202eb', 'a\u2028b', '\ud800', 'x'.repeat(254), undefined];
  for (const Name of names) t.strictSame(readHolder({ NodeID: ID, Name }), { nodeId: ID, name: '' });
  const times = [7, null, '', 'yesterday', '2026-02-30T00:00:00Z', '2026-01-31T08:15:00', `${SINCE}\n`];
  for (const Since of times) {
    t.strictSame(
      readHolder({ NodeID: ID, Name: 'node7', Since }),
      { nodeId: ID, name: 'node7' },
      String(Since),
    );
  }
  t.match(readHolder({ NodeID: ID, Name: 'x'.repeat(253) }), { name: /^x{253}$/ });
});

t.test('without a sound id nobody has said who he is, and the lease is as usable as before', async t => {
  const ids = [undefined, null, 7, '', ID.slice(1), `${ID}0`, ID.toUpperCase(), `${ID}\n`, [ID]];
  for (const each of [
    null,
    7,
    'x',
    [],
    {},
    ...ids.map(NodeID => ({ NodeID, Name: 'node7', Since: SINCE })),
  ]) {
    t.equal(readHolder(each), undefined);
    t.strictSame(parseLeaseValue(JSON.stringify({ PublicIP: '192.0.2.1', Selvedge: each })), {
      ok: true,
      value: { publicIp: '192.0.2.1', backendType: '' },
    });
  }
  t.ok(isNodeId(ID));
  t.notOk(isNodeId(`${ID}\n`));
});

t.test('whatever a host is called, readers take the name that it writes', async t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), each => {
      const name = printableName(each);
      t.equal(readHolder({ NodeID: ID, Name: name })?.name, name);
    }),
  );
  t.equal(printableName('a\n\u202eb\ud800'), 'ab');
});

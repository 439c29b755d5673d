import t from 'tap';
import { buildLeases, type LeasesFacts } from '../../../src/cli/leases-document.js';
import { renderLeases } from '../../../src/cli/leases-text.js';
import { printableJson } from '../../../src/cli/printable.js';
import { formatLeaseValue, type LeaseAttributes } from '../../../src/subnet/lease.js';
import { listLeases } from '../../../src/subnet/lease-list.js';
import { formatReservation } from '../../../src/subnet/reservation.js';
import type { KeyValue } from '../../../src/subnet/store.js';
import { KEY_PREFIX, rangeUpTo } from '../../support/lease-host.js';

const NOW = new Date('2026-02-03T08:15:00Z');
const range = rangeUpTo(20);

function entry(key: string, value: string, leaseId = '0'): KeyValue {
  return { key: KEY_PREFIX + key, value, createRevision: 1n, modRevision: 2n, leaseId };
}

const valueOf = (publicIp: string, more: Partial<LeaseAttributes> = {}) =>
  formatLeaseValue({ publicIp, backendType: 'vxlan', ...more });

const holder = { nodeId: '0'.repeat(31) + '7', name: 'node7', since: '2026-01-31T08:15:00Z' };

const entries = [
  entry('10.5.10.0-24', valueOf('192.0.2.10', { holder }), '16'),
  entry('10.5.9.0-24', valueOf('192.0.2.9'), '17'),
  entry('10.5.99.0-24', valueOf('192.0.2.9'), '18'),
  entry('10.5.3.0-24', formatReservation('192.0.2.3')),
  entry('10.5.2.0-24', valueOf('192.0.2.2')),
  entry('10.6.0.0-24', valueOf('192.0.2.66'), '19'),
  entry('x\u001b[2J', valueOf('192.0.2.77')),
  { ...entry('', ''), key: '/net/config' },
];

function facts(more: Partial<LeasesFacts> = {}): LeasesFacts {
  const rules = { range, judge: () => ({ ok: true, claims: [] }) as const };
  const time = (refreshedSecondsAgo: number) =>
    ({ grantedSeconds: 86_400, secondsLeft: 86_400 - refreshedSecondsAgo, refreshedSecondsAgo }) as const;
  return {
    config: { key: '/net/config', state: 'usable', faults: [] },
    range,
    list: listLeases(entries, KEY_PREFIX, rules),
    times: new Map([
      ['16', time(12)],
      ['17', time(7_300)],
      ['18', time(300)],
    ]),
    ...more,
  };
}

t.test('the verdict, then a lease a line in the order of the numbers', async t => {
  t.equal(
    renderLeases(buildLeases(facts()), NOW),
    `\
3 leased, 2 reserved (1 unused), 2 set aside · 16 of 20 subnets free (80 %)

SUBNET                 HOST   PUBLIC IP   BACKEND  SINCE       REFRESHED  LEFT  STATE
10.5.2.0/24            -      192.0.2.2   vxlan    -           -          -     reserved
10.5.3.0/24            -      192.0.2.3   -        -           -          -     reserved, unused
10.5.9.0/24            -      192.0.2.9   vxlan    -           2 h ago    21 h  ok; public IP also of 10.5.99.0/24
10.5.10.0/24           node7  192.0.2.10  vxlan    3 days ago  12 s ago   23 h  ok
10.5.99.0/24           -      192.0.2.9   vxlan    -           5 min ago  23 h  ok; public IP also of 10.5.9.0/24; not one of the range to choose from
10.6.0.0/24            -      192.0.2.66  vxlan    -           -          0 s   set aside: outside-network: 10.6.0.0/24 is not in the network 10.5.0.0/16
/net/subnets/x\\x1b[2J  -      -           -        -           -          -     set aside: bad-key: key is not of the form ADDRESS-LENGTH
`,
  );
});

t.test('nothing at all', async t => {
  const list = listLeases([], KEY_PREFIX, undefined);
  const config = { key: '/net/config', state: 'missing', faults: [] } as const;
  t.equal(
    renderLeases(buildLeases(facts({ list, config, range: undefined })), NOW),
    'there is no config at /net/config: nothing is judged by it\n',
  );
});

t.test('as JSON it reads back as it was, and nothing in it acts on a terminal', async t => {
  const document = buildLeases(facts());
  const strange = { ...document, leases: [{ ...document.leases[0]!, reason: 'a\u009b2J\u202e\u001b\n' }] };
  const text = printableJson(strange);
  t.same(JSON.parse(text), strange);
  t.notMatch(text, /[^\n\x20-\x7e]/);
});

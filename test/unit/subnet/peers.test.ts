import fc from 'fast-check';
import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { formatLeaseValue, type Lease } from '../../../src/subnet/lease.js';
import { PeerTable, type Judgement, type PeerDelta, type PeerRules } from '../../../src/subnet/peers.js';
import { formatReservation } from '../../../src/subnet/reservation.js';
import type { KeyChange, KeyValue } from '../../../src/subnet/store.js';

const PREFIX = '/net/subnets/';
const OWN_KEY = `${PREFIX}10.5.1.0-24`;

/** A backend in which a lease claims what its data says: a name of its own. */
function judge({ backendType, backendData }: Lease): Judgement {
  if (backendType !== 'test') return { ok: false, setAside: { code: 'other-backend', reason: backendType } };
  if (typeof backendData !== 'string')
    return { ok: false, setAside: { code: 'bad-backend-data', reason: 'not a name' } };
  return { ok: true, claims: [backendData] };
}

const rules: PeerRules = {
  keyPrefix: PREFIX,
  network: parsePrefix('10.5.0.0/16')!,
  own: {
    key: OWN_KEY,
    subnets: { ipv4: parsePrefix('10.5.1.0/24')! },
    addresses: ['192.0.2.1', '192.0.2.250'],
  },
  judge,
};

interface Given {
  readonly name?: unknown;
  readonly publicIp?: string;
  readonly type?: string;
  readonly value?: string;
  readonly created?: number;
  readonly modified?: number;
}

function put(subnet: string, given: Given = {}): Extract<KeyChange, { kind: 'put' }> {
  const { name = subnet, publicIp = '192.0.2.2', type = 'test', created = 10, modified = created } = given;
  const value = given.value ?? formatLeaseValue({ publicIp, backendType: type, backendData: name });
  const key = PREFIX + subnet;
  const entry: KeyValue = {
    key,
    value,
    createRevision: BigInt(created),
    modRevision: BigInt(modified),
    leaseId: '0',
  };
  return { kind: 'put', entry };
}

const remove = (subnet: string): KeyChange => ({ kind: 'delete', key: PREFIX + subnet, modRevision: 99n });

const short = (key: string) => key.slice(PREFIX.length);
const acceptedIn = (table: PeerTable) => [...table.accepted.keys()].map(short).sort();
const setAsideIn = (table: PeerTable) =>
  Object.fromEntries([...table.setAside].map(([key, { code }]) => [short(key), code]));

/** What a delta says, in short: `-` gone, `+` new, `~` changed, and what was set aside. */
const summary = ({ peers, setAside }: PeerDelta) => [
  ...peers.map(({ key, before, after }) => (before ? (after ? '~' : '-') : '+') + short(key)),
  ...setAside.map(({ key, code }) => `${code} ${short(key)}`),
];

t.test('why a lease is set aside', async t => {
  const v6 = '10.5.2.0-24&fd00::-64';
  const cases: readonly (readonly [change: KeyChange, code: string | undefined, reason?: string])[] = [
    [put('10.5.2.0-24'), undefined],
    [put(v6), undefined],
    [put('garbage'), 'bad-key', 'key is not of the form ADDRESS-LENGTH'],
    [put(''), 'bad-key'],
    [put('10.5.2.1-24'), 'bad-key', '10.5.2.1/24 has host bits set'],
    [put('10.5.2.0-32'), 'bad-key'],
    [put('10.5.2.0-24', { value: '{' }), 'bad-value', 'value is not JSON'],
    [put('10.5.2.0-24', { value: '{"PublicIP":"x"}' }), 'bad-value', 'PublicIP: "x" must be an IPv4 address'],
    [put('10.5.2.0-24', { value: '{"PublicIPv6":"1:2:3:4:5:6:7:1.2.3.4"}' }), 'bad-value'],
    [put('10.6.2.0-24'), 'outside-network', '10.6.2.0/24 is not in the network 10.5.0.0/16'],
    [put('10.4.0.0-15'), 'outside-network'],
    [put('128.0.0.0-1'), 'outside-network'],
    [put('0.0.0.0-0'), 'outside-network'],
    [put('10.5.1.128-25'), 'overlaps-own', '10.5.1.128/25 overlaps our own subnet 10.5.1.0/24'],
    [put('10.5.0.0-16'), 'overlaps-own'],
    [put('10.5.1.0-24&fd00::-64'), 'overlaps-own'],
    [put('10.5.2.0-24', { value: '{}' }), 'bad-public-ip', 'public IP 0.0.0.0 is unspecified'],
    [put('10.5.2.0-24', { publicIp: '127.0.0.1' }), 'bad-public-ip', 'public IP 127.0.0.1 is loopback'],
    [put('10.5.2.0-24', { publicIp: '224.0.0.1' }), 'bad-public-ip'],
    [put('10.5.2.0-24', { publicIp: '255.255.255.255' }), 'bad-public-ip'],
    [put('10.5.2.0-24', { publicIp: '192.0.2.1' }), 'own-public-ip', 'public IP 192.0.2.1 is our own'],
    [put('10.5.2.0-24', { publicIp: '192.0.2.250' }), 'own-public-ip'],
    [
      put('10.5.2.0-24', { publicIp: '10.5.9.9' }),
      'bad-public-ip',
      'public IP 10.5.9.9 is inside the network itself',
    ],
    [put('10.5.2.0-24', { type: 'udp' }), 'other-backend', 'udp'],
    [
      put('10.5.2.0-24', { value: formatReservation('192.0.2.2') }),
      'reserved',
      'reserved for 192.0.2.2, which has not come for it yet',
    ],
    [put('10.5.1.0-24&fd00::-64', { value: formatReservation('192.0.2.2') }), 'overlaps-own'],
    [put('10.5.2.0-24', { value: formatReservation('192.0.2.1') }), 'own-public-ip'],
    [put('10.5.2.0-24', { name: 7 }), 'bad-backend-data', 'not a name'],
  ];
  for (const [change, code, reason] of cases) {
    const table = new PeerTable(rules);
    const key = change.kind === 'put' ? change.entry.key : change.key;
    const { peers, setAside } = table.apply([change]);
    t.equal(table.setAside.get(key)?.code, code, key);
    t.equal(table.accepted.has(key), code === undefined);
    t.equal(peers.length, code === undefined ? 1 : 0);
    t.strictSame(setAside, code === undefined ? [] : [{ key, ...table.setAside.get(key) }]);
    if (reason !== undefined) t.equal(setAside[0]?.reason, reason);
  }
});

t.test('our own key and other keys are passed over', async t => {
  const table = new PeerTable(rules);
  const own = put('10.5.1.0-24', { publicIp: '192.0.2.1' });
  const elsewhere: KeyChange = { kind: 'put', entry: { ...own.entry, key: '/net/config' } };
  const neighbour: KeyChange = { kind: 'put', entry: { ...own.entry, key: '/net/subnetsx/10.5.2.0-24' } };
  const gone: KeyChange = { kind: 'delete', key: OWN_KEY, modRevision: 9n };
  for (const change of [own, elsewhere, neighbour, gone]) {
    t.strictSame(table.apply([change]), { peers: [], setAside: [] });
  }
  t.strictSame([table.accepted.size, table.setAside.size], [0, 0]);
});

t.test('of leases that overlap the oldest stays, in whatever order they come', async t => {
  const old = put('10.5.2.0-24', { created: 5, publicIp: '192.0.2.5' });
  for (const subnet of ['10.5.2.0-25', '10.5.2.0-24&fd00::-64', '10.5.2.0-23', '10.5.2.64-26']) {
    const young = put(subnet, { created: 6, publicIp: '192.0.2.6' });
    for (const changes of [
      [old, young],
      [young, old],
    ]) {
      const table = new PeerTable(rules);
      for (const change of changes) table.apply([change]);
      t.strictSame(acceptedIn(table), ['10.5.2.0-24'], subnet);
      t.strictSame(table.setAside.get(PREFIX + subnet), {
        code: 'overlaps',
        reason: 'overlaps 10.5.2.0/24 (public IP 192.0.2.5), which is older',
      });
    }
  }
});

t.test('what one lease claims, no younger one can have', async t => {
  const table = new PeerTable(rules);
  table.apply([put('10.5.2.0-24', { name: 'MAC', created: 5 })]);
  t.strictSame(table.apply([put('10.5.3.0-24', { name: 'MAC', created: 6, publicIp: '192.0.2.3' })]), {
    peers: [],
    setAside: [
      {
        key: `${PREFIX}10.5.3.0-24`,
        code: 'duplicate',
        reason: 'MAC is held by 10.5.2.0/24 (public IP 192.0.2.2), which is older',
      },
    ],
  });
});

t.test('of the same age, the first key stays', async t => {
  const table = new PeerTable(rules);
  table.apply([
    put('10.5.3.0-24', { name: 'MAC', publicIp: '192.0.2.3' }),
    put('10.5.2.0-24', { name: 'MAC' }),
  ]);
  t.strictSame(acceptedIn(table), ['10.5.2.0-24']);
});

t.test('a host with two leases is in no conflict with itself', async t => {
  const [old, young] = [
    put('10.5.2.0-24&fd00::-64', { name: 'MAC', created: 5 }),
    put('10.5.3.0-24', { name: 'MAC', created: 7 }),
  ];
  const between = put('10.5.4.0-24', { name: 'MAC', created: 6, publicIp: '192.0.2.4' });
  for (const changes of [
    [old, young, between],
    [young, between, old],
    [between, young, old],
  ]) {
    const table = new PeerTable(rules);
    for (const change of changes) table.apply([change]);
    t.strictSame(acceptedIn(table), ['10.5.2.0-24&fd00::-64', '10.5.3.0-24']);
    t.match(table.setAside.get(`${PREFIX}10.5.4.0-24`), {
      code: 'duplicate',
      reason: 'MAC is held by 10.5.2.0/24 (public IP 192.0.2.2), which is older',
    });
    t.strictSame(summary(table.apply([remove('10.5.4.0-24')])), []);
    t.strictSame(summary(table.apply([remove('10.5.2.0-24&fd00::-64')])), ['-10.5.2.0-24&fd00::-64']);
    t.strictSame([acceptedIn(table), setAsideIn(table)], [['10.5.3.0-24'], {}]);
  }
});

t.test('a loser comes up when the winner leaves, and steps back when it returns', async t => {
  const table = new PeerTable(rules);
  const winner = put('10.5.2.0-23', { created: 5 });
  table.apply([winner, put('10.5.2.0-24', { created: 6 }), put('10.5.3.0-24', { created: 7 })]);
  t.strictSame(acceptedIn(table), ['10.5.2.0-23']);
  t.strictSame(summary(table.apply([remove('10.5.2.0-23')])), [
    '-10.5.2.0-23',
    '+10.5.2.0-24',
    '+10.5.3.0-24',
  ]);
  t.strictSame(setAsideIn(table), {});
  t.strictSame(summary(table.apply([winner])), [
    '+10.5.2.0-23',
    '-10.5.2.0-24',
    '-10.5.3.0-24',
    'overlaps 10.5.2.0-24',
    'overlaps 10.5.3.0-24',
  ]);
});

t.test('a winner that turns bad or gives its claim up makes way', async t => {
  const table = new PeerTable(rules);
  const other = { created: 6, publicIp: '192.0.2.3' };
  table.apply([put('10.5.2.0-24', { name: 'A', created: 5 }), put('10.5.3.0-24', { name: 'A', ...other })]);
  t.strictSame(summary(table.apply([put('10.5.2.0-24', { name: 'B', created: 5, modified: 7 })])), [
    '~10.5.2.0-24',
    '+10.5.3.0-24',
  ]);
  table.apply([put('10.5.3.0-24', { name: 'B', ...other, modified: 8 })]);
  t.strictSame(setAsideIn(table), { '10.5.3.0-24': 'duplicate' });
  t.strictSame(summary(table.apply([put('10.5.2.0-24', { value: '{', created: 5, modified: 9 })])), [
    '-10.5.2.0-24',
    '+10.5.3.0-24',
    'bad-value 10.5.2.0-24',
  ]);
});

t.test('changed attributes come with before and after', async t => {
  const table = new PeerTable(rules);
  table.apply([put('10.5.2.0-24')]);
  const { peers, setAside } = table.apply([put('10.5.2.0-24', { publicIp: '192.0.2.9', modified: 12 })]);
  t.equal(peers.length, 1);
  t.match(peers[0], {
    before: { publicIp: '192.0.2.2' },
    after: { publicIp: '192.0.2.9', modRevision: 12n },
  });
  t.strictSame(setAside, []);
});

t.test('several changes of one key in one batch are one change', async t => {
  const table = new PeerTable(rules);
  const [there, other] = [put('10.5.2.0-24'), put('10.5.2.0-24', { name: 'other', modified: 11 })];
  t.strictSame(summary(table.apply([there, remove('10.5.2.0-24')])), []);
  t.strictSame(summary(table.apply([there, remove('10.5.2.0-24'), other])), ['+10.5.2.0-24']);
  t.strictSame(summary(table.apply([remove('10.5.2.0-24'), there])), ['~10.5.2.0-24']);
  t.strictSame(summary(table.apply([remove('10.5.2.0-24'), remove('10.5.2.0-24')])), ['-10.5.2.0-24']);
  t.strictSame(summary(table.apply([remove('10.5.9.0-24')])), []);
});

t.test('a lease set aside is told once for each reason', async t => {
  const table = new PeerTable(rules);
  const bad = put('10.5.2.0-24', { type: 'udp' });
  t.strictSame(summary(table.apply([bad])), ['other-backend 10.5.2.0-24']);
  t.strictSame(summary(table.apply([put('10.5.2.0-24', { type: 'udp', modified: 11 })])), []);
  t.strictSame(summary(table.apply([put('10.5.2.0-24', { type: 'ipip', modified: 12 })])), [
    'other-backend 10.5.2.0-24',
  ]);
  t.strictSame(summary(table.apply([remove('10.5.2.0-24')])), []);
  t.strictSame(setAsideIn(table), {});
});

t.test('while the store is in doubt, a peer whose key is gone stays', async t => {
  const table = new PeerTable(rules);
  table.apply([put('10.5.2.0-24', { created: 5 }), put('10.5.3.0-24', { type: 'udp' })]);
  t.strictSame(summary(table.apply([remove('10.5.2.0-24'), remove('10.5.3.0-24')], 'keep')), []);
  t.strictSame(acceptedIn(table), ['10.5.2.0-24']);
  t.strictSame([...table.kept].map(short), ['10.5.2.0-24']);
  t.strictSame(setAsideIn(table), {}, 'what is no peer is not kept');
  t.strictSame(summary(table.forgetKept()), ['-10.5.2.0-24']);
  t.equal(table.kept.size, 0);
});

t.test('a kept peer that comes back is as before, one whose place is wanted makes way', async t => {
  const table = new PeerTable(rules);
  table.apply([put('10.5.2.0-24', { created: 5 }), put('10.5.3.0-24', { created: 5, name: 'MAC' })]);
  table.apply([remove('10.5.2.0-24'), remove('10.5.3.0-24')], 'keep');
  t.strictSame(summary(table.apply([put('10.5.2.0-24', { created: 20 })], 'keep')), ['~10.5.2.0-24']);
  const moved = put('10.5.4.0-24', { created: 21, name: 'MAC', publicIp: '192.0.2.4' });
  t.strictSame(summary(table.apply([moved], 'keep')), [
    '+10.5.4.0-24',
    '-10.5.3.0-24',
    'duplicate 10.5.3.0-24',
  ]);
  t.strictSame(summary(table.forgetKept()), []);
  t.strictSame(acceptedIn(table), ['10.5.2.0-24', '10.5.4.0-24']);
  t.strictSame(setAsideIn(table), {});
});

t.test('another table takes over what was kept', async t => {
  const before = new PeerTable(rules);
  before.apply([put('10.5.2.0-24'), put('10.5.3.0-24'), put('10.5.4.0-24')]);
  before.apply([remove('10.5.2.0-24'), remove('10.5.3.0-24')], 'keep');
  const table = new PeerTable(rules);
  table.apply([put('10.5.3.0-24', { created: 20 }), put('10.5.4.0-24')]);
  t.strictSame(summary(table.keepFrom(before)), ['+10.5.2.0-24']);
  t.strictSame([...table.kept].map(short), ['10.5.2.0-24']);
  t.strictSame(table.accepted.get(`${PREFIX}10.5.2.0-24`), before.accepted.get(`${PREFIX}10.5.2.0-24`));
  table.forgetKept();
  t.strictSame(acceptedIn(table), ['10.5.3.0-24', '10.5.4.0-24']);
});

const SUBNETS = [
  ...['10.5.2.0-24', '10.5.2.0-24&fd00::-64', '10.5.3.0-24', '10.5.2.0-23', '10.5.2.128-25', '10.5.2.0-25'],
  ...['10.5.0.0-16', '10.5.1.0-24', '10.6.0.0-24', '10.5.4.0-22', '10.5.5.0-24', 'garbage'],
];

const anyChange = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .record({
        subnet: fc.constantFrom(...SUBNETS),
        name: fc.constantFrom<unknown>('A', 'B', 'C', 'D', 7),
        publicIp: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3', '0.0.0.0'),
        created: fc.integer({ min: 1, max: 9 }),
      })
      .map(({ subnet, ...given }): KeyChange => put(subnet, given)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...SUBNETS).map(remove) },
);
const anyBatches = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 5 }), { maxLength: 12 });

/** A table's content as plain data. */
const contents = (table: PeerTable) => ({
  accepted: Object.fromEntries([...table.accepted].sort(([a], [b]) => (a < b ? -1 : 1))),
  setAside: Object.fromEntries([...table.setAside].sort(([a], [b]) => (a < b ? -1 : 1))),
});

t.test('many small changes end where one list of the final state does', async t => {
  fc.assert(
    fc.property(anyBatches, fc.boolean(), (batches, reversed) => {
      const table = new PeerTable(rules);
      const state = new Map<string, KeyChange>();
      for (const batch of batches) {
        table.apply(batch);
        for (const change of batch) {
          if (change.kind === 'put') state.set(change.entry.key, change);
          else state.delete(change.key);
        }
      }
      const fresh = new PeerTable(rules);
      const all = [...state.values()];
      fresh.apply(reversed ? all.reverse() : all);
      t.strictSame(contents(table), contents(fresh));
    }),
    { numRuns: 500 },
  );
});

t.test('a delta is exactly the difference', async t => {
  fc.assert(
    fc.property(anyBatches, batches => {
      const table = new PeerTable(rules);
      for (const batch of batches) {
        const [before, reasons] = [new Map(table.accepted), new Map(table.setAside)];
        const { peers, setAside } = table.apply(batch);
        t.equal(new Set(peers.map(({ key }) => key)).size, peers.length, 'each peer once');
        for (const { key, before: was, after } of peers) {
          t.equal(was, before.get(key));
          t.equal(after, table.accepted.get(key));
          t.not(was, after);
        }
        const told = new Set(peers.map(({ key }) => key));
        for (const key of new Set([...before.keys(), ...table.accepted.keys()])) {
          t.ok(told.has(key) || before.get(key) === table.accepted.get(key), `${key} is told`);
          t.notOk(table.accepted.has(key) && table.setAside.has(key), `${key} is in one place`);
        }
        const newReasons = [...table.setAside].filter(
          ([key, { reason }]) => reasons.get(key)?.reason !== reason,
        );
        t.strictSame(new Map(setAside.map(({ key, ...why }) => [key, why])), new Map(newReasons));
      }
    }),
    { numRuns: 200 },
  );
});

t.test('when the doubt is over, nothing of it is left', async t => {
  fc.assert(
    fc.property(anyBatches, fc.integer({ min: 0, max: 12 }), (batches, doubtFrom) => {
      const [doubting, believing] = [new PeerTable(rules), new PeerTable(rules)];
      batches.forEach((batch, i) => {
        doubting.apply(batch, i < doubtFrom ? 'believe' : 'keep');
        believing.apply(batch);
      });
      doubting.forgetKept();
      t.strictSame(contents(doubting), contents(believing));
    }),
    { numRuns: 300 },
  );
});

t.test(
  'no two accepted leases overlap or share a claim of two hosts, and none touches what is ours',
  async t => {
    fc.assert(
      fc.property(anyBatches, batches => {
        const table = new PeerTable(rules);
        for (const batch of batches) table.apply(batch);
        const holders = new Map<unknown, string>();
        for (const lease of table.accepted.values()) {
          const { backendData, publicIp, subnets } = lease;
          t.equal(table.at(subnets.ipv4), lease, 'also of several with one subnet');
          t.equal(holders.get(backendData) ?? publicIp, publicIp, 'what is claimed is one host’s');
          holders.set(backendData, publicIp);
        }
        const ranges = [...table.accepted.values(), { subnets: rules.own!.subnets }].map(({ subnets }) => {
          const [a, b, c, d] = subnets.ipv4.address.split('.').map(Number);
          const first = ((a! * 256 + b!) * 256 + c!) * 256 + d!;
          return [first, first + 2 ** (32 - subnets.ipv4.length)] as const;
        });
        ranges.sort(([a], [b]) => a - b);
        t.ok(ranges.every(([first], i) => i === 0 || ranges[i - 1]![1] <= first));
      }),
      { numRuns: 300 },
    );
  },
);

t.test(
  'a reservation that its host has come for is a peer; one that hangs on an etcd lease was never one',
  async t => {
    const table = new PeerTable(rules);
    const { entry } = put('10.5.2.0-24', { value: formatReservation('192.0.2.2') });
    table.apply([{ kind: 'put', entry: { ...entry, leaseId: '7' } }]);
    t.strictSame(setAsideIn(table), { '10.5.2.0-24': 'other-backend' });
    table.apply([{ kind: 'put', entry }]);
    t.strictSame(setAsideIn(table), { '10.5.2.0-24': 'reserved' });
    t.strictSame(summary(table.apply([put('10.5.2.0-24')])), ['+10.5.2.0-24']);
  },
);

t.test('seen from no particular host, every lease can be a peer', async t => {
  const table = new PeerTable({ ...rules, own: undefined });
  table.apply([put('10.5.1.0-24', { publicIp: '192.0.2.1' }), put('10.6.0.0-24')]);
  t.strictSame(
    [acceptedIn(table), setAsideIn(table)],
    [['10.5.1.0-24'], { '10.6.0.0-24': 'outside-network' }],
  );
});

t.test('one that lost itself stands in nobody’s way', async t => {
  const table = new PeerTable(rules);
  table.apply([
    put('10.5.2.0-24', { created: 1 }),
    put('10.5.2.0-23', { created: 2 }),
    put('10.5.3.0-24', { created: 3 }),
  ]);
  t.same(setAsideIn(table), { '10.5.2.0-23': 'overlaps' }, 'the rogue alone is set aside');
  table.apply([remove('10.5.2.0-24')]);
  t.same(acceptedIn(table), ['10.5.2.0-23'], 'and takes its place when the oldest is gone');
  t.same(setAsideIn(table), { '10.5.3.0-24': 'overlaps' });
});

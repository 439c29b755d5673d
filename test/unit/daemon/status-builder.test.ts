import t from 'tap';
import { noPaint } from '../../../src/cli/paint.js';
import { renderStatus } from '../../../src/cli/status-text.js';
import { ConfigFollower } from '../../../src/daemon/config-follower.js';
import { parseLease } from '../../../src/subnet/lease.js';
import { SubnetUsage } from '../../../src/subnet/subnet-usage.js';
import { buildStatus } from '../../../src/daemon/status-builder.js';
import { sleep } from '../../../src/daemon/tasks.js';
import { StoreError } from '../../../src/subnet/store.js';
import { NETWORK, OWN_MAC, prefix, UNDERLAY, vtepOf } from '../../support/dataplane.js';
import { recordedLog } from '../../support/recorded-log.js';
import { matchAll } from '../../support/match-all.js';
import {
  KEY_PREFIX,
  CONFIG,
  CLOCK,
  options,
  build,
  codes,
  entryOf,
  own,
  started,
  answered,
  joined,
  withFiles,
} from '../../support/status-facts.js';

t.test('before etcd has answered', async t => {
  const facts = started();
  t.match(build(facts), {
    version: 1,
    agent: { pid: process.pid, startedAt: '2026-01-01T00:00:00.000Z' },
    verdict: 'starting',
    phase: 'waiting-for-etcd',
    awaiting: 'etcd to answer',
    etcd: { connected: false, since: '2026-01-01T00:00:00.000Z', lastError: null, doubt: null },
    config: { state: 'missing', key: '/net/config', running: null },
    underlay: { device: UNDERLAY, address: vtepOf(1), mtu: 1500, reason: 'it has the default route' },
    ...{ lease: null, peers: [], setAside: [], dataPlane: null, files: [] },
  });
  t.strictSame(codes(facts), [], 'nothing is known to be missing');
  const error = new StoreError('unavailable', 'connection refused');
  facts.connection = { connected: false, since: 11_000, error };
  t.match(build(facts), {
    etcd: { connected: false, since: '2026-01-01T00:00:10.000Z', lastError: error.message },
  });
  facts.saved = { subnet: prefix('10.5.34.0/24') };
  t.match(build(facts).awaiting, /^etcd to answer, then for 10\.5\.34\.0\/24 again/);
  matchAll(t, build(facts).problems, [
    { code: 'etcd-away', seen: 'etcd has not answered since 2026-01-01T00:00:10.000Z: connection refused' },
  ]);
});

t.test('etcd that refuses us does not read as away', async t => {
  const facts = started();
  const advice = { code: 'wrong-password', cause: 'no such user', next: 'etcdctl user list' };
  for (const [kind, code, awaiting, seen] of [
    ['tls', 'etcd-tls', 'a secure connection to etcd', /^no secure connection to etcd since 2026-.*: no$/],
    ['denied', 'etcd-denied', 'etcd to let us in', /^etcd refuses us since 2026-.*: no$/],
  ] as const) {
    facts.connection = { connected: false, since: 1_000, error: new StoreError(kind, 'no') };
    const { problems, etcd } = build(facts);
    matchAll(t, problems, [
      { code, severity: 'error', seen, cause: /are not right|do not fit/, next: /^etcdctl/ },
    ]);
    t.equal(build(facts).awaiting, awaiting);
    t.match(etcd, { connected: false, lastError: 'no', lastErrorKind: kind });
    facts.connection = { connected: false, since: 1_000, error: new StoreError(kind, 'no', { advice }) };
    t.match(build(facts).problems, [{ code, cause: 'no such user', next: 'etcdctl user list' }]);
  }
});

t.test('a part that etcd refuses', async t => {
  const error = new StoreError('denied', 'list /net/: permission denied');
  const facts = answered(CONFIG);
  facts.connection = { connected: true, since: 2_000, error };
  facts.leaseTrouble = { seen: 'none yet: permission denied', error };
  const ending = { role: 'CA', file: '/etc/ca.pem', ends: [CLOCK.wall] } as const;
  facts.credentials = { certificates: [ending], fault: undefined };
  matchAll(t, build(facts).problems, [
    { code: 'etcd-denied', seen: /^etcd tells of changes, and refuses lists: list .net/ },
    { code: 'etcd-denied', seen: 'our lease: none yet: permission denied' },
    { code: 'certificate-expires', severity: 'warning' },
  ]);
  facts.credentials = undefined;
  t.match(build(facts).etcd, { connected: true, lastError: /permission denied/ });
  facts.connection = { connected: true, since: 2_000, error: undefined };
  facts.leaseTrouble = { seen: 'none yet', error: new StoreError('tls', 'no') };
  t.strictSame(codes(facts), ['etcd-tls']);
  facts.leaseTrouble = { seen: 'none yet', error: new StoreError('unavailable', 'no') };
  t.match(build(facts).problems, [{ code: 'lease-trouble', cause: /did not answer this call/ }]);
  facts.connection = { connected: false, since: 2_000, error: new StoreError('unavailable', 'no') };
  t.strictSame(codes(facts), ['etcd-away'], 'that our lease is not renewed either is part of it');
  facts.connection = { connected: false, since: 2_000, error: new StoreError('denied', 'no') };
  facts.leaseTrouble = { seen: 'not renewed', error: new StoreError('denied', 'no') };
  t.strictSame(codes(facts), ['etcd-denied'], 'a refusal of everything is told once');
  facts.leaseTrouble = { seen: 'not renewed', error: new StoreError('tls', 'no') };
  t.strictSame(codes(facts), ['etcd-denied', 'etcd-tls']);
  facts.leaseTrouble = { seen: 'contested' };
  t.strictSame(codes(facts), ['etcd-denied', 'lease-trouble']);
});

t.test('certificates that end soon, and files that cannot be used', async t => {
  const facts = answered();
  facts.config?.see('{"Network":"10.5.0.0/16"}');
  const days = (n: number) => CLOCK.wall + n * 86_400_000;
  const certificate = { role: 'client', file: '/etc/c.pem' } as const;
  const authority = { role: 'CA', file: '/etc/ca.pem' } as const;
  const withEnds = (client: number, authorities: readonly number[], fault?: string) => {
    const certificates = [
      { ...certificate, ends: [client] },
      { ...authority, ends: authorities },
    ];
    facts.credentials = { certificates, fault };
    return build(facts);
  };
  const calm = withEnds(days(8), [days(-1), days(300)]);
  t.strictSame(calm.problems, [], 'an old CA beside the new one is no problem');
  t.strictSame(calm.etcd.certificates, [
    { ...certificate, endsAt: '2026-01-09T00:01:00.000Z' },
    { ...authority, endsAt: '2026-10-28T00:01:00.000Z' },
  ]);
  matchAll(t, withEnds(days(7), [days(5), days(300)]).problems, [
    {
      ...{ code: 'certificate-expires', severity: 'warning' },
      seen: 'our client certificate /etc/c.pem ends on 2026-01-08T00:01:00.000Z, in 7 days',
      next: /^openssl x509 -in \/etc\/c\.pem -noout -dates/,
    },
    { code: 'certificate-expires', seen: /^a CA in \/etc\/ca\.pem ends on .*, in 5 days$/ },
  ]);
  matchAll(t, withEnds(days(-1), [days(-2), days(-3)], 'client key /etc/k.pem: is encrypted').problems, [
    {
      ...{ code: 'etcd-credentials', severity: 'warning' },
      seen: 'client key /etc/k.pem: is encrypted; what was read before stays in use',
    },
    { seen: 'our client certificate /etc/c.pem has ended, on 2025-12-31T00:01:00.000Z' },
    { seen: /^a CA in .* has ended, on 2025-12-30T/ },
  ]);
});

t.test('what is known of the endpoints', async t => {
  const facts = answered(CONFIG);
  t.strictSame(build(facts).etcd.endpointStates, []);
  const advice = { code: 'connection-refused', cause: 'nothing listens', next: 'endpoint health' };
  const passedOver = { since: CLOCK.wall - 60_000, advice };
  const nothing = { passedOver: undefined, certificateEndsAt: undefined };
  facts.endpoints = [
    { url: 'https://a:2379', ...nothing, passedOver },
    { url: 'https://b:2379', ...nothing, certificateEndsAt: CLOCK.wall + 86_400_000 },
    { url: 'https://c:2379', ...nothing },
  ];
  const { etcd, problems, verdict } = build(facts);
  t.strictSame(etcd.endpointStates, [
    {
      url: 'https://a:2379',
      passedOver: { since: '2026-01-01T00:00:00.000Z', cause: 'nothing listens' },
      certificateEndsAt: null,
    },
    { url: 'https://b:2379', passedOver: null, certificateEndsAt: '2026-01-02T00:01:00.000Z' },
  ]);
  matchAll(t, problems, [
    {
      ...{ code: 'etcd-endpoint', severity: 'warning', cause: 'nothing listens', next: 'endpoint health' },
      seen: 'the endpoint https://a:2379 is passed over since 2026-01-01T00:00:00.000Z; another serves',
    },
    {
      ...{ code: 'certificate-expires', severity: 'warning' },
      seen: /^the certificate of etcd at https:\/\/b:2379 ends on 2026-01-02T00:01:00.000Z, in 24 h$/,
      next: /^openssl s_client -connect b:2379 </,
    },
  ]);
  t.not(verdict, 'degraded');
  facts.connection = { connected: false, since: 0, error: undefined };
  t.notOk(codes(facts).includes('etcd-endpoint'), 'when none serves, that is said');
});

t.test('waiting for a config', async t => {
  const facts = answered();
  t.match(build(facts), {
    phase: 'waiting-for-config',
    verdict: 'starting',
    awaiting: 'a config at /net/config that can be used',
    etcd: { connected: true, since: '2026-01-01T00:00:01.000Z' },
  });
  t.strictSame(codes(facts), ['config-missing']);
  t.match(build(facts).problems, [
    { next: /^etcdctl .* put \/net\/config '\{"Network":"10\.5\.0\.0\/16",.*\}'/ },
  ]);
  facts.config?.see('{"Network":"x"}');
  t.match(build(facts), {
    phase: 'waiting-for-config',
    config: { state: 'invalid' },
    problems: [{ code: 'config-invalid', seen: /^\/net\/config cannot be used: Network: "x" must be / }],
  });
});

t.test('going on with a config that etcd does not have', async t => {
  const facts = answered(CONFIG);
  facts.config?.see(undefined);
  const next = `etcdctl --endpoints ${options.etcd.endpoints.join(',')} put /net/config '${CONFIG}'`;
  matchAll(t, build(facts).problems, [
    {
      code: 'config-missing',
      seen: '/net/config does not exist; this host goes on with the one that runs',
      next,
    },
  ]);
  facts.config = new ConfigFollower('/net/config', recordedLog().log, CONFIG);
  facts.config.see(undefined);
  t.match(build(facts), { phase: 'acquiring', config: { source: 'state', running: CONFIG } });
  matchAll(t, build(facts).problems, [
    { code: 'config-missing', seen: /the copy in its state directory$/, next },
  ]);
});

t.test('waiting for a subnet', async t => {
  const facts = answered(CONFIG);
  t.match(build(facts), {
    phase: 'acquiring',
    awaiting: 'a subnet',
    config: { state: 'running', running: CONFIG },
  });
  t.strictSame(codes(facts), []);
  facts.exhausted = 255n;
  matchAll(t, build(facts).problems, [
    { code: 'no-free-subnet', seen: 'all 255 subnets of the range are leased' },
  ]);
});

t.test('the subnets of the range, and few of them left', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  await reconciling.settled();
  await withFiles(t, facts);
  t.equal(build(facts).subnets, null);
  const entries = new Map<string, unknown>();
  const { log } = recordedLog();
  const range = { network: NETWORK, subnetLength: 24, subnetMin: '10.5.1.0', subnetMax: '10.5.20.0' };
  facts.usage = new SubnetUsage({ range, keyPrefix: KEY_PREFIX, entries: () => entries, log, sleep });
  const takeUpTo = (last: number) => {
    for (let n = 1; n <= last; n++) entries.set(`${KEY_PREFIX}10.5.${n}.0-24`, undefined);
    facts.usage?.noteChanges({ cause: 'relist', changes: [] });
  };
  takeUpTo(17);
  t.match(build(facts), { subnets: { total: 20, free: 3 }, verdict: 'healthy', problems: [] });
  takeUpTo(18);
  t.match(build(facts), { subnets: { free: 2 }, verdict: 'healthy', problems: [{ severity: 'warning' }] });
  matchAll(t, build(facts).problems, [
    {
      ...{ code: 'subnets-running-out', severity: 'warning', seen: '2 of 20 subnets are free' },
      next: /^selvedge leases --etcd-endpoints .* --etcd-prefix \/net; then selvedge leases release SUBNET, .* or widen/,
    },
  ]);
  facts.own = undefined;
  facts.exhausted = 20n;
  t.strictSame(codes(facts), ['no-free-subnet'], 'one of the two is enough');
});

t.test('waiting to see whether another host lives, and one that does', async t => {
  const entry = entryOf(3, { publicIp: vtepOf(1) });
  const parsed = parseLease(entry, KEY_PREFIX);
  if (!parsed.ok) throw new Error(parsed.reason);
  const holder = { nodeId: 'a'.repeat(32), name: 'node7', since: '2025-12-01T00:00:00Z' };
  const lease = { ...parsed.value, holder };
  const waiting = answered(CONFIG);
  waiting.awaiting = { lease, until: 181_000 };
  t.match(build(waiting), {
    phase: 'acquiring',
    awaiting:
      `whether node7 (node ${holder.nodeId}) at ${vtepOf(1)}, which holds 10.5.3.0/24, lives: ` +
      'without a sign of it until 2026-01-01T00:03:00.000Z it counts as gone',
  });

  const { facts, reconciling } = joined(t, [entry]);
  await reconciling.settled();
  await withFiles(t, facts);
  t.strictSame(codes(facts), ['public-ip-shared']);
  facts.duplicate = lease;
  matchAll(t, build(facts).problems, [
    {
      code: 'duplicate-public-ip',
      seen: /^duplicate public IP 192.168.77.1, held by node7 \(node a{32}\) since 2025-12-01T00:00:00Z with 10.5.3.0\/24/,
    },
  ]);
});

t.test('the lease', async t => {
  const facts = answered(CONFIG);
  facts.own = own;
  t.strictSame(build(facts).lease, {
    subnet: '10.5.1.0/24',
    key: '/net/subnets/10.5.1.0-24',
    etcdLease: '694d7b2f1c8a9e05',
    origin: 'free',
    renewedAt: null,
    expiresAt: null,
  });
  facts.own = { ...own, leaseId: '0' };
  facts.renewedAt = 60_000;
  facts.expiresAt = 661_000;
  t.match(build(facts).lease, {
    etcdLease: null,
    renewedAt: '2026-01-01T00:00:59.000Z',
    expiresAt: '2026-01-01T00:11:00.000Z',
  });
});

t.test('programming, then running', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2), entryOf(3), entryOf(4, { vni: 9 })]);
  t.match(build(facts), {
    phase: 'programming',
    verdict: 'starting',
    awaiting: 'the kernel to hold all peers, and the files for Docker',
    peers: [
      { subnet: '10.5.2.0/24', publicIp: vtepOf(2), path: 'vxlan', state: 'pending', error: null },
      { subnet: '10.5.3.0/24', state: 'pending' },
    ],
    setAside: [{ key: `${KEY_PREFIX}10.5.4.0-24`, code: 'bad-backend-data', reason: 'VNI is 9, ours is 1' }],
    dataPlane: {
      device: { name: 'flannel.1', mac: OWN_MAC, mtu: 1450 },
      desired: { address: 1, fdb: 2, neighbour: 2, nexthop: 2, route: 2 },
      held: { address: 0, fdb: 0, neighbour: 0, nexthop: 0, route: 0 },
      lastFullCheckAt: null,
    },
  });

  await reconciling.settled();
  t.match(build(facts), { phase: 'programming', peers: [{ state: 'programmed' }, { state: 'programmed' }] });
  await withFiles(t, facts);
  const status = build(facts);
  t.match(status, { phase: 'running', verdict: 'healthy', awaiting: null });
  t.strictSame(status.problems, []);
  t.strictSame(status.dataPlane?.held, status.dataPlane?.desired);
  t.strictSame(
    status.files.map(({ writtenAt }) => writtenAt),
    Array.from({ length: 3 }, () => '2026-01-01T00:00:30.000Z'),
  );
  t.equal(
    status.dataPlane?.lastFullCheckAt,
    '2025-12-31T23:59:59.000Z',
    'by the same clock as all other moments',
  );
  t.strictSame(JSON.parse(JSON.stringify(status)), status, 'plain data');

  facts.stopping = true;
  t.match(build(facts), { phase: 'stopping', awaiting: null });
});

t.test('a wall clock that jumps changes no age and no verdict', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  await reconciling.settled();
  await withFiles(t, facts);
  const textAt = (wall: number) => {
    const status = buildStatus(facts, options, { wall, steady: CLOCK.steady });
    return renderStatus(status, { now: new Date(wall), all: false, wide: true, paint: noPaint });
  };
  const before = textAt(CLOCK.wall);
  t.match(before, /^healthy: [^]*renewed 1 s ago, expires in 9 min\n[^]*started 60 s ago\n$/);
  const year = 365 * 86_400_000;
  for (const jump of [year, -year]) t.equal(textAt(CLOCK.wall + jump), before);
});

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { configureBackend } from '../../../src/backends/registry.js';
import { ConfigFollower } from '../../../src/daemon/config-follower.js';
import { EnvFiles } from '../../../src/daemon/env-files.js';
import { emptyFacts, type Facts } from '../../../src/daemon/facts.js';
import { resolveAgentOptions, type AgentOptions } from '../../../src/daemon/options.js';
import { Overlay } from '../../../src/daemon/overlay.js';
import { PROBLEM_CODES } from '../../../src/daemon/problems.js';
import { buildStatus } from '../../../src/daemon/status-builder.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { chooseTxChecksum } from '../../../src/daemon/tx-checksum.js';
import { OffloadKeeper } from '../../../src/dataplane/offload-keeper.js';
import { Doubt } from '../../../src/subnet/doubt.js';
import { formatLeaseValue, parseLease } from '../../../src/subnet/lease.js';
import type { OwnLease } from '../../../src/subnet/manager.js';
import { SubnetUsage } from '../../../src/subnet/subnet-usage.js';
import { sleep } from '../../../src/daemon/tasks.js';
import { StoreError, type KeyChange, type KeyValue } from '../../../src/subnet/store.js';
import { macOf, NETWORK, OWN_MAC, prefix, UNDERLAY, vtepOf } from '../../support/dataplane.js';
import { startReconciling, type Reconciling } from '../../support/reconciling.js';
import { routeOn } from '../../support/netlink-contract-entries.js';
import { recordedLog } from '../../support/recorded-log.js';
import { matchAll } from '../../support/match-all.js';

const KEY_PREFIX = '/net/subnets/';
const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
/** The agent started at steady 1,000 ms; it is now 2026-01-01T00:01:00Z, steady 61,000 ms. */
const CLOCK = { wall: Date.UTC(2026, 0, 1, 0, 1, 0), steady: 61_000 };

function optionsWith(flags: Record<string, string[]> = {}): AgentOptions {
  const resolved = resolveAgentOptions({ 'etcd-prefix': ['/net'], ...flags }, [], {});
  if (!resolved.ok) throw new Error(resolved.faults.join('; '));
  return resolved.options;
}
const options = optionsWith();

const build = (facts: Facts): StatusDocument => buildStatus(facts, options, CLOCK);
const codes = (facts: Facts) => build(facts).problems.map(({ code }) => code);

function entryOf(n: number, given: { readonly vni?: number; readonly publicIp?: string } = {}): KeyValue {
  const value = formatLeaseValue({
    publicIp: given.publicIp ?? vtepOf(n),
    backendType: 'vxlan',
    backendData: { VNI: given.vni ?? 1, VtepMAC: macOf(n) },
  });
  const revision = BigInt(n);
  return {
    ...{ key: `${KEY_PREFIX}10.5.${n}.0-24`, value, createRevision: revision, modRevision: revision },
    leaseId: '0',
  };
}

const own: OwnLease = {
  key: `${KEY_PREFIX}10.5.1.0-24`,
  subnet: prefix('10.5.1.0/24'),
  value: '',
  modRevision: 7n,
  leaseId: '7587856389461679621',
  origin: 'free',
};

/** What is known before etcd has answered. */
function started(): Facts {
  const facts = emptyFacts(1_000);
  facts.config = new ConfigFollower('/net/config', recordedLog().log);
  facts.underlay = {
    ...{ name: UNDERLAY, mtu: 1500, address: vtepOf(1), publicIp: vtepOf(1) },
    reason: 'it has the default route',
  };
  return facts;
}

function answered(config?: string): Facts {
  const facts = started();
  facts.connection = { connected: true, since: 2_000, error: undefined };
  facts.mirrored = true;
  facts.config?.see(config);
  return facts;
}

/** A host with a lease and a reconciler at work on a fake kernel. */
function joined(t: Test, entries: readonly KeyValue[]): { facts: Facts; reconciling: Reconciling } {
  const facts = answered(CONFIG);
  const configured = configureBackend('vxlan', {});
  if (!configured.ok) throw new Error('vxlan');
  const { log } = recordedLog();
  const reconciling = startReconciling(t);
  const overlay = new Overlay({ backend: configured.backend, network: NETWORK, keyPrefix: KEY_PREFIX, log });
  overlay.attach(reconciling.reconciler);
  const underlay = { device: UNDERLAY, address: vtepOf(1), publicIp: vtepOf(1), mtu: 1500, routes: [] };
  const self = { subnets: { ipv4: own.subnet }, underlay, mac: OWN_MAC };
  overlay.setOwn(own, self, new Map(entries.map(entry => [entry.key, entry])));
  facts.backend = configured.backend;
  facts.own = own;
  facts.renewedAt = 60_000;
  facts.expiresAt = 660_000;
  facts.overlay = overlay;
  facts.reconciler = reconciling.reconciler;
  return { facts, reconciling };
}

async function withFiles(t: Test, facts: Facts): Promise<void> {
  const directory = t.testdir();
  const path = (name: string) => join(directory, name);
  const paths = { subnetFile: path('s'), dockerEnvFile: path('e'), dockerOptsFile: path('o') };
  facts.files = new EnvFiles(paths, recordedLog().log);
  const ipv4 = { network: NETWORK, subnet: own.subnet };
  await facts.files.write({ ipv4, mtu: 1450, ipMasq: false }, 31_000);
}

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
  matchAll(t, build(facts).problems, [
    { code: 'etcd-denied', seen: /^etcd tells of changes, and refuses lists: list .net/ },
    { code: 'etcd-denied', seen: 'our lease: none yet: permission denied' },
  ]);
  t.match(build(facts).etcd, { connected: true, lastError: /permission denied/ });
  facts.connection = { connected: true, since: 2_000, error: undefined };
  facts.leaseTrouble = { seen: 'none yet', error: new StoreError('tls', 'no') };
  t.strictSame(codes(facts), ['etcd-tls']);
  facts.leaseTrouble = { seen: 'none yet', error: new StoreError('unavailable', 'no') };
  t.strictSame(codes(facts), ['lease-trouble']);
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

t.test('waiting for a config', async t => {
  const facts = answered();
  t.match(build(facts), {
    phase: 'waiting-for-config',
    verdict: 'starting',
    awaiting: 'a config at /net/config that can be used',
    etcd: { connected: true, since: '2026-01-01T00:00:01.000Z' },
  });
  t.strictSame(codes(facts), ['config-missing']);
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
  t.match(build(facts), { subnets: { total: 20, free: 2 }, verdict: 'healthy' });
  matchAll(t, build(facts).problems, [
    {
      ...{ code: 'subnets-running-out', severity: 'warning', seen: '2 of 20 subnets are free' },
      next: /^etcdctl --endpoints .* get --prefix --keys-only \/net\/subnets\/, then widen/,
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

t.test('running with something wrong is degraded', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  await reconciling.settled();
  await withFiles(t, facts);
  t.equal(build(facts).verdict, 'healthy');
  const check = (code: string, change: (on: Facts) => void) => {
    const changed = { ...facts };
    change(changed);
    t.match(build(changed), { verdict: 'degraded', phase: 'running' }, code);
    t.strictSame(codes(changed), [code]);
    for (const { seen, cause, next } of build(changed).problems) t.ok(seen && cause && next);
  };
  check('etcd-away', on => {
    on.connection = { connected: false, since: 60_000, error: new StoreError('unavailable', 'away') };
  });
  check('file-not-written', on => (on.stateError = 'cannot write /var/lib/selvedge'));
  check('etcd-doubt', on => {
    on.doubt = new Doubt(300);
    const gone: KeyChange = { kind: 'delete', key: entryOf(2).key, modRevision: 9n };
    const circumstances = { peers: new Set<string>(), ownKey: own.key, ownExpired: false, afterGap: false };
    on.doubt.judge({ cause: 'relist', history: 'other-cluster', changes: [gone] }, circumstances, 60_000);
    on.overlay?.applyChanges([gone], 'keep');
    t.strictSame(build(on).etcd.doubt, {
      reason: 'etcd is another cluster than before',
      since: '2026-01-01T00:00:59.000Z',
      until: '2026-01-01T00:05:59.000Z',
      keptPeers: 1,
    });
  });
  check('config-differs', on => on.config?.see('{"Network":"10.6.0.0/16"}'));
});

t.test('what the kernel refuses', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  await reconciling.settled();
  await withFiles(t, facts);
  reconciling.disturbance.refused = 24; // RTM_NEWROUTE
  facts.overlay?.applyChanges([{ kind: 'put', entry: entryOf(3) }], 'believe');
  await reconciling.settled();
  const status = build(facts);
  t.match(status, {
    verdict: 'degraded',
    peers: [{ state: 'programmed' }, { state: 'failing', error: /EOPNOTSUPP/ }],
    problems: [{ code: 'kernel-refused', seen: /^refused by the kernel: .*10\.5\.3\.0\/24/ }],
    dataPlane: {
      desired: { route: 2 },
      held: { route: 1, fdb: 2 },
      failing: [
        { entry: 'route 10.5.3.0/24 nhid 1115766976 via 10.5.3.0 dev flannel.1 onlink', error: /EOPNOTSUPP/ },
      ],
    },
  });
});

t.test('what of others is in the way', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  const foreign = {
    ...routeOn(reconciling.underlayIndex, '10.5.2.0', '192.168.77.9'),
    protocol: 4,
    multipath: false,
  };
  reconciling.fake.state.routes.push(foreign);
  await reconciling.settled();
  await withFiles(t, facts);
  const status = build(facts);
  t.strictSame(codes(facts), ['route-conflict']);
  t.match(status.dataPlane, { desired: { route: 1, fdb: 1 }, held: { route: 0, fdb: 1 } });
  matchAll(t, status.dataPlane?.conflicts ?? [], [
    {
      wanted: 'route 10.5.2.0/24 nhid 1115766912 via 10.5.2.0 dev flannel.1 onlink',
      found: /10\.5\.2\.0\/24 via 192\.168\.77\.9/,
    },
  ]);
  matchAll(t, status.peers, [{ state: 'failing', error: /^in the way: / }]);
});

t.test('a device that cannot be made', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  reconciling.fake.addLink({ name: 'flannel.1', kind: 'bridge' });
  await reconciling.settled();
  t.match(build(facts), {
    phase: 'programming',
    peers: [{ state: 'failing' }],
    problems: [{ code: 'device-trouble', seen: /^device flannel\.1: /, next: 'ip -d link show flannel.1' }],
  });
});

t.test('what another program keeps undoing', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2), entryOf(3)]);
  await reconciling.settled();
  await withFiles(t, facts);
  const { fake, reconciler } = reconciling;
  const takeAway = async () => {
    const { routes } = fake.state;
    routes.splice(0, routes.length, ...routes.filter(({ destination }) => destination[2] !== 2));
    reconciler.doubt();
    await reconciling.settled();
  };
  for (let i = 0; i < 6; i++) await takeAway();
  t.match(build(facts), {
    peers: [{ state: 'programmed' }, { state: 'programmed' }],
    dataPlane: { repairs: 6 },
  });
  await takeAway();
  t.match(build(facts), {
    verdict: 'degraded',
    peers: [{ state: 'failing', error: 'another program keeps undoing it' }, { state: 'programmed' }],
    problems: [
      {
        code: 'contested-entry',
        seen: /^put right again and again: route 10\.5\.2\.0\/24 .*\(6 times since 20/,
      },
    ],
  });
  await reconciling.advance(1_000);
  t.match(build(facts), { peers: [{ state: 'programmed' }, {}], dataPlane: { repairs: 7 } }, 'after a pause');
  await reconciling.advance(300_000);
  t.strictSame(codes(facts), [], 'over, when it was quiet');
});

t.test('an offload that this kernel lets nobody turn off', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  await reconciling.settled();
  await withFiles(t, facts);
  const offload = { read: () => Promise.resolve('unsupported' as const), write: () => Promise.resolve() };
  const choice = chooseTxChecksum('auto', { release: '5.4.1' });
  const keeper = new OffloadKeeper(offload, choice.value, recordedLog().log);
  facts.checksum = { choice, keeper };
  await keeper.ensure('flannel.1');
  t.match(build(facts), {
    problems: [
      {
        code: 'checksum-not-set',
        seen: /older than 5\.7 \(auto: kernel 5\.4\.1 spoils/,
        next: 'ethtool -K flannel.1 tx-checksum-ip-generic off',
      },
    ],
    dataPlane: { txChecksum: { wanted: 'off', active: null } },
  });
});

t.test('every problem has a code of the registry, and no code is there twice', async t => {
  t.equal(new Set(PROBLEM_CODES).size, PROBLEM_CODES.length);
  t.ok(PROBLEM_CODES.every(code => /^[a-z]+(-[a-z]+)+$/.test(code)));
});

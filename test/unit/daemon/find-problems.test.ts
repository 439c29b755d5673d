/** Facts → problems: what is wrong with a network that is joined. */
import t from 'tap';
import { findDockerBridge } from '../../../src/daemon/docker-bridge.js';
import type { Facts } from '../../../src/daemon/facts.js';
import { PROBLEM_CODES } from '../../../src/daemon/problems.js';
import { chooseTxChecksum } from '../../../src/daemon/tx-checksum.js';
import { OffloadKeeper } from '../../../src/dataplane/offload-keeper.js';
import { Doubt } from '../../../src/subnet/doubt.js';
import { StoreError, type KeyChange } from '../../../src/subnet/store.js';
import { prefix, UNDERLAY, vtepOf } from '../../support/dataplane.js';
import { addressOn, routeOn } from '../../support/netlink-contract-entries.js';
import { recordedLog } from '../../support/recorded-log.js';
import { matchAll } from '../../support/match-all.js';
import { build, codes, entryOf, own, joined, withFiles } from '../../support/status-facts.js';

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
    const circumstances = { peers: new Map(), ownKey: own.key, ownExpired: false, afterGap: false };
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

t.test('docker0 with another subnet than the lease, until Docker is restarted', async t => {
  const { facts, reconciling } = joined(t, []);
  await reconciling.settled();
  await withFiles(t, facts);
  const address = (device: string, text: string) =>
    ({ kind: 'address', device, prefix: prefix(text) }) as const;
  const onUnderlay = address(UNDERLAY, '192.168.77.1/24');
  facts.dockerBridge = findDockerBridge([onUnderlay, address('docker0', '172.17.0.1/16')]);
  const seen = 'docker0 has 172.17.0.1/16, and the subnet of this host is 10.5.1.0/24';
  const next = /systemctl restart docker$/;
  matchAll(t, build(facts).problems, [{ code: 'docker-subnet', severity: 'error', seen, next }]);
  facts.stateError = 'cannot write it';
  const codes = build(facts).problems.map(({ code }) => code);
  t.same(codes, ['file-not-written', 'docker-subnet'], 'what Docker waits for comes first');
  facts.stateError = undefined;
  facts.dockerBridge = findDockerBridge([onUnderlay, address('docker0', '10.5.1.1/24')]);
  t.same(build(facts).problems, []);
  facts.dockerBridge = findDockerBridge([onUnderlay]);
  t.same(build(facts).problems, [], 'without Docker');
});

t.test('a subnet that was lost to another host, until nothing is of it any more', async t => {
  const { facts, reconciling } = joined(t, [entryOf(2)]);
  const { addresses } = reconciling.fake.state;
  const old = addressOn(reconciling.underlayIndex, '10.5.2.1', 24);
  addresses.push(old);
  reconciling.reconciler.doubt();
  await reconciling.settled();
  await withFiles(t, facts);
  facts.moved = { from: prefix('10.5.2.0/24'), loss: 'taken', at: 60_000 };
  const seen = `our subnet is 10.5.1.0/24 since 2026-01-01T00:00:59.000Z; it was 10.5.2.0/24, which ${vtepOf(2)} holds now`;
  const bridge = `; address 10.5.2.1/24 dev ${UNDERLAY} is still of it`;
  t.match(build(facts).problems, [{ code: 'subnet-changed', severity: 'error', seen: `${seen}${bridge}` }]);
  addresses.splice(addresses.indexOf(old), 1);
  reconciling.reconciler.doubt();
  await reconciling.settled();
  matchAll(t, build(facts).problems, [{ code: 'subnet-changed', severity: 'warning', seen }]);
  t.equal(build(facts).verdict, 'healthy');
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

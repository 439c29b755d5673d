import t from 'tap';
import type { Self, Underlay } from '../../../src/backends/backend.js';
import { configureBackend } from '../../../src/backends/registry.js';
import { Overlay } from '../../../src/daemon/overlay.js';
import { describe } from '../../../src/dataplane/kinds/index.js';
import { SELVEDGE_ROUTE_PROTOCOL, type Entry } from '../../../src/dataplane/model.js';
import { NetlinkKernel } from '../../../src/dataplane/netlink-kernel.js';
import { NetlinkSocket } from '../../../src/dataplane/netlink/socket.js';
import { Reconciler } from '../../../src/dataplane/reconciler.js';
import { formatLeaseValue } from '../../../src/subnet/lease.js';
import type { OwnLease } from '../../../src/subnet/manager.js';
import type { KeyChange, KeyValue } from '../../../src/subnet/store.js';
import {
  macOf,
  NETWORK,
  OWN_MAC,
  OWNERSHIP,
  peerEntries,
  prefix,
  programmed,
  vtepOf,
} from '../../support/dataplane.js';
import { FakeKernel } from '../../support/fake-kernel.js';
import { matchAll } from '../../support/match-all.js';
import { recordedLog } from '../../support/recorded-log.js';

const KEY_PREFIX = '/net/subnets/';
const underlay: Underlay = { device: 'up0', address: vtepOf(1), publicIp: vtepOf(1), mtu: 1500, routes: [] };

interface Given {
  readonly publicIp?: string;
  readonly data?: unknown;
  readonly revision?: number;
}

function entryOf(subnet: string, peer: number, given: Given = {}): KeyValue {
  const data = given.data ?? { VNI: 1, VtepMAC: macOf(peer) };
  const value = formatLeaseValue({
    publicIp: given.publicIp ?? vtepOf(peer),
    backendType: 'vxlan',
    backendData: data,
  });
  const revision = BigInt(given.revision ?? peer);
  return { key: KEY_PREFIX + subnet, value, createRevision: revision, modRevision: revision, leaseId: '0' };
}

const put = (...args: Parameters<typeof entryOf>): KeyChange => ({ kind: 'put', entry: entryOf(...args) });
const remove = (subnet: string): KeyChange => ({
  kind: 'delete',
  key: KEY_PREFIX + subnet,
  modRevision: 99n,
});

/** A reconciler that never runs: what it desires can be looked at. */
function lab(settings: Record<string, unknown> = {}) {
  const configured = configureBackend('vxlan', settings);
  if (!configured.ok) throw new Error('vxlan');
  const { log, lines } = recordedLog();
  const overlay = new Overlay({ backend: configured.backend, network: NETWORK, keyPrefix: KEY_PREFIX, log });
  const reconciler = new Reconciler({
    kernel: new NetlinkKernel(new NetlinkSocket(new FakeKernel().openTransport())),
    ownership: OWNERSHIP,
    log,
    now: () => 0,
    random: () => 0.5,
  });
  overlay.attach(reconciler);
  const own = (subnet: string, entries: readonly KeyValue[]) => {
    const parsed = prefix(subnet);
    const self: Self = { subnets: { ipv4: parsed }, underlay, mac: OWN_MAC };
    const lease: OwnLease = {
      key: KEY_PREFIX + subnet.replace('/', '-'),
      subnet: parsed,
      value: '',
      ...{ modRevision: 1n, leaseId: '0', origin: 'free' },
    };
    overlay.setOwn(lease, self, new Map(entries.map(entry => [entry.key, entry])), false);
  };
  return {
    overlay,
    own,
    desired: () => [...reconciler.view.desired.values()].map(describe).sort(),
    news: () => lines.splice(0).map(({ level, msg }) => `${level}: ${msg}`),
  };
}

const tunnelled = (n: number, peer = n) =>
  programmed(peerEntries(n, macOf(peer), vtepOf(peer))).map(describe);
const host = ['address 10.5.1.0/32 dev flannel.1'];

t.test('before the host has a lease nothing is planned', async t => {
  const { overlay, desired } = lab();
  overlay.applyChanges([put('10.5.2.0-24', 2)], 'believe');
  overlay.followRoutes([]);
  overlay.forgetKept();
  t.strictSame(desired(), []);
  t.strictSame([overlay.self, overlay.peers], [undefined, undefined]);
});

t.test('the host and its peers are planned, then each change', async t => {
  const { overlay, own, desired, news } = lab();
  own('10.5.1.0/24', [
    entryOf('10.5.1.0-24', 1),
    entryOf('10.5.2.0-24', 2),
    entryOf('10.5.3.0-24', 3, { data: { VNI: 9, VtepMAC: macOf(3) } }),
  ]);
  t.strictSame(desired(), [...host, ...tunnelled(2)].sort());
  t.strictSame(news(), [
    'warn: lease /net/subnets/10.5.3.0-24 set aside: VNI is 9, ours is 1',
    'info: peers known: 1',
  ]);
  t.equal(overlay.publicIpAt(prefix('10.5.2.0/24')), vtepOf(2));
  t.equal(overlay.publicIpAt(prefix('10.5.3.0/24')), undefined);

  overlay.applyChanges([put('10.5.3.0-24', 3), remove('10.5.2.0-24')], 'believe');
  t.strictSame(desired(), [...host, ...tunnelled(3)].sort());
  t.equal(overlay.publicIpAt(prefix('10.5.2.0/24')), undefined);
  overlay.applyChanges([put('10.5.3.0-24', 4)], 'believe');
  t.strictSame(desired(), [...host, ...tunnelled(3, 4)].sort());
  t.strictSame(news().sort(), [
    `info: peer 10.5.2.0/24 at ${vtepOf(2)} is gone`,
    `info: peer 10.5.3.0/24 at ${vtepOf(3)} has joined`,
    `info: peer 10.5.3.0/24 at ${vtepOf(4)} has changed`,
  ]);
});

t.test('a host that moves to another subnet takes its MAC along', async t => {
  const { overlay, own, desired } = lab();
  own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
  for (const changes of [
    [put('10.5.3.0-24', 2, { revision: 9 }), remove('10.5.2.0-24')],
    [remove('10.5.3.0-24'), put('10.5.2.0-24', 2, { revision: 10 })],
  ])
    overlay.applyChanges(changes, 'believe');
  t.strictSame(desired(), [...host, ...tunnelled(2)].sort());
});

t.test('a subnet that changes hands in one batch keeps its new public IP', async t => {
  const dual = '10.5.2.0-24&fd00::-64';
  for (const changes of [
    [put(dual, 3, { revision: 9 }), remove('10.5.2.0-24')],
    [remove('10.5.2.0-24'), put(dual, 3, { revision: 9 })],
  ]) {
    const { overlay, own, desired } = lab();
    own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
    overlay.applyChanges(changes, 'believe');
    t.strictSame(desired(), [...host, ...tunnelled(2, 3)].sort());
    t.equal(overlay.publicIpAt(prefix('10.5.2.0/24')), vtepOf(3));
  }
});

t.test('another subnet of our own: planned anew, with nothing left of the old one', async t => {
  const { overlay, own, desired } = lab();
  own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
  own('10.5.2.0/24', [entryOf('10.5.1.0-24', 5), entryOf('10.5.4.0-24', 4)]);
  t.strictSame(desired(), ['address 10.5.2.0/32 dev flannel.1', ...tunnelled(1, 5), ...tunnelled(4)].sort());
  t.equal(overlay.publicIpAt(prefix('10.5.2.0/24')), undefined);
  t.strictSame(overlay.self?.subnets.ipv4, prefix('10.5.2.0/24'));
});

t.test(
  'the key of our next lease, told before it is known to be ours, is no news of another host',
  async t => {
    const { overlay, own, news } = lab();
    own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
    news();
    overlay.applyChanges([put('10.5.8.0-24', 1)], 'believe');
    matchAll(t, news(), [/10\.5\.8\.0-24 set aside: public IP .* is our own/]);
    overlay.noteLoss();
    overlay.applyChanges([put('10.5.9.0-24', 1), put('10.5.7.0-24', 7, { data: { VNI: 9 } })], 'believe');
    matchAll(t, news(), [/10\.5\.7\.0-24 set aside/]);
    own('10.5.9.0/24', [entryOf('10.5.9.0-24', 1)]);
    news();
    overlay.applyChanges([put('10.5.6.0-24', 1)], 'believe');
    matchAll(t, news(), [/10\.5\.6\.0-24 set aside: public IP .* is our own/]);
  },
);

t.test('the same subnet again leaves all as it is, also what is kept in doubt', async t => {
  const { overlay, own, desired, news } = lab();
  own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
  overlay.applyChanges([remove('10.5.2.0-24')], 'keep');
  news();
  own('10.5.1.0/24', []);
  t.strictSame(desired(), [...host, ...tunnelled(2)].sort());
  t.strictSame(news(), []);
  overlay.forgetKept();
  t.strictSame(desired(), host);
});

t.test('what is kept in doubt moves along to another subnet', async t => {
  const { overlay, own, desired } = lab();
  own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2), entryOf('10.5.3.0-24', 3)]);
  overlay.applyChanges([remove('10.5.2.0-24'), remove('10.5.3.0-24')], 'keep');
  own('10.5.3.0/24', []);
  t.strictSame(desired(), ['address 10.5.3.0/32 dev flannel.1', ...tunnelled(2)].sort());
});

t.test('peers follow the routes of the underlay', async t => {
  const { overlay, own, desired } = lab({ DirectRouting: true });
  own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
  t.strictSame(desired(), [...host, ...tunnelled(2)].sort(), 'no route is known yet');
  const link: Entry = {
    ...{ kind: 'route', destination: prefix('192.168.77.0/24'), device: 'up0' },
    ...{ onLink: false, protocol: 2, metric: 0 },
  };
  const ours: Entry = {
    ...{ kind: 'route', destination: prefix('192.168.77.2/32'), device: 'flannel.1', gateway: '10.5.9.0' },
    ...{ onLink: true, protocol: SELVEDGE_ROUTE_PROTOCOL, metric: 0 },
  };
  const direct = `route 10.5.2.0/24 via ${vtepOf(2)} dev up0`;
  overlay.followRoutes([link, ours, { kind: 'address', device: 'up0', prefix: prefix('192.168.77.1/24') }]);
  t.strictSame(desired(), [...host, direct].sort());
  t.strictSame(overlay.self?.underlay.routes, [
    { destination: prefix('192.168.77.0/24'), device: 'up0', hasGateway: false },
  ]);
  const { self } = overlay;
  overlay.followRoutes([{ ...link }]);
  t.equal(overlay.self, self, 'the same routes change nothing');
  const foreign: Entry[] = [
    { ...link, destination: prefix('10.5.9.0/24'), protocol: 4 },
    { ...link, destination: prefix('172.31.0.0/16'), device: 'flannel.1', protocol: 4 },
  ];
  overlay.followRoutes([link, ...foreign]);
  t.equal(overlay.self, self, 'nor do those into the Network or on the overlay device');
  overlay.followRoutes([{ ...link, gateway: '192.168.77.254' }]);
  t.strictSame(desired(), [...host, ...tunnelled(2)].sort());
  overlay.followRoutes([link]);
  overlay.followRoutes([]);
  t.strictSame(desired(), [...host, ...tunnelled(2)].sort());
});

t.test('without DirectRouting the routes of the underlay are of no concern', async t => {
  const { overlay, own } = lab();
  own('10.5.1.0/24', [entryOf('10.5.2.0-24', 2)]);
  const { self } = overlay;
  overlay.followRoutes([
    {
      ...{ kind: 'route', destination: prefix('192.168.77.0/24'), device: 'up0' },
      ...{ onLink: false, protocol: 2, metric: 0 },
    },
  ]);
  t.equal(overlay.self, self);
});

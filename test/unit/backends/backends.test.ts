/** Leases in, the whole desired kernel state out. */
import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import type { Backend, Self, Underlay, UnderlayRoute } from '../../../src/backends/backend.js';
import { configureBackend } from '../../../src/backends/registry.js';
import { formatLeaseValue, parseLease, type Lease } from '../../../src/subnet/lease.js';

const OWN_MAC = '02:00:00:00:00:01';
const PEER_MAC = 'c6:d2:32:6f:8f:44';

function configure(type: string, settings: Record<string, unknown> = {}): Backend {
  const configured = configureBackend(type, settings);
  if (!configured.ok) throw new Error(JSON.stringify(configured.faults));
  return configured.backend;
}

function route(destination: string, device = 'eth0', hasGateway = false): UnderlayRoute {
  return { destination: parsePrefix(destination)!, device, hasGateway };
}

const underlay: Underlay = {
  device: 'eth0',
  address: '192.0.2.1',
  mtu: 1500,
  publicIp: '192.0.2.1',
  routes: [route('192.0.2.0/24'), route('0.0.0.0/0', 'eth0', true)],
};

const self: Self = { subnets: { ipv4: parsePrefix('10.5.1.0/24')! }, underlay, mac: OWN_MAC };

interface Given {
  readonly key?: string;
  readonly publicIp?: string;
  readonly type?: string;
  readonly data?: unknown;
}

function lease({ key = '10.5.2.0-24', publicIp = '192.0.2.2', type = 'vxlan', ...given }: Given = {}): Lease {
  const data = 'data' in given ? given.data : { VNI: 1, VtepMAC: PEER_MAC };
  const value = formatLeaseValue({ publicIp, backendType: type, backendData: data });
  const entry = { key: `/net/subnets/${key}`, value, createRevision: 1n, modRevision: 1n, leaseId: '0' };
  const parsed = parseLease(entry, '/net/subnets/');
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}

const address = (text: string, device = 'flannel.1') => ({
  kind: 'address',
  device,
  prefix: parsePrefix(text),
});
const planned = (destination: string, gateway: string, device: string, onLink: boolean) => ({
  ...{
    kind: 'route',
    destination: parsePrefix(destination),
    gateway,
    device,
    onLink,
    protocol: 83,
    metric: 0,
  },
});
const tunnel = (subnet: string, base: string, vtep: string, device = 'flannel.1') => [
  { kind: 'fdb', device, mac: PEER_MAC, vtep },
  { kind: 'neighbour', device, address: base, mac: PEER_MAC },
  planned(subnet, base, device, true),
];

t.test('vxlan: the host', async t => {
  t.strictSame(configure('vxlan').planHost(self), {
    links: [
      {
        kind: 'vxlan',
        name: 'flannel.1',
        vni: 1,
        port: 8472,
        underlay: 'eth0',
        local: '192.0.2.1',
        mac: OWN_MAC,
        mtu: 1450,
        learning: false,
        gbp: false,
      },
    ],
    entries: [address('10.5.1.0/32')],
  });
  const behindNat = { ...self, underlay: { ...underlay, publicIp: '203.0.113.7' } };
  const settings = { vni: 7, Port: 4789, MTU: 1400, Learning: true, gbp: true };
  t.match(configure('vxlan', settings).planHost(behindNat), {
    links: [
      { name: 'flannel.7', vni: 7, port: 4789, mtu: 1350, learning: true, gbp: true, local: '192.0.2.1' },
    ],
    entries: [address('10.5.1.0/32', 'flannel.7')],
  });
  t.throws(() => configure('vxlan').planHost({ ...self, mac: undefined }), /no MAC/);
});

t.test('vxlan: a peer', async t => {
  const backend = configure('vxlan');
  t.strictSame(backend.planPeer(lease(), self), tunnel('10.5.2.0/24', '10.5.2.0', '192.0.2.2'));
  t.equal(backend.pathTo(lease(), self), 'vxlan', 'also when it is on-link');
  const small = lease({ key: '10.5.2.64-26', publicIp: '198.51.100.9' });
  t.strictSame(backend.planPeer(small, self), tunnel('10.5.2.64/26', '10.5.2.64', '198.51.100.9'));
  const dual = lease({ key: '10.5.2.0-24&fd00::-64' });
  t.strictSame(backend.planPeer(dual, self), backend.planPeer(lease(), self), 'IPv6 has no data plane');
  const old = lease({ data: { vtepmac: PEER_MAC.toUpperCase().replaceAll(':', '-') } });
  t.strictSame(backend.planPeer(old, self), backend.planPeer(lease(), self), 'any way to write a MAC');
  t.throws(() => backend.planPeer(lease({ data: {} }), self), /planned without being accepted/);
});

t.test('vxlan with DirectRouting: the most specific route decides', async t => {
  const backend = configure('vxlan', { DirectRouting: true });
  const direct = [planned('10.5.2.0/24', '192.0.2.2', 'eth0', false)];
  const tunnelled = tunnel('10.5.2.0/24', '10.5.2.0', '192.0.2.2');
  const cases: readonly (readonly [what: string, routes: UnderlayRoute[], direct: boolean])[] = [
    ['on our link', [route('192.0.2.0/24')], true],
    ['on our link, with a default route', underlay.routes.slice(), true],
    ['no route at all', [], false],
    ['by the default route', [route('0.0.0.0/0', 'eth0', true)], false],
    ['behind a gateway', [route('192.0.2.0/24', 'eth0', true)], false],
    ['on the link of another device', [route('192.0.2.0/24', 'eth1')], false],
    [
      'by a host route through a gateway',
      [route('192.0.2.0/24'), route('192.0.2.2/32', 'eth0', true)],
      false,
    ],
    ['by a host route on our link', [route('192.0.2.2/32'), route('192.0.2.0/24', 'eth0', true)], true],
    ['by a host route of another device', [route('192.0.2.0/24'), route('192.0.2.2/32', 'eth1')], false],
    ['beside our link', [route('192.0.3.0/24')], false],
    ['only an IPv6 route', [route('::/0')], false],
    ['a whole internet on the link', [route('0.0.0.0/0')], true],
  ];
  for (const [what, routes, isDirect] of cases) {
    for (const each of [routes, [...routes].reverse()]) {
      const at: Self = { ...self, underlay: { ...underlay, routes: each } };
      t.strictSame(backend.planPeer(lease(), at), isDirect ? direct : tunnelled, what);
      t.equal(backend.pathTo(lease(), at), isDirect ? 'direct' : 'vxlan', what);
    }
  }
});

t.test('host-gw', async t => {
  const backend = configure('host-gw');
  t.strictSame(backend.planHost({ ...self, mac: undefined }), { links: [], entries: [] });
  const peer = lease({ type: 'host-gw', data: undefined });
  t.strictSame(backend.planPeer(peer, self), [planned('10.5.2.0/24', '192.0.2.2', 'eth0', false)]);
  t.equal(backend.pathTo(peer, self), 'host-gw');
  t.equal(backend.device, undefined);
  t.equal(backend.publishedMac(peer), undefined);
});

t.test("lease data is flannel's to the byte", async t => {
  const value = (backend: Backend, mac?: string) =>
    formatLeaseValue({ publicIp: '192.0.2.1', ...backend.leaseData(mac) });
  t.equal(
    value(configure('vxlan', { VNI: 9 }), OWN_MAC),
    '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":9,"VtepMAC":"02:00:00:00:00:01"}}',
  );
  t.equal(value(configure('host-gw')), '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"}');
});

t.test(
  'what a host wants and what its peers want are of different kinds: the one is known without the other',
  async t => {
    for (const [type, settings] of [
      ['vxlan', {}],
      ['vxlan', { DirectRouting: true }],
      ['host-gw', {}],
    ] as const) {
      const backend = configure(type, settings);
      const kinds = new Set(backend.planHost(self).entries.map(({ kind }) => kind));
      const ofPeer = backend.planPeer(lease({ type }), self).map(({ kind }) => kind);
      t.ok(ofPeer.length > 0);
      t.notOk(
        ofPeer.some(kind => kinds.has(kind)),
        `${type} ${JSON.stringify(settings)}: ${ofPeer.join(', ')}`,
      );
    }
  },
);

t.test('which leases are fit to be peers', async t => {
  const vxlan = configure('vxlan');
  const hostGw = configure('host-gw');
  const data = (VtepMAC: unknown, VNI: unknown = 1) => lease({ data: { VNI, VtepMAC } });
  const accepted: readonly (readonly [backend: Backend, lease: Lease, claims: string[]])[] = [
    [vxlan, lease(), [`VtepMAC ${PEER_MAC}`]],
    [vxlan, data('C6-D2-32-6F-8F-44'), [`VtepMAC ${PEER_MAC}`]],
    [vxlan, data('c6d2.326f.8f44'), [`VtepMAC ${PEER_MAC}`]],
    [vxlan, lease({ data: { vni: 1, vtepMac: PEER_MAC, GBP: true } }), [`VtepMAC ${PEER_MAC}`]],
    [vxlan, lease({ data: { VtepMAC: PEER_MAC } }), [`VtepMAC ${PEER_MAC}`]],
    [hostGw, lease({ type: 'host-gw', data: undefined }), []],
    [hostGw, lease({ type: 'host-gw', data: { anything: 1 } }), []],
  ];
  for (const [backend, given, claims] of accepted) {
    t.strictSame(backend.judge(given, self), { ok: true, claims });
  }

  const refused: readonly (readonly [backend: Backend, lease: Lease, code: string, reason: string])[] = [
    [vxlan, lease({ type: 'host-gw' }), 'other-backend', 'backend is "host-gw", ours is vxlan'],
    [vxlan, lease({ type: 'VXLAN' }), 'other-backend', 'backend is "VXLAN", ours is vxlan'],
    [vxlan, lease({ type: '' }), 'other-backend', 'backend is not named, ours is vxlan'],
    [hostGw, lease(), 'other-backend', 'backend is "vxlan", ours is host-gw'],
    [vxlan, lease({ data: undefined }), 'bad-backend-data', 'BackendData: null must be a JSON object'],
    [vxlan, lease({ data: 'text' }), 'bad-backend-data', 'BackendData: "text" must be a JSON object'],
    [vxlan, lease({ data: { VNI: 1 } }), 'bad-backend-data', 'BackendData.VtepMAC: must be a string'],
    [vxlan, data(7), 'bad-backend-data', 'BackendData.VtepMAC: 7 must be a string'],
    [vxlan, data(''), 'bad-backend-data', 'VtepMAC "" is not a MAC address'],
    [
      vxlan,
      data('02:00:5e:10:00:00:00:01'),
      'bad-backend-data',
      'VtepMAC "02:00:5e:10:00:00:00:01" is not a MAC address',
    ],
    [vxlan, data('00:00:00:00:00:00'), 'bad-backend-data', 'VtepMAC 00:00:00:00:00:00 is all zero'],
    [vxlan, data('ff:ff:ff:ff:ff:ff'), 'bad-backend-data', 'VtepMAC ff:ff:ff:ff:ff:ff is multicast'],
    [vxlan, data(PEER_MAC, 2), 'bad-backend-data', 'VNI is 2, ours is 1'],
    [vxlan, data(PEER_MAC, 0), 'bad-backend-data', 'VNI is 0, ours is 1'],
    [
      vxlan,
      data(PEER_MAC, -1),
      'bad-backend-data',
      'BackendData.VNI: -1 must be a whole number between 0 and 4294967295',
    ],
    [
      vxlan,
      data(PEER_MAC, '1'),
      'bad-backend-data',
      'BackendData.VNI: "1" must be a whole number between 0 and 4294967295',
    ],
    [vxlan, data(OWN_MAC.toUpperCase()), 'duplicate', `VtepMAC ${OWN_MAC} is our own`],
  ];
  for (const [backend, given, code, reason] of refused) {
    t.strictSame(backend.judge(given, self), { ok: false, setAside: { code, reason } });
  }
});

t.test('the MAC that a lease publishes', async t => {
  const vxlan = configure('vxlan');
  t.equal(vxlan.publishedMac(lease()), PEER_MAC);
  t.equal(vxlan.publishedMac(lease({ type: 'host-gw' })), undefined);
  t.equal(vxlan.publishedMac(lease({ data: { VtepMAC: 'x' } })), undefined);
  t.equal(vxlan.publishedMac(lease({ data: { VNI: 5, VtepMAC: PEER_MAC } })), PEER_MAC, 'of another VNI too');
  const first = lease();
  t.equal(vxlan.publishedMac(first), PEER_MAC);
  const copy = { ...first, backendData: { VNI: 1, VtepMAC: OWN_MAC } };
  t.equal(vxlan.publishedMac(copy), OWN_MAC, 'what was read of a lease does not hold for a changed copy');
});

t.test('MTU: the smaller of config and underlay, less what encapsulation takes', async t => {
  const cases: readonly (readonly [type: string, settings: object, underlay: number, mtu: number])[] = [
    ['vxlan', {}, 1500, 1450],
    ['vxlan', {}, 9000, 8950],
    ['vxlan', { MTU: 1400 }, 1500, 1350],
    ['vxlan', { MTU: 9000 }, 1500, 1450],
    ['vxlan', { MTU: 1500, DirectRouting: true }, 1500, 1450],
    ['host-gw', {}, 1500, 1500],
    ['host-gw', {}, 9000, 9000],
  ];
  for (const [type, settings, mtu, expected] of cases) {
    const backend = configure(type, settings as Record<string, unknown>);
    t.equal(backend.mtu({ ...underlay, mtu }), expected, `${type} ${JSON.stringify(settings)} on ${mtu}`);
    const [link] = backend.planHost({ ...self, underlay: { ...underlay, mtu } }).links;
    if (link !== undefined) t.equal(link.mtu, expected, 'the device has the same');
  }
});

t.test('host-gw refuses a NAT, vxlan does not', async t => {
  const behindNat = { ...underlay, publicIp: '203.0.113.7' };
  t.equal(configure('vxlan').cannotRun(behindNat), undefined);
  t.equal(configure('host-gw').cannotRun(underlay), undefined);
  t.match(
    configure('host-gw').cannotRun(behindNat),
    /^host-gw needs the public IP .* but 203\.0\.113\.7 is not 192\.0\.2\.1 of eth0: /,
  );
});

t.test('the registry', async t => {
  const rule = (type: string) => {
    const configured = configureBackend(type, { VNI: 'x' });
    return configured.ok
      ? 'accepted'
      : configured.faults.map(({ field, rule }) => `${field} ${rule}`).join('; ');
  };
  t.match(rule('wireguard'), 'Backend.Type is known to flannel, but not supported by selvedge yet');
  t.match(rule('nothing'), 'Backend.Type is not a backend (supported: vxlan, host-gw)');
  t.match(rule('toString'), 'is not a backend');
  t.match(rule('vxlan'), 'Backend.VNI must be a whole number');
  t.match(configureBackend('host-gw', { VNI: 'x' }), {
    ok: true,
    notes: ['unknown field Backend.VNI is ignored'],
  });
  t.match(configureBackend('vxlan', { vni: 3, Name: 'x' }), {
    ok: true,
    backend: { type: 'vxlan', device: 'flannel.3' },
    notes: ['unknown field Backend.Name is ignored'],
  });
});

t.test('only direct routing follows the routes of the underlay', async t => {
  t.equal(configure('vxlan', { DirectRouting: true }).followsRoutes, true);
  t.equal(configure('vxlan').followsRoutes, false);
  t.equal(configure('host-gw').followsRoutes, false);
});

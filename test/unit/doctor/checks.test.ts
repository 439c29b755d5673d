/** From facts to findings: a host that is well, and one thing after the other that is not. */
import t from 'tap';
import { SELVEDGE_ROUTE_PROTOCOL, type RouteEntry } from '../../../src/dataplane/model.js';
import { isFindingCode } from '../../../src/doctor/codes.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import type { FactName, FactValues, PeerWay } from '../../../src/doctor/facts.js';
import { diagnose } from '../../../src/doctor/report.js';
import { StoreError } from '../../../src/subnet/store.js';
import { addressEntry, prefix } from '../../support/dataplane.js';
import {
  CONFIG_TEXT,
  configEntry,
  filterTable,
  hostWith,
  hostWithout,
  leaseEntry,
  STATUS,
  VALUES,
} from '../../support/host-facts.js';

const codes = (changes: Partial<FactValues>) =>
  diagnose(hostWith(changes)).document.findings.map(({ code }) => code);

const { network, firewall, settings, files } = VALUES;
const [way] = VALUES.ways as [PeerWay];
const { setup } = settings;
const agentDown = { kind: 'down', otherInstances: [] } as const;
const route = (destination: string, changes: Partial<RouteEntry> = {}): RouteEntry => ({
  kind: 'route',
  destination: prefix(destination),
  device: 'eth0',
  onLink: false,
  protocol: 4,
  metric: 0,
  ...changes,
});
const withRoutes = (...routes: RouteEntry[]) => ({
  network: { ...network, entries: [...network.entries, ...routes] },
});
const withLink = (name: string, change: object) => ({
  network: {
    ...network,
    links: network.links.map(each => (each.name === name ? { ...each, ...change } : each)),
  },
});
const withIptables = (...table: Parameters<typeof filterTable>) => ({
  firewall: {
    ...firewall,
    iptables: [{ variant: 'nft' as const, filter: filterTable(...table), nat: undefined }],
  },
});
const withUnderlay = (state: object) => ({
  network: { ...network, states: new Map([['eth0', { isUp: true, hasCarrier: true, ...state }]]) },
});
const told = (code: string) => ({
  status: { ...STATUS, problems: [{ code, severity: 'error' as const, seen: 's', cause: 'c', next: 'n' }] },
});
/** The agent's probes as they are where nobody answers through the tunnel, or somebody does. */
const cutOff = (
  peers: { reachable: number; 'overlay-blocked': number },
  underlay: Partial<NonNullable<StatusDocument['underlay']>> = {},
) => ({
  agent: {
    kind: 'answers' as const,
    status: {
      ...STATUS,
      underlay: { ...STATUS.underlay!, ...underlay },
      probes: {
        ...{ rate: 20, off: null, roundSeconds: 10, sent: { underlay: 9, overlay: 9, mtu: 0 } },
        lost: { underlay: 0, overlay: 9 },
        peers: { unreachable: 0, unknown: 0, ...peers },
      },
    },
    uid: 0,
  },
});
const JUMP = '-j SELVEDGE-FWD-net';
const nft = (hook: string, expr: readonly object[], policy = 'accept') =>
  JSON.stringify({
    nftables: [
      { chain: { family: 'inet', table: 'mine', name: 'c', hook, policy } },
      { rule: { family: 'inet', table: 'mine', chain: 'c', expr } },
    ],
  });
const dport = { match: { op: '==', left: { payload: { protocol: 'udp', field: 'dport' } }, right: 8472 } };

t.test('a host that is well', async t => {
  const { document } = diagnose(hostWith());
  t.same(document.findings, []);
  t.same(document.notChecked, []);
});

t.test('what is wrong, by its code', async t => {
  const table: readonly (readonly [string, Partial<FactValues>, string[]])[] = [
    [
      'what the agent says',
      { agent: { ...told('route-conflict'), kind: 'answers', uid: 0 } },
      ['route-conflict'],
    ],
    ['a code of a newer agent', { agent: { ...told('news'), kind: 'answers', uid: 0 } }, ['news']],
    ['no agent', { agent: agentDown }, ['agent-down']],
    ['a silent agent', { agent: { kind: 'silent', seen: '', cause: '', next: '' } }, ['agent-silent']],
    [
      'an agent that waits for etcd',
      {
        agent: {
          kind: 'answers',
          status: {
            ...STATUS,
            verdict: 'starting',
            phase: 'waiting-for-etcd',
            awaiting: 'etcd',
            etcd: { ...STATUS.etcd, connected: false },
          },
          uid: 0,
        },
        etcd: { kind: 'failed', error: new StoreError('unavailable', 'no') },
      },
      ['etcd-away'],
    ],
    [
      'etcd refuses',
      { agent: agentDown, etcd: { kind: 'failed', error: new StoreError('denied', 'no') } },
      ['agent-down', 'etcd-denied'],
    ],
    ['a key that is none', { etcd: { kind: 'unusable', fault: 'x' } }, ['etcd-credentials']],
    ['an old etcd', { etcdServers: [{ url: 'http://e:1', version: '3.3.9', aheadMs: 0 }] }, ['etcd-old']],
    ['a clock', { etcdServers: [{ url: 'http://e:1', version: '3.10.1', aheadMs: -9000 }] }, ['clock-skew']],
    [
      'no config',
      { agent: agentDown, etcd: { kind: 'read', entries: [] } },
      ['agent-down', 'config-missing'],
    ],
    ['a faulty config', { etcd: { kind: 'read', entries: [configEntry('{')] } }, ['config-invalid']],
    [
      'no interface',
      { agent: agentDown, network: { ...network, chosen: { refusal: 'none' } } },
      ['no-interface'],
    ],
    ['the underlay gone', { network: { ...network, states: new Map() } }, ['underlay-down']],
    ['down', withUnderlay({ isUp: false }), ['underlay-down']],
    ['without a cable', withUnderlay({ hasCarrier: false }), ['underlay-down']],
    [
      'a public IP that is nobody’s here',
      {
        ...cutOff({ reachable: 0, 'overlay-blocked': 2 }),
        network: {
          ...network,
          interfaces: [{ name: 'eth0', mtu: 1500, addresses: ['10.9.9.9', '192.0.2.7'] }],
        },
      },
      ['underlay-address', 'behind-nat'],
    ],
    [
      'a private one among public ones',
      {
        ...cutOff({ reachable: 0, 'overlay-blocked': 2 }, { address: '10.9.9.9', publicIp: '10.9.9.9' }),
        network: { ...network, interfaces: [{ name: 'eth0', mtu: 1500, addresses: ['10.9.9.9'] }] },
      },
      ['behind-nat'],
    ],
    [
      'its address on a bridge',
      {
        network: {
          ...network,
          interfaces: [
            { name: 'eth0', mtu: 1500, addresses: [] },
            { name: 'br0', mtu: 1500, addresses: ['192.0.2.1'] },
          ],
        },
      },
      ['underlay-address'],
    ],
    [
      'with another address',
      { network: { ...network, interfaces: [{ name: 'eth0', mtu: 1500, addresses: ['192.0.2.9'] }] } },
      ['underlay-address'],
    ],
    [
      'our public IP in another host’s lease',
      {
        etcd: {
          kind: 'read',
          entries: [
            configEntry('{"Network":"10.5.0.0/16"}'),
            leaseEntry('10.5.9.0/24', '192.0.2.1', '02:00:00:00:00:09', 'f'.repeat(32)),
          ],
        },
      },
      ['public-ip-shared'],
    ],
    ['no VXLAN', { hasVxlan: false }, ['kernel-lacks-vxlan']],
    ['no device', { network: { ...network, links: network.links.slice(0, 2) } }, ['overlay-device']],
    ['the device down', withLink('flannel.1', { up: false }), ['overlay-device']],
    ['another MAC', withLink('flannel.1', { mac: '02:00:00:00:00:99' }), ['lease-mac']],
    ['a narrow underlay', withLink('eth0', { mtu: 1400 }), ['mtu-too-large']],
    ['no env file', { files: { ...files, subnetEnv: undefined } }, ['env-file']],
    ['an env file of old', { files: { ...files, dockerEnv: '--bip=10.5.7.1/24' } }, ['env-file']],
    [
      'docker0',
      { network: { ...network, entries: [addressEntry('10.5.7.1/24', 'docker0')] } },
      ['docker-subnet'],
    ],
    ['a route into the network', withRoutes(route('10.5.200.0/24')), ['route-overlap']],
    [
      'a peer that is led elsewhere',
      { ways: [{ ...way, ofHost: { device: 'lo', source: '10.5.2.2' } }] },
      ['route-shadowed'],
    ],
    ['nowhere', { ways: [{ ...way, ofHost: undefined, ofContainers: undefined }] }, ['route-shadowed']],
    [
      'for containers',
      { ways: [{ ...way, ofContainers: { device: 'tun0', source: undefined } }] },
      ['route-shadowed'],
    ],
    [
      'a port that is closed by name',
      withIptables('DROP', [JUMP], ['-p udp -m udp --dport 8472 -j DROP']),
      ['port-blocked'],
    ],
    [
      'by nft',
      { firewall: { ...firewall, nftRuleset: nft('output', [dport, { drop: null }]) } },
      ['port-blocked'],
    ],
    [
      'a REJECT before our jump',
      withIptables('DROP', ['-j REJECT --reject-with icmp-port-unreachable', JUMP]),
      ['forward-rejected'],
    ],
    [
      'a chain of nft',
      { firewall: { ...firewall, nftRuleset: nft('forward', [], 'drop') } },
      ['forward-rejected'],
    ],
    ['no chain of ours', withIptables('DROP', []), ['forward-dropped']],
    ['forwarding', { settings: { ...settings, setup: { ...setup, ipForward: '0' } } }, ['forwarding-off']],
    [
      'forwarding of the device alone',
      { settings: { ...settings, unforwarding: ['flannel.1'] } },
      ['forwarding-off'],
    ],
    ['of the bridge alone', { settings: { ...settings, unforwarding: ['docker0'] } }, ['forwarding-off']],
    [
      'rp_filter',
      { settings: { ...settings, setup: { ...setup, devices: [{ name: 'flannel.1', rpFilter: '1' }] } } },
      ['rp-filter-strict'],
    ],
    [
      'a closed firewall',
      { settings: { ...settings, setup: { ...setup, closedChains: ['inet f input'] } } },
      ['port-closed'],
    ],
    [
      'networkd',
      { settings: { ...settings, setup: { ...setup, networkdRemovesRoutes: true } } },
      ['networkd-removes-routes'],
    ],
    ['bridges', { settings: { ...settings, bridgeNetfilter: '1' } }, ['bridge-netfilter']],
    ['checksums', { checksums: { before: 3, after: 5, seconds: 0.5 } }, ['checksum-faults']],
    ['a flanneld', { flannelds: [{ pid: '7', etcdPrefix: '/net' }] }, ['flanneld-runs']],
    [
      'a lease that is none',
      {
        agent: {
          kind: 'answers',
          status: { ...STATUS, setAside: [{ key: '/net/subnets/x', code: 'bad-key', reason: 'r' }] },
          uid: 0,
        },
      },
      ['leases-set-aside'],
    ],
    [
      'an older agent',
      {
        agent: {
          kind: 'answers',
          status: { ...STATUS, agent: { ...STATUS.agent, version: '0.0.1' } },
          uid: 0,
        },
      },
      ['agent-version'],
    ],
    [
      'no agent, and the name of the device taken',
      { agent: agentDown, ...withLink('flannel.1', { kind: 'bridge' }) },
      ['agent-refuses'],
    ],
    [
      'no agent, and a device of another overlay',
      {
        agent: agentDown,
        network: { ...network, entries: [...network.entries, addressEntry('10.244.1.0/32')] },
      },
      ['agent-refuses'],
    ],
    [
      'no agent, and a lease that is none',
      {
        agent: agentDown,
        etcd: {
          kind: 'read',
          entries: [configEntry(CONFIG_TEXT), { ...configEntry('rubbish'), key: '/net/subnets/10.5.7.0-24' }],
        },
      },
      ['agent-down', 'leases-set-aside'],
    ],
    [
      'a route of ours to nobody, with no agent',
      {
        agent: agentDown,
        ...withRoutes(route('10.5.77.0/24', { protocol: SELVEDGE_ROUTE_PROTOCOL, device: 'flannel.1' })),
      },
      ['agent-down'],
    ],
  ];
  for (const [name, changes, expected] of table) t.same(codes(changes), expected, name);
});

t.test('what is well, and looks odd', async t => {
  const table: readonly (readonly [string, Partial<FactValues>])[] = [
    [
      'a translation that works',
      {
        ...cutOff({ reachable: 1, 'overlay-blocked': 1 }, { publicIp: '198.51.100.9' }),
        etcd: { kind: 'read', entries: [configEntry(CONFIG_TEXT)] },
      },
    ],
    ['a tunnel that is blocked', cutOff({ reachable: 0, 'overlay-blocked': 1 })],
    ['containers that cannot be asked for', { ways: [{ ...way, ofContainers: undefined }] }],
    ['a wider route, as a VPN has it', withRoutes(route('10.0.0.0/8'))],
    [
      'our own routes',
      withRoutes(route('10.5.2.0/24', { protocol: SELVEDGE_ROUTE_PROTOCOL, device: 'flannel.1' })),
    ],
    ['the bridge’s route', withRoutes(route('10.5.34.0/24', { device: 'docker0', protocol: 2 }))],
    [
      'a reservation',
      {
        agent: {
          kind: 'answers',
          status: { ...STATUS, setAside: [{ key: 'k', code: 'reserved', reason: '' }] },
          uid: 0,
        },
      },
    ],
    ['flanneld of another network', { flannelds: [{ pid: '7', etcdPrefix: '/coreos.com/network' }] }],
    [
      'a firewall that knows the peers',
      withIptables(
        'DROP',
        [JUMP],
        ['-s 192.0.2.0/24 -p udp -m udp --dport 8472 -j ACCEPT', '-p udp -m udp --dport 8472 -j DROP'],
      ),
    ],
    [
      'one that spares them',
      withIptables('DROP', [JUMP], ['! -s 192.0.2.0/24 -p udp -m udp --dport 8472 -j DROP']),
    ],
    ['one for another card', withIptables('DROP', [JUMP], ['-i eth9 -p udp -m udp --dport 8472 -j DROP'])],
    [
      'an admin’s own accept before the end',
      withIptables('ACCEPT', ['-i flannel.1 -j ACCEPT', '-j REJECT', JUMP]),
    ],
    ['a REJECT behind our jump', withIptables('DROP', [JUMP, '-j REJECT'])],
    [
      'a firewall of nft that names us',
      {
        firewall: {
          ...firewall,
          nftRuleset: nft('forward', [{ match: { right: 'flannel.1' } }, { accept: null }], 'drop'),
        },
      },
    ],
    ['nft that prints no ruleset', { firewall: { ...firewall, nftRuleset: '{"nftables":3}' } }],
    [
      'Docker that is yet to switch forwarding on',
      {
        settings: { ...settings, setup: { ...setup, ipForward: '0' } },
        network: { ...network, entries: [] },
      },
    ],
    ['an underlay that grew', withLink('eth0', { mtu: 9000 })],
    [
      'a table of legacy iptables that root alone reads, with an agent that is root',
      { settings: { ...settings, setup: { ...setup, hiddenTables: '/f' } } },
    ],
    ['a clock within a second', { etcdServers: [{ url: 'http://e:1', version: undefined, aheadMs: 900 }] }],
    [
      'no bridge-nf-call for want of a bridge',
      {
        settings: { ...settings, bridgeNetfilter: '1' },
        network: { ...network, links: network.links.filter(({ kind }) => kind !== 'bridge') },
      },
    ],
  ];
  for (const [name, changes] of table) t.same(codes(changes), [], name);
});

t.test('which way the tunnel is blocked', async t => {
  const before = { received: 5, sent: 5, unsent: 5 };
  const causeOf = (received: number, sent: number, unsent: number) => {
    const after = { received: 5 + received, sent: 5 + sent, unsent: 5 + unsent };
    const { findings } = diagnose(
      hostWith({ tunnel: { device: 'flannel.1', before, after, seconds: 11 } }),
    ).document;
    t.match(findings, [{ code: 'tunnel-one-way' }]);
    return findings[0]?.cause;
  };
  t.match(causeOf(0, 0, 6), /this host itself drops what it sends/);
  t.match(causeOf(4, 0, 6), /this host itself drops what it sends/);
  t.match(causeOf(0, 6, 0), /comes in by UDP 8472 is dropped by the firewall of this host/);
  t.match(causeOf(4, 6, 0), /dropped on the way out, or by the others/);
});

t.test('the agent’s word and ours on one thing are told once, the agent’s', async t => {
  const agent = { ...told('docker-subnet'), kind: 'answers', uid: 0 } as const;
  const { findings } = diagnose(
    hostWith({ agent, network: { ...network, entries: [addressEntry('10.5.7.1/24', 'docker0')] } }),
  ).document;
  t.match(findings, [{ code: 'docker-subnet', seen: 's' }]);
  t.equal(findings.length, 1);
});

t.test('what could not be looked at is never fine', async t => {
  for (const name of Object.keys(VALUES) as FactName[]) {
    const { document } = diagnose(hostWithout('permission denied', [name]));
    if (name === 'files' || name === 'state' || name === 'etcd') continue;
    t.ok(
      document.notChecked.some(({ why }) => why.includes('permission denied')),
      name,
    );
  }
  const blind = diagnose(hostWithout('no', Object.keys(VALUES) as FactName[])).document;
  t.same(blind.findings, []);
  t.ok(blind.notChecked.length >= blind.checks - 1, 'of nothing nothing is said');
  const { notChecked } = diagnose(
    hostWith({ etcdServers: [{ url: 'u', version: undefined, aheadMs: undefined }] }),
  ).document;
  t.same(notChecked, [{ about: 'clock against etcd', why: 'no endpoint tells the time' }]);
  const connected = diagnose(
    hostWith({ etcd: { kind: 'failed', error: new StoreError('unavailable', 'x') } }),
  ).document;
  t.same(connected.findings, [], 'etcd is not away from an agent that is connected');
  t.match(connected.notChecked, [{ about: /options of this command/ }]);
});

t.test('the document', async t => {
  const { document } = diagnose(
    hostWith({
      settings: { ...settings, setup: { ...setup, devices: [{ name: 'flannel.1', rpFilter: '1' }] } },
    }),
  );
  t.match(document, {
    version: 1,
    instance: 'net',
    findings: [
      { code: 'rp-filter-strict', page: 'docs/problems/rp-filter-strict.md', fixable: true, follows: [] },
    ],
  });
  t.notOk(isFindingCode('news'));
});

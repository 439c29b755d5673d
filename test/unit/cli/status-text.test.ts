import t from 'tap';
import { noPaint } from '../../../src/cli/paint.js';
import { renderStatus } from '../../../src/cli/status-text.js';
import type { PeerProbe, StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus, peer } from '../daemon/example-status.js';

const now = new Date('2026-01-01T01:00:00Z');

function render(change: Partial<StatusDocument>, all = false): string {
  return renderStatus({ ...healthyStatus, ...change }, { now, all, wide: false, paint: noPaint });
}

const NEVER = { word: 'never', rttMs: null, lossPercent: 100, answeredAt: null } as const;

const FACTS = `\
lease       10.5.34.0/24 at /net/subnets/10.5.34.0-24 (was free), etcd lease 694d7b2f1c8a9e05, renewed 12 s ago, expires in 23 h
subnets     212 of 254 free (83 %)
etcd        connected for 60 min: http://10.0.0.1:2379
config      /net/config as running
            Backend is missing: vxlan
underlay    eth0 192.0.2.1, public 192.0.2.1, MTU 1500 (it has the default route)
data plane  flannel.1 c6:d2:32:6f:8f:44 MTU 1450
            tx checksum offload on (auto: kernel 6.18.0 is sound)
            address 1/1, fdb 2/2, neighbour 2/2, nexthop 1/1, route 2/2, 0 repaired since the start, checked 30 s ago
firewall    masquerade: by nft
            FORWARD of iptables-nft drops: the overlay is let through
            0 repaired since the start, checked 50 min ago
files       /run/flannel/subnet.env written 59 min ago
            /run/flannel/docker written 59 min ago
agent       0.1.0, instance net, pid 4711, started 60 min ago
`;

t.test('healthy', async t => {
  t.equal(
    render({}),
    `\
healthy: 2/2 peers programmed, 0 drift · lease 10.5.34.0/24 renewed 12 s ago

NODE   SUBNET       VIA        PATH    STATE
node2  10.5.2.0/24  192.0.2.2  vxlan   programmed
node3  10.5.3.0/24  192.0.2.3  direct  programmed

${FACTS}`,
  );
});

t.test('degraded: problems first, then peers in trouble', async t => {
  const dataPlane = healthyStatus.dataPlane!;
  const text = render({
    verdict: 'degraded',
    problems: [
      {
        code: 'etcd-away',
        severity: 'error',
        seen: 'etcd has not answered for 40 s',
        cause: 'etcd is down or a firewall is in the way',
        next: 'etcdctl --endpoints http://10.0.0.1:2379 endpoint status',
      },
    ],
    etcd: {
      ...healthyStatus.etcd,
      connected: false,
      since: '2026-01-01T00:59:20Z',
      lastError: 'list /net/subnets: ECONNREFUSED',
    },
    config: {
      ...healthyStatus.config,
      state: 'invalid',
      faults: ['SubnetLen: 40 must be between 18 and 30'],
      notes: [],
    },
    lease: { ...healthyStatus.lease!, etcdLease: null, renewedAt: null, expiresAt: null, origin: 'own' },
    peers: [
      peer(2),
      peer(3, { state: 'pending' }),
      peer(4, { state: 'failing', error: 'route 10.5.4.0/24: ENETUNREACH' }),
    ],
    setAside: [
      { key: '/net/subnets/10.5.7.0-24', code: 'reserved', reason: 'reserved for 192.0.2.7' },
      { key: '/net/subnets/x', code: 'bad-key', reason: 'key is not of the form ADDRESS-LENGTH' },
    ],
    dataPlane: {
      ...dataPlane,
      device: null,
      txChecksum: null,
      desired: { address: 0, fdb: 0, neighbour: 0, nexthop: 0, route: 3 },
      held: { address: 0, fdb: 0, neighbour: 0, nexthop: 0, route: 2 },
      repairs: 1,
      lastFullCheckAt: null,
      failing: [{ entry: 'route 10.5.4.0/24', error: 'ENETUNREACH' }],
      conflicts: [{ wanted: 'route 10.5.3.0/24', found: 'proto static via 192.0.2.9' }],
    },
    firewall: {
      masquerade: {
        tool: 'iptables-nft',
        inPlace: false,
        error: 'exit code 1',
        withoutNft: 'this kernel has no nf_tables',
      },
      forward: [{ tool: 'iptables-legacy', inPlace: false, error: null }],
      repairs: 7,
      checkedAt: '2026-01-01T00:59:30Z',
    },
    files: [],
  });
  t.equal(
    text,
    `\
degraded: 1/3 peers programmed, 1 drift, 1 set aside · lease 10.5.34.0/24 reserved

problem etcd-away
  seen   etcd has not answered for 40 s
  cause  etcd is down or a firewall is in the way
  next   etcdctl --endpoints http://10.0.0.1:2379 endpoint status

NODE   SUBNET       VIA        PATH   STATE
node4  10.5.4.0/24  192.0.2.4  vxlan  failing: route 10.5.4.0/24: ENETUNREACH
node3  10.5.3.0/24  192.0.2.3  vxlan  pending
node2  10.5.2.0/24  192.0.2.2  vxlan  programmed

SET ASIDE       CODE     REASON
/net/subnets/x  bad-key  key is not of the form ADDRESS-LENGTH

lease       10.5.34.0/24 at /net/subnets/10.5.34.0-24 (found as ours in etcd), a reservation, never expires
reserved    1 for hosts that have not come yet (selvedge leases)
subnets     212 of 254 free (83 %)
etcd        away for 40 s, since 2026-01-01T00:59:20Z: http://10.0.0.1:2379
            list /net/subnets: ECONNREFUSED
config      /net/config is invalid:
            SubnetLen: 40 must be between 18 and 30
underlay    eth0 192.0.2.1, public 192.0.2.1, MTU 1500 (it has the default route)
data plane  route 2/3, 1 repaired since the start, not checked yet
            failing: route 10.5.4.0/24: ENETUNREACH
            conflict: route 10.5.3.0/24: the kernel has proto static via 192.0.2.9, which is not ours
firewall    masquerade: exit code 1 (not by nft: this kernel has no nf_tables)
            FORWARD of iptables-legacy drops: put off, because another program keeps undoing it
            7 repaired since the start, checked 30 s ago
agent       0.1.0, instance net, pid 4711, started 60 min ago
`,
  );
});

t.test('etcd that refuses us is not away, and certificates have an end', async t => {
  const { etcd } = healthyStatus;
  const since = '2026-01-01T00:59:20Z';
  const lines = (change: Partial<StatusDocument['etcd']>) =>
    render({ etcd: { ...etcd, ...change } })
      .split('\n')
      .filter(line => /^etcd|^ +(?:no|CA|client)/.test(line));
  t.strictSame(lines({ connected: false, since, lastErrorKind: 'tls', lastError: 'no' }), [
    'etcd        no secure connection for 40 s, since 2026-01-01T00:59:20Z: http://10.0.0.1:2379',
    '            no',
  ]);
  t.match(lines({ connected: false, since, lastErrorKind: 'denied' }), [/^etcd +refused for 40 s, since /]);
  const certificates = [
    { role: 'client' as const, file: '/etc/c.pem', endsAt: '2026-02-01T00:00:00.000Z' },
    { role: 'CA' as const, file: '/etc/ca.pem', endsAt: '2036-01-01T00:00:00.000Z' },
  ];
  t.strictSame(lines({ certificates }).slice(1), [
    '            client certificate /etc/c.pem until 2026-02-01T00:00:00Z',
    '            CA /etc/ca.pem until 2036-01-01T00:00:00Z',
  ]);
  const endpointStates = [
    {
      url: 'https://a:2379',
      passedOver: { since, cause: 'nothing listens' },
      certificateEndsAt: '2026-02-01T00:00:00.000Z',
    },
  ];
  const text = render({ etcd: { ...etcd, endpointStates } });
  t.match(text, / {12}https:\/\/a:2379 passed over for 40 s: nothing listens\n/);
  t.match(text, / {12}certificate of https:\/\/a:2379 until 2026-02-01T00:00:00Z\n/);
});

t.test('starting: what is awaited', async t => {
  const text = render({
    verdict: 'starting',
    phase: 'waiting-for-config',
    awaiting: '/net/config is missing',
    config: { ...healthyStatus.config, state: 'missing', notes: [], running: null, source: null },
    underlay: null,
    lease: null,
    subnets: null,
    peers: [],
    ...{ dataPlane: null, firewall: null },
    files: [],
  });
  t.equal(
    text,
    `\
starting: waiting for config: /net/config is missing

etcd    connected for 60 min: http://10.0.0.1:2379
config  /net/config is missing
agent   0.1.0, instance net, pid 4711, started 60 min ago
`,
  );
});

t.test('etcd away: what becomes of the lease', async t => {
  const etcd = { ...healthyStatus.etcd, connected: false, since: '2026-01-01T00:59:20.000Z' };
  const lineAfter = (expiresAt: string | null) =>
    render({ etcd, lease: { ...healthyStatus.lease!, expiresAt } })
      .split('\n')
      .slice(6, 8);
  t.match(lineAfter('2026-01-02T00:59:48.000Z'), [
    /, expires in 23 h$/,
    '            if etcd answers again before 2026-01-02T00:59:48Z, nothing changes; later the same subnet is taken again if it is free',
  ]);
  t.match(lineAfter('2026-01-01T00:58:00.000Z'), [
    /, ran out 2 min ago$/,
    '            when etcd answers again, the same subnet is taken again if it is free',
  ]);
  t.match(lineAfter(null), [/^lease /, /^subnets /], 'a reservation stays');
});

t.test('etcd in doubt: why, until when, and for how many', async t => {
  const doubt = {
    reason: 'etcd is another cluster than before',
    since: '2026-01-01T00:59:00.000Z',
    until: '2026-01-01T01:04:00.000Z',
    keptPeers: 3,
  };
  t.match(
    render({ etcd: { ...healthyStatus.etcd, doubt } }),
    `\
            in doubt for another 4 min, until 2026-01-01T01:04:00Z: etcd is another cluster than before
            peers kept that it no longer lists: 3
`,
  );
});

t.test('a warning is no problem yet', async t => {
  const problems = [
    { code: 'subnets-running-out', severity: 'warning', seen: 's', cause: 'c', next: 'n' } as const,
  ];
  t.match(render({ problems }), /^healthy: .*\n\nwarning subnets-running-out\n {2}seen {3}s\n/);
});

t.test('a config that differs from what runs', async t => {
  const config = { ...healthyStatus.config, state: 'differs', notes: [] } as const;
  t.match(
    render({ config }),
    'config      /net/config differs from what is running; restart the agent to take it\n',
  );
});

t.test('a config that nobody has asked for yet', async t => {
  const config = {
    ...healthyStatus.config,
    state: 'missing',
    notes: [],
    running: null,
    source: null,
  } as const;
  const etcd = { ...healthyStatus.etcd, connected: false };
  t.match(render({ config, etcd }), 'config      /net/config is not known: etcd does not answer\n');
});

t.test('a config that is missing while one runs', async t => {
  const config = { ...healthyStatus.config, state: 'missing', notes: [] } as const;
  t.match(render({ config }), 'config      /net/config is missing; running the one that was there before\n');
  t.match(
    render({ config: { ...config, source: 'state' } }),
    'config      /net/config is missing; running the copy in the state directory\n',
  );
});

t.test('with probes: who is reached, how fast, and how large packets may be', async t => {
  const path = { word: 'answers', rttMs: 0.421, lossPercent: 0, answeredAt: '2026-01-01T00:59:55Z' } as const;
  const silent = { word: 'silent', rttMs: 0.4, lossPercent: 15, answeredAt: '2026-01-01T00:10:00Z' } as const;
  const probe: PeerProbe = {
    ...{ state: 'reachable', since: '2026-01-01T00:00:03Z', underlay: path, overlay: path },
    pathMtu: { finding: 'fits', wanted: 1500, size: 1500, testedAt: '2026-01-01T00:58:00Z' },
  };
  const narrow: PeerProbe = {
    ...probe,
    overlay: { ...path, rttMs: 12.6 },
    pathMtu: { ...probe.pathMtu!, finding: 'fragmented', size: 1400 },
  };
  const text = render({
    peers: [
      peer(2, { probe }),
      peer(3, { probe: narrow }),
      peer(4, { probe: { ...probe, state: 'unreachable', underlay: silent, overlay: silent } }),
      peer(5, {
        probe: { ...probe, state: 'unknown', overlay: { ...NEVER }, underlay: { ...NEVER }, pathMtu: null },
      }),
    ],
    probes: {
      ...{ rate: 20, off: null, roundSeconds: 10 },
      peers: { reachable: 2, unreachable: 1, 'overlay-blocked': 0, unknown: 1 },
      sent: { underlay: 400, overlay: 400, mtu: 8 },
      lost: { underlay: 100, overlay: 101 },
    },
  });
  t.equal(
    text.slice(0, text.indexOf('\n\nlease')),
    `\
healthy: 4/4 peers programmed, 2/4 reachable (1 unknown), 0 drift · lease 10.5.34.0/24 renewed 12 s ago

NODE   SUBNET       VIA        PATH   STATE        RTT      MTU           SEEN
node4  10.5.4.0/24  192.0.2.4  vxlan  unreachable  -        1500          50 min ago
node3  10.5.3.0/24  192.0.2.3  vxlan  fragmented   13 ms    1400 of 1500  5 s ago
node2  10.5.2.0/24  192.0.2.2  vxlan  reachable    0.42 ms  1500          5 s ago
node5  10.5.5.0/24  192.0.2.5  vxlan  programmed   -        -             never`,
  );
  t.match(
    text,
    '\nprobes      2 reachable, 1 unreachable, 1 unknown, overlay 25.3 % lost since the start, each peer every 10 s, 20 packets/s at most\n',
  );
});

t.test('long tables are cut, trouble is not hidden behind health', async t => {
  const peers = Array.from({ length: 61 }, (_, i) => peer(i, i === 60 ? { state: 'pending' } : {}));
  const rows = (text: string) =>
    text.split('\n').filter(line => line.includes('192.0.2.') && line.startsWith('node'));
  const cut = render({ peers });
  t.equal(rows(cut).length, 20);
  t.match(rows(cut)[0], /^node60\s+10\.5\.60\.0.*pending$/);
  t.match(cut, '\n… and 41 healthy (use --all)\n');
  t.equal(rows(render({ peers }, true)).length, 61);
  t.notMatch(render({ peers }, true), '… and');
  const sick = peers.map(one => ({ ...one, state: 'failing' as const }));
  t.match(
    render({ peers: [...sick.slice(0, 25), ...peers.slice(25)] }),
    '… and 5 failing, 1 pending, 35 healthy',
  );
  const setAside = Array.from({ length: 21 }, (_, i) => ({
    key: `/net/subnets/${i}`,
    code: 'c',
    reason: 'r',
  }));
  t.match(render({ setAside }), '\n… and 1 more (use --all)\n');
});

t.test('ages', async t => {
  const table: readonly (readonly [since: string, age: string])[] = [
    ['2026-01-01T01:00:05Z', '0 s'],
    ['2026-01-01T00:58:01Z', '119 s'],
    ['2026-01-01T00:58:00Z', '2 min'],
    ['2025-12-31T23:00:00Z', '2 h'],
    ['2025-12-30T01:00:00Z', '2 days'],
  ];
  for (const [since, age] of table) {
    t.match(render({ etcd: { ...healthyStatus.etcd, since } }), `connected for ${age}:`);
  }
});

t.test('what comes from etcd cannot speak to the terminal', async t => {
  const text = render({
    setAside: [
      { key: '/net/subnets/\u001b[2J\nhealthy: fake', code: 'bad-key', reason: 'x\u009b\u202ey\u007f' },
    ],
  });
  t.match(text, '/net/subnets/\\x1b[2J\\x0ahealthy: fake  bad-key  x\\x9b\\u202ey\\x7f\n');
});

/** The document of an agent that was started before an upgrade: it lacks what was added since, and is shown all the same. */
import t from 'tap';
import { withAddedFields } from '../../../src/cli/older-status.js';
import { noPaint } from '../../../src/cli/paint.js';
import { renderBrief, renderStatus } from '../../../src/cli/status-text.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus } from '../daemon/example-status.js';

const AT = '2026-01-01T00:00:00.000Z';
const counts = { address: 1, fdb: 2, neighbour: 2, route: 2 };

/** Every field of the first document of version 1, and none that came later. */
const FIRST = {
  version: 1,
  agent: { version: '0.0.1', instance: 'net', pid: 4711, startedAt: AT },
  verdict: 'degraded',
  phase: 'running',
  awaiting: null,
  problems: [{ code: 'kernel-refused', seen: 'a route', cause: 'somebody', next: 'ip route' }],
  etcd: { endpoints: ['http://10.0.0.1:2379'], connected: true, since: AT, lastError: null },
  config: {
    ...{ state: 'running', key: '/net/config', faults: [], notes: [] },
    running: '{"Network":"10.5.0.0/16"}',
  },
  underlay: {
    ...{ device: 'eth0', address: '192.0.2.1', publicIp: '192.0.2.1', mtu: 1500 },
    reason: 'it has the default route',
  },
  lease: {
    ...{ subnet: '10.5.34.0/24', key: '/net/subnets/10.5.34.0-24', etcdLease: '694d7b2f1c8a9e05' },
    ...{ origin: 'free', renewedAt: AT, expiresAt: '2026-01-02T00:00:00.000Z' },
  },
  peers: [
    { subnet: '10.5.2.0/24', publicIp: '192.0.2.2', path: 'vxlan', state: 'programmed', error: null },
    { subnet: '10.5.3.0/24', publicIp: '192.0.2.3', path: 'vxlan', state: 'failing', error: 'ENETUNREACH' },
  ],
  setAside: [{ key: '/net/subnets/x', code: 'bad-key', reason: 'not of the form ADDRESS-LENGTH' }],
  dataPlane: {
    device: { name: 'flannel.1', mac: 'c6:d2:32:6f:8f:44', mtu: 1450 },
    ...{ desired: counts, held: { ...counts, route: 1 }, repairs: 3, lastFullCheckAt: AT },
    ...{ failing: [{ entry: 'route 10.5.3.0/24', error: 'ENETUNREACH' }], conflicts: [] },
  },
  files: [{ path: '/run/flannel/subnet.env', writtenAt: AT }],
} as unknown as StatusDocument;

const text = `\
degraded: 1/2 peers programmed, 1 drift, 1 set aside · lease 10.5.34.0/24 renewed 60 s ago

problem kernel-refused
  seen   a route
  cause  somebody
  next   ip route

NODE  SUBNET       VIA        PATH   STATE
-     10.5.3.0/24  192.0.2.3  vxlan  failing: ENETUNREACH
-     10.5.2.0/24  192.0.2.2  vxlan  programmed

SET ASIDE       CODE     REASON
/net/subnets/x  bad-key  not of the form ADDRESS-LENGTH

lease       10.5.34.0/24 at /net/subnets/10.5.34.0-24 (was free), etcd lease 694d7b2f1c8a9e05, renewed 60 s ago, expires in 23 h
etcd        connected for 60 s: http://10.0.0.1:2379
config      /net/config as running
underlay    eth0 192.0.2.1, public 192.0.2.1, MTU 1500 (it has the default route)
data plane  flannel.1 c6:d2:32:6f:8f:44 MTU 1450
            address 1/1, fdb 2/2, neighbour 2/2, route 1/2, 3 repaired since the start, checked 60 s ago
            failing: route 10.5.3.0/24: ENETUNREACH
files       /run/flannel/subnet.env written 60 s ago
agent       0.0.1, instance net, pid 4711, started 60 s ago
`;

t.test('the first document that there was', async t => {
  const options = { now: new Date('2026-01-01T00:01:00Z'), all: false, wide: false, paint: noPaint };
  const document = withAddedFields(FIRST);
  t.equal(renderStatus(document, options), text);
  t.match(renderStatus(document, { ...options, wide: true }), /^- +10\.5\.2\.0.* +programmed +-/m);
  t.match(renderBrief(document, options), / · kernel-refused\n$/);
});

t.test('an agent of this release is shown as it tells', async t => {
  t.strictSame(withAddedFields(healthyStatus), healthyStatus);
});

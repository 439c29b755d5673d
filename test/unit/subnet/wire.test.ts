/** The strict reader of what flanneld nodes read, and what we write. */
import t from 'tap';
import { configureBackend } from '../../../src/backends/registry.js';
import { formatLeaseValue } from '../../../src/subnet/lease.js';
import { nodeOf } from '../../support/lease-host.js';
import { wireFaults, type WireNetwork } from '../../support/model/wire.js';

const VXLAN: WireNetwork = {
  keyPrefix: '/net/subnets/',
  network: '10.5.0.0/16',
  subnetMin: '10.5.1.0',
  subnetMax: '10.5.9.0',
  subnetLength: 24,
  backend: { type: 'vxlan', vni: 1 },
};
const KEY = '/net/subnets/10.5.2.0-24';
const VALUE = '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":DATA}';
const DATA = '{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}';
const FLANNELS = VALUE.replace('DATA', DATA);

t.test('what flanneld and we write is sound', async t => {
  t.same(wireFaults({ key: KEY, value: FLANNELS }, VXLAN), []);
  const holder = { ...nodeOf('192.0.2.1'), since: '2026-01-31T08:15:00Z' };
  for (const network of [VXLAN, { ...VXLAN, backend: { type: 'host-gw' } } as const]) {
    const configured = configureBackend(network.backend.type, {});
    if (!configured.ok) throw new Error('a backend without settings is refused');
    const data = configured.backend.leaseData('02:53:00:00:00:01');
    const value = formatLeaseValue({ publicIp: '192.0.2.1', ...data, holder });
    t.same(wireFaults({ key: KEY, value }, network), [], network.backend.type);
  }
});

t.test('what flanneld would stumble over is a fault of one rule', async t => {
  const keys: readonly (readonly [key: string, rule: number])[] = [
    ['/net/config', 1],
    ['/net/subnetsX/10.5.2.0-24', 1],
    ['/net/subnets/10.5.2.0', 1],
    ['/net/subnets/10.5.02.0-24', 1],
    ['/net/subnets/10.5.2.0-24hi', 1],
    ['/net/subnets/10.5.2.0.-24', 1],
    ['/net/subnets/10.5.2.0-32', 1],
    ['/net/subnets/10.5.2.0-024', 1],
    ['/net/subnets/10.5.2.0-24&fd00:12:13::-64', 3],
    ['/net/subnets/10.5.2.0-25', 4],
    ['/net/subnets/10.5.2.1-24', 4],
    ['/net/subnets/10.5.0.0-24', 4],
    ['/net/subnets/10.5.10.0-24', 4],
  ];
  for (const [key, rule] of keys) t.same(rulesOf(key, FLANNELS), [rule], key);
  const values: readonly (readonly [from: string, to: string, rule: number])[] = [
    [FLANNELS, 'not json', 1],
    [FLANNELS, '["a"]', 1],
    [',"Pub', ', "Pub', 1],
    ['{"PublicIP":', '{"PublicIP":"192.168.64.3","PublicIP":', 1],
    ['"PublicIPv6":null,"BackendType":"vxlan"', '"BackendType":"vxlan","PublicIPv6":null', 1],
    [`${DATA}}`, `${DATA},"Other":1}`, 1],
    ['"192.168.64.3"', 'null', 2],
    ['"192.168.64.3"', '""', 2],
    ['192.168.64.3', '192.168.64.03', 2],
    ['192.168.64.3', '192.168.64', 2],
    ['192.168.64.3', '0.0.0.0', 2],
    ['192.168.64.3', '127.0.0.1', 2],
    ['192.168.64.3', '169.254.1.1', 2],
    ['192.168.64.3', '224.0.0.1', 2],
    ['192.168.64.3', '255.255.255.255', 2],
    ['192.168.64.3', '10.5.3.1', 2],
    ['"vxlan"', '"VXLAN"', 2],
    ['"vxlan"', '"host-gw"', 2],
    [DATA, 'null', 2],
    [DATA, '"text"', 2],
    ['c6:d2:32:6f:8f:44', 'C6:d2:32:6f:8f:44', 2],
    ['c6:d2:32:6f:8f:44', 'c6-d2-32-6f-8f-44', 2],
    ['c6:d2:32:6f:8f:44', 'c6:d2:32:6f:8f:44:00:01', 2],
    ['c6:d2:32:6f:8f:44', 'c7:d2:32:6f:8f:44', 2],
    ['c6:d2:32:6f:8f:44', '00:00:00:00:00:00', 2],
    ['"VtepMAC"', '"MAC"', 2],
    ['"PublicIPv6":null', '"PublicIPv6":"2001:db8::1"', 3],
    [`${DATA}}`, `${DATA},"BackendV6Data":${DATA}}`, 3],
    ['"VNI":1', '"VNI":2', 9],
  ];
  for (const [from, to, rule] of values) {
    const faulty = FLANNELS.replace(from, to);
    t.same([...new Set(rulesOf(KEY, faulty))], [rule], faulty);
  }
});

function rulesOf(key: string, value: string): number[] {
  return wireFaults({ key, value }, VXLAN).map(fault => Number(/: rule (\d+):/.exec(fault)?.[1]));
}

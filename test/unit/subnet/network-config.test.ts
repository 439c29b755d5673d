import fc from 'fast-check';
import t from 'tap';
import { formatFault } from '../../../src/schema/go-json.js';
import { parseNetworkConfig, type NetworkConfig } from '../../../src/subnet/network-config.js';
import { formatPrefix } from '../../../src/address/prefix.js';
import { isInRange } from '../../../src/subnet/allocate.js';

function accept(document: unknown): NetworkConfig {
  const parsed = parseNetworkConfig(JSON.stringify(document));
  if (!parsed.ok) throw new Error(`refused: ${parsed.faults.map(formatFault).join('; ')}`);
  return parsed.config;
}

function faultsOf(text: string): string[] {
  const parsed = parseNetworkConfig(text);
  return parsed.ok ? [] : parsed.faults.map(formatFault);
}

const rangeText = ({ ipv4, ipv6 }: NetworkConfig) => {
  const range = ipv4 ?? ipv6!;
  return [formatPrefix(range.network), range.subnetLength, range.subnetMin, range.subnetMax];
};

t.test("flannel's defaults", async t => {
  const v6 = { EnableIPv4: false, EnableIPv6: true };
  const cases: readonly (readonly [document: object, ...range: (string | number)[]])[] = [
    [{ Network: '10.3.0.0/16' }, '10.3.0.0/16', 24, '10.3.1.0', '10.3.255.0'],
    [{ Network: '10.3.7.9/16' }, '10.3.0.0/16', 24, '10.3.1.0', '10.3.255.0'],
    [{ Network: '10.0.0.0/8' }, '10.0.0.0/8', 24, '10.0.1.0', '10.255.255.0'],
    [{ Network: '10.3.0.0/22' }, '10.3.0.0/22', 24, '10.3.1.0', '10.3.3.0'],
    [{ Network: '10.3.0.0/23' }, '10.3.0.0/23', 25, '10.3.0.128', '10.3.1.128'],
    [{ Network: '10.3.0.0/24' }, '10.3.0.0/24', 26, '10.3.0.64', '10.3.0.192'],
    [{ Network: '10.3.0.0/28' }, '10.3.0.0/28', 30, '10.3.0.4', '10.3.0.12'],
    [{ Network: '10.3.0.0/16', SubnetLen: 28 }, '10.3.0.0/16', 28, '10.3.0.16', '10.3.255.240'],
    [{ Network: '10.3.0.0/16', SubnetMin: '10.3.0.0' }, '10.3.0.0/16', 24, '10.3.0.0', '10.3.255.0'],
    [{ ...v6, IPv6Network: 'fc00::/48' }, 'fc00::/48', 64, 'fc00:0:0:1::', 'fc00:0:0:ffff::'],
    [{ ...v6, IPv6Network: 'fc00::/64' }, 'fc00::/64', 66, 'fc00::4000:0:0:0', 'fc00::c000:0:0:0'],
    [{ ...v6, IPv6Network: 'fc00::/124' }, 'fc00::/124', 126, 'fc00::4', 'fc00::c'],
  ];
  for (const [document, ...range] of cases) {
    t.strictSame(rangeText(accept(document)), range, JSON.stringify(document));
  }
});

t.test('both families at once', async t => {
  const config = accept({ Network: '10.3.0.0/16', EnableIPv6: true, IPv6Network: 'fc00::/48' });
  t.equal(config.ipv4?.subnetMin, '10.3.1.0');
  t.equal(config.ipv6?.subnetMin, 'fc00:0:0:1::');
});

t.test('a bound alone, equal bounds', async t => {
  const one = { Network: '10.3.0.0/16', SubnetMin: '10.3.7.0', SubnetMax: '10.3.7.0' };
  t.strictSame(rangeText(accept(one)), ['10.3.0.0/16', 24, '10.3.7.0', '10.3.7.0']);
});

t.test("Go's reading", async t => {
  const config = accept({
    network: '10.3.0.0/16',
    SUBNETLEN: 25,
    subnetMin: null,
    EnableIPv6: null,
    EnableNFTables: true,
    Networks: ['x'],
    backend: { TYPE: 'VXLAN', VNI: 7 },
  });
  t.strictSame(rangeText(config), ['10.3.0.0/16', 25, '10.3.0.128', '10.3.255.128']);
  t.strictSame(config.backend, { type: 'vxlan', settings: { VNI: 7 } });
  t.strictSame(config.notes, [
    'unknown field Networks is ignored',
    'EnableNFTables is ignored: no firewall rules are written yet',
  ]);
});

t.test('without a Backend it is vxlan, and that is said', async t => {
  const { backend, notes } = accept({ Network: '10.3.0.0/16' });
  t.strictSame(backend, { type: 'vxlan', settings: {} });
  t.strictSame(notes, ['no Backend given: vxlan']);
  t.strictSame(accept({ Network: '10.3.0.0/16', Backend: null }).backend, backend);
});

t.test('every fault names field, value and rule', async t => {
  const base = { Network: '10.5.0.0/16' };
  const whole = 'must be a whole number between 0 and 32';
  const cases: readonly (readonly [document: unknown, ...faults: string[]])[] = [
    [{}, 'Network: is missing'],
    [{ Network: null }, 'Network: is missing'],
    [{ Network: '' }, 'Network: "" must be an IPv4 network such as 10.5.0.0/16'],
    [{ Network: 5 }, 'Network: 5 must be an IPv4 network such as 10.5.0.0/16'],
    [{ Network: '10.5.0.0' }, 'Network: "10.5.0.0" must be an IPv4 network such as 10.5.0.0/16'],
    [{ Network: 'fd00::/48' }, 'Network: "fd00::/48" must be an IPv4 network such as 10.5.0.0/16'],
    [
      { Network: '127.0.0.0/8' },
      'Network: "127.0.0.0/8" overlaps 127.0.0.0/8: these addresses never leave a host',
    ],
    [{ Network: '239.0.0.0/16' }, 'Network: "239.0.0.0/16" overlaps 224.0.0.0/4: these are multicast groups'],
    [{ Network: '0.0.0.0/0' }, 'Network: "0.0.0.0/0" overlaps 0.0.0.0/8: no host has such an address'],
    [
      { Network: '10.5.0.0/29' },
      'Network: "10.5.0.0/29" is too small: its prefix length must be at most 28, to hold four subnets',
    ],
    [
      { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00::/125' },
      'IPv6Network: "fd00::/125" is too small: its prefix length must be at most 124, to hold four subnets',
    ],
    [{ ...base, SubnetLen: 31 }, 'SubnetLen: 31 must be between 18 and 30 for the network 10.5.0.0/16'],
    [{ ...base, SubnetLen: 33 }, `SubnetLen: 33 ${whole}`],
    [
      { ...base, EnableIPv6: true, IPv6Network: 'fd00::/48', IPv6SubnetLen: 127 },
      'IPv6SubnetLen: 127 must be between 50 and 126 for the network fd00::/48',
    ],
    [{ ...base, SubnetLen: -1 }, `SubnetLen: -1 ${whole}`],
    [{ ...base, SubnetLen: 24.5 }, `SubnetLen: 24.5 ${whole}`],
    [{ ...base, SubnetLen: '24' }, `SubnetLen: "24" ${whole}`],
    [{ ...base, SubnetLen: 17 }, 'SubnetLen: 17 must be between 18 and 30 for the network 10.5.0.0/16'],
    [{ ...base, SubnetMin: '10.5.1' }, 'SubnetMin: "10.5.1" must be an IPv4 address'],
    [{ ...base, SubnetMin: '10.6.0.0' }, 'SubnetMin: "10.6.0.0" must lie in the network 10.5.0.0/16'],
    [{ ...base, SubnetMax: '10.4.255.0' }, 'SubnetMax: "10.4.255.0" must lie in the network 10.5.0.0/16'],
    [{ ...base, SubnetMin: '10.5.1.1' }, 'SubnetMin: "10.5.1.1" must be the base address of a /24 subnet'],
    [
      { ...base, SubnetMax: '10.5.9.128' },
      'SubnetMax: "10.5.9.128" must be the base address of a /24 subnet',
    ],
    [
      { ...base, SubnetMin: '10.5.9.0', SubnetMax: '10.5.8.0' },
      'SubnetMin: "10.5.9.0" must not lie beyond SubnetMax (10.5.8.0)',
    ],
    [{ ...base, SubnetMax: '10.5.0.0' }, 'SubnetMin: "10.5.1.0" must not lie beyond SubnetMax (10.5.0.0)'],
    [{ ...base, EnableIPv6: 'true' }, 'EnableIPv6: "true" must be true or false'],
    [{ ...base, EnableNFTables: 1 }, 'EnableNFTables: 1 must be true or false'],
    [{ ...base, EnableIPv6: true }, 'IPv6Network: is missing'],
    [
      { ...base, EnableIPv4: false },
      'EnableIPv4: false leaves no address family: EnableIPv6 is not true either',
    ],
    [
      { ...base, EnableIPv6: true, IPv6Network: 'fd00::/48', IPv6SubnetMin: 'fd00::1' },
      'IPv6SubnetMin: "fd00::1" must be the base address of a /64 subnet',
    ],
    [{ ...base, Backend: 'vxlan' }, 'Backend: "vxlan" must be a JSON object'],
    [{ ...base, Backend: ['vxlan'] }, 'Backend: an array must be a JSON object'],
    [{ ...base, Backend: {} }, 'Backend.Type: must name a backend, such as "vxlan"'],
    [{ ...base, Backend: { Type: 1 } }, 'Backend.Type: 1 must name a backend, such as "vxlan"'],
    [null, 'document: null must be a JSON object'],
    [['Network'], 'document: an array must be a JSON object'],
    ['10.5.0.0/16', 'document: "10.5.0.0/16" must be a JSON object'],
  ];
  for (const [document, ...faults] of cases) {
    t.strictSame(faultsOf(JSON.stringify(document)), faults, JSON.stringify(document));
  }
});

t.test('all faults of one document at once', async t => {
  const text = JSON.stringify({
    EnableIPv6: 'no',
    Network: '10.5.0.0/16',
    SubnetLen: 40,
    SubnetMin: '10.6.0.0',
    SubnetMax: 'x',
    Backend: 7,
  });
  t.strictSame(
    faultsOf(text).map(line => line.split(':', 1)[0]),
    ['EnableIPv6', 'SubnetLen', 'SubnetMax', 'Backend', 'SubnetMin'],
  );
});

t.test('what depends on a faulty field is no fault of its own', async t => {
  const base = { Network: '10.5.0.0/16' };
  t.equal(faultsOf(JSON.stringify({ ...base, SubnetLen: 40, SubnetMin: '10.5.1.128' })).length, 1);
  t.equal(faultsOf(JSON.stringify({ ...base, SubnetMin: 'x', SubnetMax: '10.5.0.0' })).length, 1);
  t.equal(faultsOf(JSON.stringify({ Network: 'x', SubnetMin: '10.5.1.1' })).length, 1);
  t.equal(
    faultsOf(JSON.stringify({ ...base, SubnetLen: 40, SubnetMin: '10.5.9.0', SubnetMax: '10.5.8.0' })).length,
    2,
    'bounds in the wrong order are so for every length',
  );
});

t.test('what is not JSON, in one line', async t => {
  for (const text of [
    '',
    '{',
    '{\n"a": }',
    'Network: 10.5.0.0/16',
    '{"Network":\n"10.5.0.0/16",\n}',
    '\u0000',
  ]) {
    const faults = faultsOf(text);
    t.equal(faults.length, 1);
    t.match(faults[0], /^document: .* is not JSON \(.+\)$/);
    t.notMatch(faults[0], /[\n\r]/);
  }
});

t.test('a document that nobody writes by hand is not read at all', async t => {
  const deep = `{"Network":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  t.strictSame(faultsOf(deep), ['document: must not be longer than 4096 characters']);
  t.strictSame(faultsOf(`{"Network":"10.5.0.0/16"${' '.repeat(4000)}}`), []);
});

t.test('a backend that could be read comes along with the faults of the rest', async t => {
  const parsed = parseNetworkConfig('{"Backend":{"Type":"Host-GW","X":1}}');
  t.match(parsed, { ok: false, backend: { type: 'host-gw', settings: { X: 1 } } });
});

t.test('any document is read without an exception', async t => {
  const names = [
    ...['EnableIPv4', 'EnableIPv6', 'Network', 'network', 'SubnetLen', 'SubnetMin', 'SubnetMax', 'Backend'],
    ...['IPv6Network', 'IPv6SubnetLen', 'IPv6SubnetMin', 'IPv6SubnetMax', '__proto__', 'other'],
  ];
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>('10.5.0.0/16', '10.5.0.0/30', '10.5.1.0', '10.5.200.0', 'fd00::/48', 'fd00::'),
    fc.integer({ min: -2, max: 130 }),
    fc.boolean(),
  );
  const document = fc.dictionary(fc.constantFrom(...names), value).map(fields => JSON.stringify(fields));
  fc.assert(
    fc.property(fc.oneof(document, fc.json(), fc.string()), text => {
      const parsed = parseNetworkConfig(text);
      if (!parsed.ok) t.ok(parsed.faults.length > 0);
      else
        for (const range of [parsed.config.ipv4, parsed.config.ipv6]) {
          if (range === undefined) continue;
          const { family } = range.network;
          const subnet = (address: string) => ({ family, address, length: range.subnetLength });
          t.ok(isInRange(range, subnet(range.subnetMin)));
          t.ok(isInRange(range, subnet(range.subnetMax)));
        }
    }),
    { numRuns: 1000 },
  );
});

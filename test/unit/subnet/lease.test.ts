import fc from 'fast-check';
import t from 'tap';
import { ipFromNumber } from '../../../src/address/ip.js';
import { maskPrefix, parsePrefix, type Prefix } from '../../../src/address/prefix.js';
import {
  formatLeaseValue,
  formatSubnetKey,
  parseLease,
  parseLeaseValue,
  parseSubnetKey,
  type LeaseAttributes,
  type LeaseSubnets,
} from '../../../src/subnet/lease.js';

const prefix = (text: string) => parsePrefix(text)!;

const prefixOf = (family: 4 | 6) =>
  fc
    .tuple(fc.bigInt(0n, (1n << (family === 4 ? 32n : 128n)) - 1n), fc.nat(family === 4 ? 31 : 127))
    .map(([value, length]): Prefix => maskPrefix({ family, address: ipFromNumber(value, family), length }));

const anySubnets = fc
  .tuple(prefixOf(4), fc.option(prefixOf(6)))
  .map(([ipv4, ipv6]): LeaseSubnets => (ipv6 === null ? { ipv4 } : { ipv4, ipv6 }));

const anyAddress = (family: 4 | 6) =>
  fc.bigInt(0n, (1n << (family === 4 ? 32n : 128n)) - 1n).map(value => ipFromNumber(value, family));

/** JSON that comes back as it was: JSON has no -0, and null stands for a missing field. */
const anyData = fc
  .jsonValue()
  .map(value => JSON.parse(JSON.stringify(value)) as unknown)
  .filter(value => value !== null && JSON.stringify(value).length < 1500);

const anyNodeId = fc.bigInt(0n, (1n << 128n) - 1n).map(value => value.toString(16).padStart(32, '0'));

const anyTime = fc
  .date({ min: new Date('2000-01-01T00:00:00Z'), max: new Date('2100-01-01T00:00:00Z'), noInvalidDate: true })
  .map(date => `${date.toISOString().slice(0, 19)}Z`);

const anyAttributes = fc.record(
  {
    publicIp: anyAddress(4),
    publicIpv6: anyAddress(6),
    backendType: fc.oneof(fc.constantFrom('', 'vxlan', 'host-gw'), fc.string()),
    backendData: anyData,
    backendV6Data: anyData,
    holder: fc.record(
      { nodeId: anyNodeId, name: fc.constantFrom('', 'node7', 'häuschen'), since: anyTime },
      { requiredKeys: ['nodeId', 'name'], noNullPrototype: true },
    ),
  },
  { requiredKeys: ['publicIp', 'backendType'], noNullPrototype: true },
) as fc.Arbitrary<LeaseAttributes>;

t.test('keys', async t => {
  t.strictSame(parseSubnetKey('10.12.13.0-24'), { ok: true, value: { ipv4: prefix('10.12.13.0/24') } });
  t.strictSame(parseSubnetKey('10.12.13.0-24&fd00:12:13::-56'), {
    ok: true,
    value: { ipv4: prefix('10.12.13.0/24'), ipv6: prefix('fd00:12:13::/56') },
  });
  t.ok(parseSubnetKey('0.0.0.0-0').ok, 'whether it lies in the network is the peer check');
});

t.test('what is no key', async t => {
  const keys = [
    ...['', '10', '10.12.13.0', '10.12.13-24', '10.12.13.300-24', '10.12.13.0-24hi', 'hi10.12.13.0-24'],
    ...['&2001::-56', '10.12.13.0-24&:12:13:-56', '10.12.13.0-24&20011::-56', '10.12.13.0-24&2001-56'],
    ...['10.12.13.0-24&2001::', '10.12.13.0-24&2001::-56hi', '10.12.13.0-24&', '10.12.13.0-24&-56'],
    ...['10.12.13.0-32', '10.12.13.0-33', '10.12.13.0-100', '10.12.13.0--1', '10.12.13.0-', '10.12.13.0/24'],
    ...['10.12.13.0-24&fd00::-128', '10.12.13.0-24&fd00::-129', '10.12.13.0-24&FD00::-56'],
    ...[
      '10.12.13.1-24',
      '10.12.13.0-24&fd00::1-56',
      '010.12.13.0-24',
      '10.12.13.0-24/extra',
      '10.12.13.0-24\n',
    ],
    ...['fd00::-56', '10.12.13.0-24&10.12.13.0-24', '10.12.13.0-24&::ffff:10.1.0.0-112'],
  ];
  for (const key of keys) {
    const parsed = parseSubnetKey(key);
    t.equal(parsed.ok, false, JSON.stringify(key));
    t.ok(!parsed.ok && parsed.reason.length > 0);
  }
  t.match(parseSubnetKey('10.12.13.1-24'), { reason: '10.12.13.1/24 has host bits set' });
  t.match(parseSubnetKey('10.12.13.0-32'), { reason: '10.12.13.0-32 is not a subnet' });
});

t.test('keys go back and forth', async t => {
  fc.assert(
    fc.property(anySubnets, subnets => {
      t.strictSame(parseSubnetKey(formatSubnetKey(subnets)), { ok: true, value: subnets });
    }),
  );
});

t.test('any key is read without an exception, and right ones are written alike', async t => {
  const parts = fc.constantFrom(
    '10.1.0.0',
    '10.1.2.3',
    '-',
    '24',
    '&',
    'fd00::',
    '64',
    '1:2:3:4:5:6:7:1.2.3.4',
    ':',
    '',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(parts, { maxLength: 8 }).map(each => each.join('')),
  );
  fc.assert(
    fc.property(text, key => {
      const parsed = parseSubnetKey(key);
      if (parsed.ok) t.strictSame(parsedAgain(parsed.value), parsed.value);
    }),
    { numRuns: 1000 },
  );
});

function parsedAgain(subnets: LeaseSubnets): LeaseSubnets {
  const parsed = parseSubnetKey(formatSubnetKey(subnets));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}

t.test("values are flannel's to the byte", async t => {
  const vtep = { VNI: 1, VtepMAC: 'c6:d2:32:6f:8f:44' };
  const cases: readonly (readonly [attributes: LeaseAttributes, text: string])[] = [
    [
      { publicIp: '192.168.64.3', backendType: 'vxlan', backendData: vtep },
      '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}',
    ],
    [{ publicIp: '1.2.3.4', backendType: '' }, '{"PublicIP":"1.2.3.4","PublicIPv6":null}'],
    [
      { backendType: 'host-gw', publicIp: '192.0.2.1' },
      '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"}',
    ],
    [
      {
        backendV6Data: vtep,
        backendData: vtep,
        backendType: 'vxlan',
        publicIpv6: 'fd00::1',
        publicIp: '192.0.2.1',
      },
      '{"PublicIP":"192.0.2.1","PublicIPv6":"fd00::1","BackendType":"vxlan",' +
        `"BackendData":${JSON.stringify(vtep)},"BackendV6Data":${JSON.stringify(vtep)}}`,
    ],
    [
      {
        publicIp: '192.0.2.1',
        backendType: 'host-gw',
        holder: {
          nodeId: '0123456789abcdef0123456789abcdef',
          name: 'node7',
          since: '2026-01-31T08:15:00Z',
        },
      },
      '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw",' +
        '"Selvedge":{"NodeID":"0123456789abcdef0123456789abcdef","Name":"node7","Since":"2026-01-31T08:15:00Z"}}',
    ],
  ];
  for (const [attributes, text] of cases) {
    t.equal(formatLeaseValue(attributes), text);
    t.strictSame(parseLeaseValue(text), { ok: true, value: attributes });
  }
});

t.test('values go back and forth', async t => {
  fc.assert(
    fc.property(anyAttributes, attributes => {
      t.strictSame(parseLeaseValue(formatLeaseValue(attributes)), { ok: true, value: attributes });
    }),
  );
});

t.test("flannel's quirks", async t => {
  const none = { publicIp: '0.0.0.0', backendType: '' };
  const accepted: readonly (readonly [text: string, attributes: object])[] = [
    ['{}', none],
    ['{"PublicIPv6":null,"BackendType":null,"BackendData":null}', none],
    ['{"publicip":"1.2.3.4","BACKENDTYPE":"vxlan"}', { publicIp: '1.2.3.4', backendType: 'vxlan' }],
    ['{"PublicIP":"1.2.3.4","Flags":{"a":1},"x":2}', { ...none, publicIp: '1.2.3.4' }],
    ['{"PublicIPv6":"FD00:0::1"}', { ...none, publicIpv6: 'fd00::1' }],
    [
      '{"BackendType":"extension","BackendData":"text"}',
      { ...none, backendType: 'extension', backendData: 'text' },
    ],
    ['{"__proto__":{"BackendType":"vxlan"}}', none],
  ];
  for (const [text, value] of accepted) t.strictSame(parseLeaseValue(text), { ok: true, value }, text);

  const refused: readonly (readonly [text: string, reason: string])[] = [
    ['{"PublicIP":null}', 'PublicIP: null must be an IPv4 address'],
    ['{"publicIp":null}', 'PublicIP: null must be an IPv4 address'],
    ['{"PublicIP":""}', 'PublicIP: "" must be an IPv4 address'],
    ['{"PublicIP":"fd00::1"}', 'PublicIP: "fd00::1" must be an IPv4 address'],
    ['{"PublicIP":16909060}', 'PublicIP: 16909060 must be an IPv4 address'],
    ['{"PublicIPv6":""}', 'PublicIPv6: "" must be an IPv6 address'],
    ['{"PublicIPv6":"1.2.3.4"}', 'PublicIPv6: "1.2.3.4" must be an IPv6 address'],
    ['{"PublicIPv6":"1:2:3:4:5:6:7:1.2.3.4"}', 'PublicIPv6: "1:2:3:4:5:6:7:1.2.3.4" must be an IPv6 address'],
    ['{"BackendType":1}', 'BackendType: 1 must be a string'],
    [
      '{"PublicIP":1,"BackendType":2}',
      'PublicIP: 1 must be an IPv4 address; BackendType: 2 must be a string',
    ],
    ['null', 'document: null must be a JSON object'],
    ['[]', 'document: an array must be a JSON object'],
    ['"x"', 'document: "x" must be a JSON object'],
    ['', 'value is not JSON'],
    [`{"BackendData":"${'x'.repeat(5000)}"}`, 'value is longer than 4096 characters'],
    ['{"PublicIP":"1.2.3.4"', 'value is not JSON'],
  ];
  for (const [text, reason] of refused) t.strictSame(parseLeaseValue(text), { ok: false, reason }, text);
});

t.test('any value is read without an exception', async t => {
  const names = fc.constantFrom(
    'PublicIP',
    'publicip',
    'PublicIPv6',
    'BackendType',
    'BackendData',
    'Selvedge',
    '__proto__',
  );
  const value = fc.oneof(fc.jsonValue(), anyAddress(4), anyAddress(6));
  const text = fc.oneof(
    fc.dictionary(names, value).map(each => JSON.stringify(each)),
    fc.json(),
    fc.string(),
  );
  fc.assert(
    fc.property(text, each => t.type(parseLeaseValue(each).ok, 'boolean')),
    { numRuns: 500 },
  );
});

t.test('a lease of key and value', async t => {
  const entry = { createRevision: 3n, modRevision: 5n, leaseId: '77' };
  const value = '{"PublicIP":"192.0.2.2","PublicIPv6":null,"BackendType":"host-gw"}';
  const key = '/net/subnets/10.5.2.0-24';
  t.strictSame(parseLease({ ...entry, key, value }, '/net/subnets/'), {
    ok: true,
    value: {
      ...entry,
      key,
      publicIp: '192.0.2.2',
      backendType: 'host-gw',
      subnets: { ipv4: prefix('10.5.2.0/24') },
    },
  });
  t.match(parseLease({ ...entry, key: `${key}x`, value }, '/net/subnets/'), { ok: false, code: 'bad-key' });
  t.match(parseLease({ ...entry, key, value: '{' }, '/net/subnets/'), { ok: false, code: 'bad-value' });
});

t.test('an entry is read once, for each prefix', async t => {
  const entry = {
    key: '/net/subnets/10.5.2.0-24',
    value: '{"PublicIP":"192.0.2.2"}',
    createRevision: 1n,
    modRevision: 1n,
    leaseId: '1',
  };
  const first = parseLease(entry, '/net/subnets/');
  t.equal(parseLease(entry, '/net/subnets/'), first);
  t.match(parseLease(entry, '/net/'), { ok: false, code: 'bad-key' });
  t.match(parseLease(entry, '/net/subnets/'), first);
  t.match(parseLease({ ...entry, value: '{}' }, '/net/subnets/'), { value: { publicIp: '0.0.0.0' } });
});

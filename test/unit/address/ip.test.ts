import { isIP } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import {
  bitsOf,
  familyOf,
  ipFromBytes,
  ipFromNumber,
  ipToBytes,
  ipToNumber,
  notAHostAddress,
  parseIp,
} from '../../../src/address/ip.js';

const family = fc.constantFrom(4 as const, 6 as const);
const numbered = family.chain(family =>
  fc.record({ family: fc.constant(family), value: fc.bigInt(0n, (1n << BigInt(bitsOf(family))) - 1n) }),
);

/** The form of RFC 5952, by the URL parser (its rules for hosts are the same). */
const canonicalByUrl = (text: string) => new URL(`http://[${text}]/`).hostname.slice(1, -1);

t.test('one text per address', async t => {
  const cases: readonly (readonly [text: string, canonical: string])[] = [
    ['10.5.0.1', '10.5.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['FD00:10:244:1::', 'fd00:10:244:1::'],
    ['fd00:0010:0244:0001:0:0:0:0', 'fd00:10:244:1::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::', '::'],
    ['0::1', '::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['::FFFF:102:304', '::ffff:102:304'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::255.255.0.1', '64:ff9b::ffff:1'],
  ];
  for (const [text, canonical] of cases) {
    t.equal(parseIp(text), canonical, text);
    t.equal(parseIp(canonical), canonical, `${canonical} stays`);
  }
});

t.test('an IPv4-mapped address stays an IPv6 address', async t => {
  t.equal(familyOf(parseIp('::ffff:1.2.3.4')!), 6);
  t.equal(ipToNumber('::ffff:102:304'), 0xffff_0102_0304n);
});

t.test('what is no address', async t => {
  const texts = [
    ...['', ' ', '1', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.-4', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4\n'],
    ...['01.2.3.4', '1.2.3.04', '00.0.0.0', '0x1.2.3.4', '1.2.3.1e1', '١.٢.٣.٤', '1..2.3', '1.2.3.'],
    ...[':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '::g', ':1', '1:', '::1 '],
    ...['::1%eth0', '::1/64', '[::1]', '::1.2.3', '::01.2.3.4', '::1.2.3.256', '1.2.3.4::', '1.2.3.4:80'],
    ...['1:2:3:4:5:6:7:1.2.3.4', '::1.2.3.4:5', '1:2:3:4:5:6:7::8:9'],
  ];
  for (const text of texts) t.equal(parseIp(text), undefined, JSON.stringify(text));
});

t.test('the same texts are addresses as for Node', async t => {
  const alphabet = fc.constantFrom(...'0123456789abcdefF:.:.::'.split(''), '::', '255', '1.2.3.4');
  const text = fc.array(alphabet, { maxLength: 12 }).map(parts => parts.join(''));
  const near = fc.tuple(numbered, fc.nat(45), alphabet).map(([{ value, family }, at, inserted]) => {
    const right = ipFromNumber(value, family);
    return right.slice(0, at) + inserted + right.slice(at + 1);
  });
  fc.assert(
    fc.property(
      fc.oneof(text, near),
      text => void t.equal(parseIp(text) !== undefined, isIP(text) !== 0, text),
    ),
    { numRuns: 2000 },
  );
});

t.test('IPv6 is printed as RFC 5952 says', async t => {
  const group = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(0xffff));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), groups => {
      const long = groups.map(each => each.toString(16).padStart(4, '0')).join(':');
      t.equal(parseIp(long.toUpperCase()), canonicalByUrl(long));
    }),
  );
});

t.test('text, number and bytes go back and forth', async t => {
  fc.assert(
    fc.property(numbered, ({ family, value }) => {
      const text = ipFromNumber(value, family);
      const bytes = ipToBytes(text);
      t.equal(ipToNumber(text), value);
      t.equal(parseIp(text), text);
      t.equal(familyOf(text), family);
      t.equal(bytes.length * 8, bitsOf(family));
      t.equal(BigInt(`0x${Buffer.from(bytes).toString('hex')}`), value, 'network order');
      t.equal(ipFromBytes(bytes), text);
    }),
  );
});

t.test('numbers that are no address', async t => {
  t.throws(() => ipFromNumber(-1n, 4), RangeError);
  t.throws(() => ipFromNumber(1n << 32n, 4), RangeError);
  t.throws(() => ipFromNumber(1n << 128n, 6), RangeError);
  t.throws(() => ipToNumber('host'), RangeError);
  t.throws(() => ipFromBytes(new Uint8Array(5)), RangeError);
  t.equal(ipFromNumber((1n << 32n) - 1n, 4), '255.255.255.255');
  t.equal(ipFromNumber((1n << 128n) - 1n, 6), 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
});

t.test('which addresses never name a host', async t => {
  const cases: readonly (readonly [address: string, why: string | undefined])[] = [
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['127.0.0.1', 'loopback'],
    ['169.254.1.1', 'link-local'],
    ['169.25.4.1', undefined],
    ['223.255.255.255', undefined],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved or broadcast'],
    ['255.255.255.255', 'reserved or broadcast'],
    ['10.0.0.1', undefined],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', undefined],
    ['fe::1', undefined],
    ['fe8::1', undefined],
    ['ff02::1', 'multicast'],
    ['ff::1', undefined],
    ['fd00::1', undefined],
  ];
  for (const [address, why] of cases) t.equal(notAHostAddress(address), why, address);
});

import fc from 'fast-check';
import t from 'tap';
import { bitsOf, ipFromNumber, ipToNumber, type Family } from '../../../src/address/ip.js';
import {
  addressAt,
  containsIp,
  containsPrefix,
  formatPrefix,
  hostPrefix,
  isMasked,
  makePrefix,
  maskPrefix,
  overlaps,
  parsePrefix,
  rangeOf,
  samePrefix,
  sizeOf,
  type Prefix,
} from '../../../src/address/prefix.js';

const family = fc.constantFrom<Family>(4, 6);

/** Any prefix, host bits and all. */
const anyPrefix = family.chain(family =>
  fc
    .record({
      value: fc.bigInt(0n, (1n << BigInt(bitsOf(family))) - 1n),
      length: fc.nat(bitsOf(family)),
    })
    .map(({ value, length }): Prefix => ({ family, address: ipFromNumber(value, family), length })),
);

/** The 16 addresses at 10.0.0.0 or fd00::, where every address can be looked at. */
const SPACE = 16n;
const baseOf = (family: Family) => ipToNumber(family === 4 ? '10.0.0.0' : 'fd00::');
const smallPrefix = fc
  .record({ family, offset: fc.bigInt(0n, SPACE - 1n), bits: fc.nat(4) })
  .map(({ family, offset, bits }): Prefix => {
    const address = ipFromNumber(baseOf(family) + offset, family);
    return { family, address, length: bitsOf(family) - bits };
  });

/** All addresses of a small prefix, found by comparing bit by bit. */
function members({ family, address, length }: Prefix): Set<string> {
  const bits = (value: bigint) => value.toString(2).padStart(bitsOf(family), '0').slice(0, length);
  const own = bits(ipToNumber(address));
  const all = Array.from({ length: Number(SPACE) }, (_, i) => baseOf(family) + BigInt(i));
  return new Set(all.filter(value => bits(value) === own).map(value => ipFromNumber(value, family)));
}

t.test('texts', async t => {
  t.strictSame(parsePrefix('10.5.0.1/16'), { family: 4, address: '10.5.0.1', length: 16 }, 'host bits stay');
  t.strictSame(parsePrefix('0.0.0.0/0'), { family: 4, address: '0.0.0.0', length: 0 });
  t.strictSame(parsePrefix('FD00:0::1/128'), { family: 6, address: 'fd00::1', length: 128 });
  const wrong = [
    ...['', '10.5.0.0', '10.5.0.0/', '/24', '10.5.0.0/33', '10.5.0.0/-1', '10.5.0.0/2.4', '10.5.0.0/ 24'],
    ...['10.5.0.0/24/24', '10.5.0/24', 'fd00::/129', 'fd00::/1e1', '10.5.0.0/0x10', '10.5.0.0/0024'],
  ];
  for (const text of wrong) t.equal(parsePrefix(text), undefined, JSON.stringify(text));
  t.equal(makePrefix('10.5.0.0', -1), undefined);
  t.equal(makePrefix('10.5.0.0', NaN), undefined);
});

t.test('text goes back and forth', async t => {
  fc.assert(fc.property(anyPrefix, prefix => t.strictSame(parsePrefix(formatPrefix(prefix)), prefix)));
});

t.test('masking clears the host bits and no others', async t => {
  fc.assert(
    fc.property(anyPrefix, prefix => {
      const masked = maskPrefix(prefix);
      const shift = BigInt(bitsOf(prefix.family) - prefix.length);
      t.equal(ipToNumber(masked.address), (ipToNumber(prefix.address) >> shift) << shift);
      t.equal(masked.length, prefix.length);
      t.ok(isMasked(masked));
      t.equal(isMasked(prefix), samePrefix(prefix, masked));
      t.equal(sizeOf(prefix), 1n << shift);
      const { first, last } = rangeOf(prefix);
      t.equal(first, ipToNumber(masked.address));
      t.equal(last - first + 1n, sizeOf(prefix));
    }),
  );
});

t.test('containing and overlapping, against every single address', async t => {
  fc.assert(
    fc.property(smallPrefix, smallPrefix, (a, b) => {
      const [inA, inB] = [members(a), members(b)];
      const shared = [...inA].filter(address => inB.has(address));
      t.equal(overlaps(a, b), shared.length > 0);
      t.equal(overlaps(b, a), overlaps(a, b));
      t.equal(containsPrefix(a, b), shared.length === inB.size);
      t.equal(containsIp(a, b.address), inA.has(b.address));
      t.equal(BigInt(inA.size), sizeOf(a));
    }),
    { numRuns: 1000 },
  );
});

t.test('the families never meet', async t => {
  const all4 = parsePrefix('0.0.0.0/0')!;
  const all6 = parsePrefix('::/0')!;
  t.notOk(containsPrefix(all4, all6));
  t.notOk(overlaps(all4, all6));
  t.notOk(containsIp(all6, '1.2.3.4'));
  t.notOk(containsIp(all4, '::1.2.3.4'));
  t.ok(containsIp(all4, '255.255.255.255'));
});

t.test('single addresses', async t => {
  t.equal(formatPrefix(hostPrefix('10.5.2.0')), '10.5.2.0/32');
  t.equal(formatPrefix(hostPrefix('fd00::1')), 'fd00::1/128');
  t.equal(addressAt(parsePrefix('10.5.2.0/24')!, 1n), '10.5.2.1');
  t.equal(addressAt(parsePrefix('fd00::ffff/64')!, 1n), 'fd00::1:0');
  t.throws(() => addressAt(parsePrefix('255.255.255.255/32')!, 1n), RangeError);
});

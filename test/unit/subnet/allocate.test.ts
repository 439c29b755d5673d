import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import t from 'tap';
import { ipFromNumber, ipToNumber } from '../../../src/address/ip.js';
import {
  containsPrefix,
  formatPrefix,
  overlaps,
  parsePrefix,
  type Prefix,
} from '../../../src/address/prefix.js';
import { allocateSubnet, countSubnets, isInRange } from '../../../src/subnet/allocate.js';
import type { SubnetRange } from '../../../src/subnet/network-config.js';

const prefix = (text: string) => parsePrefix(text)!;

function rangeOf(network: string, subnetLength: number, subnetMin: string, subnetMax: string): SubnetRange {
  return { network: prefix(network), subnetLength, subnetMin, subnetMax };
}

/** A /24 cut into 2 to 64 subnets, of which any stretch may be leased. */
const smallRange = fc.integer({ min: 26, max: 30 }).chain(subnetLength => {
  const most = 2 ** (subnetLength - 24) - 1;
  const size = 2 ** (32 - subnetLength);
  return fc.tuple(fc.nat(most), fc.nat(most)).map(([a, b]): SubnetRange => {
    const at = (number: number) => `10.5.0.${number * size}`;
    return rangeOf('10.5.0.0/24', subnetLength, at(Math.min(a, b)), at(Math.max(a, b)));
  });
});

/** Anything in the network and around it, larger and smaller than a subnet, with and without host bits, both families. */
const anyTaken = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.nat(255), fc.integer({ min: 25, max: 32 }))
        .map(([last, length]) => prefix(`10.5.0.${last}/${length}`)),
    },
    fc
      .constantFrom('10.4.255.0/24', '10.5.1.0/24', '10.4.0.0/15', '0.0.0.0/0', '::/0', 'fd00::/64')
      .map(prefix),
  ),
  { maxLength: 12 },
);

/** The free subnets, one by one. */
function freeSubnets(range: SubnetRange, taken: readonly Prefix[]): Prefix[] {
  const size = 1n << BigInt(32 - range.subnetLength);
  const free: Prefix[] = [];
  for (let base = ipToNumber(range.subnetMin); base <= ipToNumber(range.subnetMax); base += size) {
    const subnet: Prefix = { family: 4, address: ipFromNumber(base, 4), length: range.subnetLength };
    if (!taken.some(each => overlaps(each, subnet))) free.push(subnet);
  }
  return free;
}

t.test('the n-th random number gives the n-th free subnet, and there are no others', async t => {
  fc.assert(
    fc.property(smallRange, anyTaken, (range, taken) => {
      const free = freeSubnets(range, taken).map(formatPrefix);
      const asked = new Set<bigint>();
      const allocated = Array.from({ length: Math.max(free.length, 1) }, (_, n) =>
        allocateSubnet(range, taken, below => {
          asked.add(below);
          return BigInt(n);
        }),
      );
      t.strictSame(allocated.filter(each => each !== undefined).map(formatPrefix), free);
      t.strictSame(
        [...asked],
        free.length === 0 ? [] : [BigInt(free.length)],
        'no number is asked for in vain',
      );
      t.equal(countSubnets(range, taken).free, BigInt(free.length));
      t.equal(countSubnets(range, taken).total, BigInt(freeSubnets(range, []).length));
    }),
    { numRuns: 500 },
  );
});

t.test('a range is filled up without an overlap and not one step beyond', async t => {
  fc.assert(
    fc.property(smallRange, fc.infiniteStream(fc.nat(1000)), (range, randoms) => {
      const total = Number(countSubnets(range, []).total);
      const taken: Prefix[] = [];
      for (let i = 0; i < total; i++) {
        const subnet = allocateSubnet(range, taken, below => BigInt(randoms.next().value as number) % below)!;
        t.notOk(taken.some(each => overlaps(each, subnet)));
        t.ok(containsPrefix(range.network, subnet));
        t.ok(isInRange(range, subnet));
        taken.push(subnet);
      }
      t.equal(
        allocateSubnet(range, taken, () => 0n),
        undefined,
      );
    }),
    { numRuns: 20 },
  );
});

t.test('the whole of a /8 in /30 subnets, with 10,000 of them taken, is quick', async t => {
  const range = rangeOf('10.0.0.0/8', 30, '10.0.0.4', '10.255.255.252');
  const taken = Array.from({ length: 10_000 }, (_, i) => {
    const address = ipFromNumber(ipToNumber('10.0.0.4') + BigInt((i * 7919 * 4) % 2 ** 24), 4);
    return { family: 4 as const, address, length: 30 };
  });
  const start = performance.now();
  const { total, free } = countSubnets(range, taken);
  const last = allocateSubnet(range, taken, below => below - 1n)!;
  const took = performance.now() - start;
  t.equal(total, (1n << 22n) - 1n);
  t.equal(free, total - 10_000n);
  t.ok(isInRange(range, last));
  t.ok(took < 2_000, `${took} ms`);
});

t.test('IPv6, where numbers are large', async t => {
  const range = rangeOf('fd00::/48', 64, 'fd00:0:0:1::', 'fd00:0:0:ffff::');
  t.strictSame(countSubnets(range, [prefix('fd00::/52'), prefix('0.0.0.0/0')]), {
    total: 65_535n,
    free: 65_535n - 4_095n,
  });
  t.equal(formatPrefix(allocateSubnet(range, [prefix('fd00::/52')], () => 0n)!), 'fd00:0:0:1000::/64');
});

t.test('a single address at the edge of the range takes its subnet', async t => {
  const range = rangeOf('10.5.0.0/16', 24, '10.5.1.0', '10.5.2.0');
  for (const [address, free] of [
    ['10.5.0.255', 2n],
    ['10.5.1.0', 1n],
    ['10.5.2.255', 1n],
    ['10.5.3.0', 2n],
  ] as const) {
    t.equal(countSubnets(range, [prefix(`${address}/32`)]).free, free, address);
  }
});

t.test('whether a prefix is one that the range hands out', async t => {
  const range = rangeOf('10.5.0.0/16', 24, '10.5.2.0', '10.5.8.0');
  const cases: readonly (readonly [subnet: string, expected: boolean])[] = [
    ['10.5.2.0/24', true],
    ['10.5.8.0/24', true],
    ['10.5.1.0/24', false],
    ['10.5.9.0/24', false],
    ['10.5.3.0/25', false],
    ['10.5.2.0/23', false],
    ['10.5.3.1/24', false],
    ['10.6.3.0/24', false],
    ['fd00::/24', false],
  ];
  for (const [subnet, expected] of cases) t.equal(isInRange(range, prefix(subnet)), expected, subnet);
});

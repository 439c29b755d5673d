import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { formatLeaseValue, type LeaseAttributes } from '../../../src/subnet/lease.js';
import { formatReservation } from '../../../src/subnet/reservation.js';
import { planRelease, planReserve } from '../../../src/subnet/reservation-plan.js';
import type { KeyValue } from '../../../src/subnet/store.js';
import { KEY_PREFIX, rangeUpTo } from '../../support/lease-host.js';

function entry(key: string, value: string, leaseId = '0'): KeyValue {
  return { key: KEY_PREFIX + key, value, createRevision: 1n, modRevision: 2n, leaseId };
}

function valueOf(publicIp: string, more: Partial<LeaseAttributes> = {}): string {
  return formatLeaseValue({ publicIp, backendType: 'vxlan', ...more });
}

const holder = { nodeId: '0'.repeat(31) + '7', name: 'node7' };
const leased = entry('10.5.7.0-24', valueOf('192.0.2.7', { holder }), '99');

function reserve(subnet: string, publicIp: string, ...entries: KeyValue[]) {
  return planReserve({ entries, keyPrefix: KEY_PREFIX }, rangeUpTo(9), {
    subnet: parsePrefix(subnet)!,
    publicIp,
  });
}

t.test('mistakes in what is to be reserved', async t => {
  for (const [subnet, publicIp, reason] of [
    ['10.5.7.1/24', '192.0.2.7', /has host bits set: its subnet is 10\.5\.7\.0\/24/],
    ['10.6.7.0/24', '192.0.2.7', /is not in the network 10\.5\.0\.0\/16/],
    ['10.5.7.0/25', '192.0.2.7', /is no host's subnet: those of the config are \/24/],
    ['10.5.0.0/24', '192.0.2.7', /is not between SubnetMin 10\.5\.1\.0 and SubnetMax 10\.5\.9\.0/],
    ['10.5.10.0/24', '192.0.2.7', /is not between/],
    ['10.5.7.0/24', '127.0.0.1', /127\.0\.0\.1 is loopback/],
    ['10.5.7.0/24', '10.5.1.1', /is inside the network 10\.5\.0\.0\/16 itself/],
  ] as const) {
    t.match(reserve(subnet, publicIp), { kind: 'refuse', because: 'mistake', reason });
  }
});

t.test('whether a subnet can be reserved', async t => {
  const of7 = (...entries: KeyValue[]) => reserve('10.5.7.0/24', '192.0.2.7', ...entries);
  t.same(of7(), { kind: 'create', key: `${KEY_PREFIX}10.5.7.0-24` });
  t.match(of7(leased), { kind: 'keep', entry: leased });
  t.match(of7(entry('10.5.7.0-24&fd00::-64', valueOf('192.0.2.7'), '99')), { kind: 'keep' });
  for (const [found, reason] of [
    [
      entry('10.5.7.0-24', formatReservation('192.0.2.7')),
      /^10\.5\.7\.0\/24 is reserved for 192\.0\.2\.7 already/,
    ],
    [entry('10.5.7.0-24', formatReservation('192.0.2.8')), /^10\.5\.7\.0\/24 is reserved for 192\.0\.2\.8$/],
    [entry('10.5.7.0-24', valueOf('192.0.2.8', { holder }), '9'), /is leased by 192\.0\.2\.8 \(node7\)$/],
    [
      entry('10.5.6.0-23', valueOf('192.0.2.7'), '9'),
      /overlaps 10\.5\.6\.0\/23, which is leased by 192\.0\.2\.7$/,
    ],
    [entry('10.5.7.0-24', '{'), /the key \/net\/subnets\/10\.5\.7\.0-24 stands for .* cannot be read/],
    [
      entry('10.5.9.0-24', valueOf('192.0.2.7'), '9'),
      /has another subnet, 10\.5\.9\.0\/24.*leases release 10\.5\.9\.0\/24/,
    ],
  ] as const) {
    t.match(of7(found), { kind: 'refuse', because: 'state', reason });
  }
  t.match(of7(entry('garbage', '{'), entry('10.5.6.0-24', valueOf('192.0.2.6'), '9')), { kind: 'create' });
});

t.test('whether a subnet can be given back', async t => {
  const time = (refreshedSecondsAgo: number, grantedSeconds = 600) => ({
    grantedSeconds,
    secondsLeft: 1,
    refreshedSecondsAgo,
  });
  const plan = (found: readonly KeyValue[], ago: number | undefined, force = false, granted = 600) =>
    planRelease(
      { entries: found, keyPrefix: KEY_PREFIX },
      parsePrefix('10.5.7.0/24')!,
      ago === undefined ? undefined : time(ago, granted),
      force,
    );
  t.match(plan([entry('10.5.7.0-24', formatReservation('192.0.2.7'))], undefined), { kind: 'delete' });
  t.match(plan([{ ...leased, leaseId: '0' }], undefined), { kind: 'let-expire' });
  t.match(plan([leased], 121), { kind: 'delete' });
  t.match(plan([leased], 120, true), { kind: 'delete' });
  t.match(plan([leased], 21, false, 30), { kind: 'delete' }, 'who has a short lease is silent sooner');
  t.match(plan([leased], 20, false, 30), { kind: 'refuse', reason: /try again 20 s later/ });
  for (const [found, ago, reason] of [
    [[], undefined, /neither leased nor reserved/],
    [
      [leased],
      120,
      /held by 192\.0\.2\.7 \(node7\), which renewed it 120 s ago: stop its agent and try again 120 s later, or use --force/,
    ],
    [[leased], undefined, /has just ended/],
    [[entry('10.5.7.0-24', valueOf('192.0.2.7'), '9')], 50_000, /may be a flanneld's/],
    [[entry('10.5.7.0-24', 'x')], undefined, /cannot be read: --force/],
    [[leased, entry('10.5.7.0-24&fd00::-64', valueOf('192.0.2.7'), '9')], 500, /has several keys/],
  ] as const) {
    t.match(plan(found, ago), { kind: 'refuse', because: 'state', reason });
  }
});

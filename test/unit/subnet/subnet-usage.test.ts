import t from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { isRunningOut, SubnetUsage, takenSubnets } from '../../../src/subnet/subnet-usage.js';
import type { KeyChange } from '../../../src/subnet/store.js';
import { FakeClock } from '../../support/fake-clock.js';
import { KEY_PREFIX, rangeUpTo } from '../../support/lease-host.js';
import { recordedLog } from '../../support/recorded-log.js';

/** A usage of 10.5.1.0/24 to 10.5.20.0/24 with keys that come and go as the watch tells them. */
function start() {
  const clock = new FakeClock();
  const { log, lines } = recordedLog();
  const keys = new Map<string, bigint>();
  let reads = 0;
  const entries = () => {
    reads++;
    return keys;
  };
  const usage = new SubnetUsage({
    ...{ range: rangeUpTo(20), keyPrefix: KEY_PREFIX, entries, log },
    sleep: clock.sleep,
  });
  let revision = 0n;
  const put = (name: string) => {
    const key = KEY_PREFIX + name;
    revision++;
    const createRevision = keys.get(key) ?? revision;
    keys.set(key, createRevision);
    const entry = { key, value: '', createRevision, modRevision: revision, leaseId: '0' };
    usage.noteChanges({ cause: 'watch', changes: [{ kind: 'put', entry }] });
  };
  const remove = (name: string) => {
    const key = KEY_PREFIX + name;
    keys.delete(key);
    const change: KeyChange = { kind: 'delete', key, modRevision: ++revision };
    usage.noteChanges({ cause: 'watch', changes: [change] });
  };
  return { clock, lines, usage, put, remove, reads: () => reads };
}

t.test('whatever stands in the way counts, once', async t => {
  const { usage, put, remove } = start();
  t.strictSame(usage.count, { total: 20n, free: 20n });
  for (const name of ['10.5.1.0-24', '10.5.2.0-25', '10.5.2.128-25', '10.5.4.0-23', '10.5.99.0-24', 'x'])
    put(name);
  t.strictSame(usage.count, { total: 20n, free: 16n });
  remove('10.5.2.0-25');
  t.strictSame(usage.count, { total: 20n, free: 16n }, 'the other half is still in the way');
  remove('10.5.2.128-25');
  t.strictSame(usage.count, { total: 20n, free: 17n });
});

t.test('keys are gone through only when the set of them has changed', async t => {
  const { usage, put, reads } = start();
  put('10.5.1.0-24');
  t.equal(usage.count.free, 19n);
  const before = reads();
  put('10.5.1.0-24');
  t.equal(usage.count.free, 19n);
  t.equal(reads(), before, 'a renewal by a rewrite costs nothing');
  usage.noteChanges({ cause: 'relist', changes: [] });
  t.equal(usage.count.free, 19n);
  t.equal(reads(), before + 1);
});

t.test('the last count is told without another', async t => {
  const { usage, put, reads } = start();
  t.strictSame(usage.lastCount, { total: 20n, free: 20n }, 'the first is made when it is asked for');
  put('10.5.1.0-24');
  const before = reads();
  t.equal(usage.lastCount.free, 20n);
  t.equal(reads(), before);
  t.equal(usage.count.free, 19n);
  t.equal(usage.lastCount.free, 19n);
});

t.test('one line when it begins, one when it ends', async t => {
  const { clock, lines, usage, put, remove } = start();
  const stopping = new AbortController();
  const ended = usage.run(stopping.signal);
  const news = async () => {
    await clock.pass(10_000);
    return lines.splice(0).map(({ level, msg }) => `${level}: ${msg}`);
  };
  for (let n = 1; n <= 17; n++) put(`10.5.${n}.0-24`);
  t.strictSame(await news(), []);
  put('10.5.18.0-24');
  const where = 'subnets between 10.5.1.0 and 10.5.20.0 are free';
  t.strictSame(await news(), [`warn: subnets are running out: 2 of 20 ${where}`]);
  put('10.5.19.0-24');
  t.strictSame(await news(), []);
  remove('10.5.19.0-24');
  remove('10.5.18.0-24');
  t.strictSame(await news(), [`info: subnets are not running out any more: 3 of 20 ${where}`]);
  stopping.abort();
  await ended;
});

t.test('from which share on', async t => {
  for (const [total, free, expected] of [
    [254n, 26n, false],
    [254n, 25n, true],
    [10n, 2n, false],
    [10n, 1n, true],
    [3n, 1n, false],
    [3n, 0n, true],
  ] as const)
    t.equal(isRunningOut({ total, free }), expected, `${free} of ${total}`);
});

t.test('one key can be left out', async t => {
  const keys = ['10.5.1.0-24', '10.5.2.0-24'].map(name => KEY_PREFIX + name);
  t.strictSame(takenSubnets([...keys, '/net/config'], KEY_PREFIX, keys[0]), [parsePrefix('10.5.2.0/24')]);
});

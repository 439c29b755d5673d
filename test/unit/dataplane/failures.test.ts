/** When a refused entry is tried again. */
import t from 'tap';
import { Failures } from '../../../src/dataplane/failures.js';

t.test('the wait doubles from half a second to a minute', async t => {
  const failures = new Failures();
  const waits = Array.from({ length: 10 }, () => {
    failures.add('key', 'EINVAL', 1000);
    return failures.nextRetry! - 1000;
  });
  t.same(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  t.equal(failures.all.get('key')?.attempts, 10);
  t.equal(failures.mayTry('key', 60_999), false);
  t.equal(failures.mayTry('key', 61_000), true);
  t.equal(failures.mayTry('another', 0), true);
  for (let i = 0; i < 2000; i++) failures.add('key', 'EINVAL', 0);
  t.equal(failures.nextRetry, 60_000, 'however often it failed');
});

t.test('only another error is news', async t => {
  const failures = new Failures();
  t.equal(failures.add('key', 'EINVAL', 0), true);
  t.equal(failures.add('key', 'EINVAL', 0), false);
  t.equal(failures.add('key', 'ENODEV', 0), true);
});

t.test('success forgets it, a change of the world only the wait', async t => {
  const failures = new Failures();
  t.equal(failures.nextRetry, undefined);
  failures.add('one', 'EINVAL', 0);
  failures.add('one', 'EINVAL', 0);
  failures.add('two', 'EINVAL', 0);
  t.equal(failures.nextRetry, 500, 'the first that is due');
  failures.retryAll();
  t.equal(failures.mayTry('one', 0), true);
  failures.add('one', 'EINVAL', 0);
  t.equal(failures.all.get('one')?.notBefore, 2000, 'it goes on where it was');
  t.equal(failures.clear('one'), true);
  t.equal(failures.clear('one'), false);
  t.equal(failures.add('one', 'EINVAL', 0), true, 'news again');
});

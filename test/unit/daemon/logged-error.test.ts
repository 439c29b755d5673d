import t from 'tap';
import { loggedError } from '../../../src/daemon/logged-error.js';
import { StoreError } from '../../../src/subnet/store.js';

t.test('trouble with etcd is told without a stack, a bug with one', async t => {
  const cause = new Error('14 UNAVAILABLE: Connection dropped');
  const advice = { code: 'connection-refused', cause: 'etcd is down', next: 'etcdctl endpoint health' };
  t.strictSame(loggedError(new StoreError('unavailable', 'list /net/: no answer', { cause, advice })), {
    ...{ type: 'StoreError', kind: 'unavailable', message: 'list /net/: no answer' },
    advice,
  });
  t.strictSame(loggedError(new StoreError('denied', 'no')), {
    ...{ type: 'StoreError', kind: 'denied', message: 'no' },
  });
  t.match(loggedError(new TypeError('x is not a function')), {
    type: 'TypeError',
    stack: /logged-error\.test/,
  });
});

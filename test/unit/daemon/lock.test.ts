import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import t from 'tap';
import { takeLock } from '../../../src/daemon/lock.js';
import { OperatorError } from '../../../src/daemon/operator-error.js';

/** Locks are machine-wide, so each test has names of its own. */
const uniqueName = () => `unit test ${randomUUID()}`;

t.test('a lock is taken once, and the second learns who holds it', async t => {
  const name = uniqueName();
  const lock = await takeLock(name, { pid: 4711, instance: 'net' });
  t.teardown(() => lock.release());
  for (let i = 0; i < 3; i++) {
    await t.rejects(
      takeLock(name, { pid: 4712, instance: 'other' }),
      new OperatorError(
        `another agent runs on ${name} in this network namespace: instance net, pid 4711. Stop it first`,
      ),
    );
  }
});

t.test('locks of other names are free, and a released one is again', async t => {
  const name = uniqueName();
  const holder = { pid: 1, instance: 'net' };
  const lock = await takeLock(name, holder);
  const other = await takeLock(`${name} 2`, holder);
  lock.release();
  other.release();
  const again = await takeLock(name, holder);
  again.release();
  t.pass('taken again');
});

t.test('of many at once one gets it', async t => {
  const name = uniqueName();
  const results = await Promise.allSettled(
    Array.from({ length: 10 }, async (_, pid) => takeLock(name, { pid, instance: 'net' })),
  );
  const locks = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
  t.teardown(() => locks.forEach(lock => lock.release()));
  t.equal(locks.length, 1);
  const refusals = results.flatMap(result =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  t.ok(refusals.every(reason => reason instanceof OperatorError));
});

t.test('a holder that talks nonsense or says nothing is still a holder', async t => {
  for (const [answer, words] of [
    ['nonsense', 'it does not answer'],
    ['null', 'it does not answer'],
    ['', 'it does not answer'],
    ['{}', 'instance unknown, pid unknown'],
  ] as const) {
    const name = uniqueName();
    const server = createServer(socket => socket.end(answer));
    await new Promise<void>(resolve => server.listen({ path: `\0selvedge ${name}` }, resolve));
    t.teardown(() => server.close());
    await t.rejects(takeLock(name, { pid: 1, instance: 'net' }), new RegExp(`${words}\\. Stop it first$`));
  }
});

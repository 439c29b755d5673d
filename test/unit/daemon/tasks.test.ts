import { setImmediate as settle } from 'node:timers/promises';
import t from 'tap';
import { aborted, runTogether, sleep } from '../../../src/daemon/tasks.js';

/** A task that ends when told to, and says so. */
function obedient(log: string[], name: string) {
  return async (signal: AbortSignal) => {
    await aborted(signal);
    log.push(name);
  };
}

t.test('tasks run until the signal', async t => {
  const stop = new AbortController();
  const log: string[] = [];
  const done = runTogether(stop.signal, [obedient(log, 'a'), obedient(log, 'b')]);
  await settle();
  t.strictSame(log, []);
  stop.abort();
  await done;
  t.strictSame(log, ['a', 'b']);
});

t.test('a task that ends by itself leaves the others running', async t => {
  const stop = new AbortController();
  const log: string[] = [];
  const done = runTogether(stop.signal, [async () => undefined, obedient(log, 'b')]);
  await settle();
  t.strictSame(log, []);
  stop.abort();
  await done;
  t.strictSame(log, ['b']);
});

t.test('when one fails, the others are told to stop, and its error comes out', async t => {
  const { signal } = new AbortController();
  const log: string[] = [];
  const failing = async () => {
    await settle();
    throw new Error('broken');
  };
  await t.rejects(runTogether(signal, [obedient(log, 'a'), failing]), { message: 'broken' });
  await settle();
  t.strictSame(log, ['a']);
});

t.test('a task that does not end is left behind', async t => {
  const stop = new AbortController();
  const stubborn = async () => new Promise<void>(() => undefined);
  const done = runTogether(stop.signal, [stubborn]);
  stop.abort();
  await done;
  t.pass('ended all the same');
});

t.test('sleep ends with the signal or the time, whichever comes first', async t => {
  const stop = new AbortController();
  const long = sleep(3_600_000, stop.signal);
  stop.abort();
  await long;
  await sleep(3_600_000, stop.signal);
  await sleep(1, new AbortController().signal);
  await aborted(stop.signal);
  t.pass('all have ended');
});

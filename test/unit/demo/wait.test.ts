import t from 'tap';
import { LabClosedError } from '../../../src/demo/command.js';
import { waitFor } from '../../../src/demo/wait.js';

t.test('it looks until the condition holds', async t => {
  let looks = 0;
  const read = () => ++looks;
  t.equal(await waitFor({ what: 'three', deadlineSeconds: 10, intervalMs: 1, read, until: n => n === 3 }), 3);
});

t.test('a time-out tells what was awaited, last seen, and the context', async t => {
  const wait = { what: 'the moon', deadlineSeconds: 0, read: () => ({ sky: 'dark' }), until: () => false };
  await t.rejects(
    waitFor(wait, () => 'the log'),
    /waiting for the moon; last seen: {\n "sky": "dark"\n}\nthe log/,
  );
});

t.test('what the look throws is "not yet", what the condition throws is final', async t => {
  const read = () => {
    throw new Error('refused');
  };
  await t.rejects(
    waitFor({ what: 'x', deadlineSeconds: 0, read, until: () => true }),
    /last seen: Error: refused/,
  );
  const until = () => {
    throw new Error('never');
  };
  await t.rejects(waitFor({ what: 'x', deadlineSeconds: 60, read: () => 1, until }), /^never$/);
  const closed = () => {
    throw new LabClosedError('gone');
  };
  await t.rejects(waitFor({ what: 'x', deadlineSeconds: 60, read: closed, until: () => true }), /^gone$/);
});

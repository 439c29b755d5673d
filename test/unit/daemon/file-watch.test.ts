/** Files that somebody takes away: noticed by inotify, and nothing else beside them. */
import { watch } from 'node:fs';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { watchFiles } from '../../../src/daemon/file-watch.js';
import { aborted } from '../../../src/daemon/tasks.js';

function start(t: Test, paths: readonly string[]) {
  const ending = new AbortController();
  const found = watchFiles(paths, ending.signal);
  t.teardown(() => found.close());
  return { ...found, ending };
}

/** Writes a file, and waits until a watch of the test's own has seen it, which was begun after all others. */
async function writeSeen(path: string, directory: string): Promise<void> {
  const seen = watch(directory);
  const told = once(seen, 'change');
  await writeFile(path, 'x');
  await told;
  seen.close();
}

t.test('a file that is written, and one that is taken away', async t => {
  const directory = t.testdir({ a: '', b: '' });
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  const written = start(t, [a, b]);
  await writeFile(b, 'x');
  await aborted(written.touched);
  const taken = start(t, [a, b]);
  await rm(a);
  await aborted(taken.touched);
});

t.test('another file beside them is nothing', async t => {
  const directory = t.testdir({ a: '' });
  const { touched } = start(t, [join(directory, 'a')]);
  await writeSeen(join(directory, '.a.1234.tmp'), directory);
  t.equal(touched.aborted, false);
  await rm(join(directory, 'a'));
  await aborted(touched);
});

t.test('their directory is taken away', async t => {
  const directory = join(t.testdir({ run: { a: '' } }), 'run');
  const { touched } = start(t, [join(directory, 'a')]);
  await rm(directory, { recursive: true });
  await aborted(touched);
  const missing = start(t, [join(directory, 'a')]);
  t.equal(missing.touched.aborted, false, `${basename(directory)} is not there, and nothing fails`);
});

t.test('the end', async t => {
  const directory = t.testdir({ a: '' });
  const { touched, ending } = start(t, [join(directory, 'a')]);
  ending.abort();
  t.equal(touched.aborted, true);
  t.equal(watchFiles([join(directory, 'a')], ending.signal).touched.aborted, true, 'begun too late');
});

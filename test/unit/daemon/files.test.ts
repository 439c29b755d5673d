import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeDirectory, readFileIfPresent, writeFileAtomically } from '../../../src/daemon/files.js';

const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);

t.test('a file is made with its directory, in modes that the umask does not narrow', async t => {
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const path = join(t.testdir(), 'run', 'flannel', 'subnet.env');
  t.equal(await writeFileAtomically(path, 'A=1\n'), 'written');
  t.equal(await readFile(path, 'utf8'), 'A=1\n');
  t.equal(await modeOf(path), '644');
  t.equal(await modeOf(join(path, '..')), '755');
});

t.test('the same contents are not written again', async t => {
  const path = join(t.testdir({ file: 'same' }), 'file');
  const { ino, mtimeNs } = await stat(path, { bigint: true });
  t.equal(await writeFileAtomically(path, 'same'), 'unchanged');
  t.match(await stat(path, { bigint: true }), { ino, mtimeNs });
  t.equal(await writeFileAtomically(path, 'other'), 'written');
  t.not(
    (await stat(path, { bigint: true })).ino,
    ino,
    'replaced, not overwritten: a reader keeps what it opened',
  );
});

t.test('a directory that exists keeps its mode', async t => {
  const directory = t.testdir();
  await chmod(directory, 0o700);
  await writeFileAtomically(join(directory, 'file'), 'x');
  t.equal(await modeOf(directory), '700');
});

/** A failed write leaves the directory as it was. */
async function expectFailure(t: Test, directory: string, path: string, message: RegExp): Promise<void> {
  const before = await readdir(directory);
  await t.rejects(writeFileAtomically(path, 'new'), { message });
  t.same(await readdir(directory), before, 'no temporary file is left');
}

t.test('a path that cannot be written is named, with the reason', async t => {
  const directory = t.testdir({ file: 'whole' });
  const below = join(directory, 'file', 'below');
  await expectFailure(t, directory, below, /^cannot write .*\/file\/below: E(NOTDIR|EXIST)/);
  t.equal(await readFile(join(directory, 'file'), 'utf8'), 'whole');
});

t.test('where nothing can be made, the attempt ends', async t => {
  await t.rejects(writeFileAtomically('/proc/selvedge/run/file', 'x'), {
    message: /^cannot write \/proc\/selvedge\/run\/file: E/,
  });
});

t.test('many make a directory at once', async t => {
  const path = join(t.testdir(), 'a', 'b', 'c');
  await Promise.all(Array.from({ length: 20 }, async () => makeDirectory(path)));
  t.ok((await stat(path)).isDirectory());
  t.equal(await makeDirectory(path), false);
});

t.test('when the last step fails, the temporary file goes', async t => {
  const directory = t.testdir();
  const path = join(directory, 'taken');
  await mkdir(path);
  await expectFailure(t, directory, path, /^cannot write .*\/taken: EISDIR/);
});

t.test('many writers of one file leave one of their contents and nothing else', async t => {
  const directory = t.testdir();
  const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
  await Promise.all(contents.map(async text => writeFileAtomically(join(directory, 'file'), text)));
  t.same(await readdir(directory), ['file']);
  t.ok(contents.includes(await readFile(join(directory, 'file'), 'utf8')));
});

t.test('only if absent: of many writers one writes, and what is there stays', async t => {
  const directory = t.testdir({ there: 'old' });
  t.equal(await writeFileAtomically(join(directory, 'there'), 'new', 'if-absent'), 'unchanged');
  t.equal(await readFile(join(directory, 'there'), 'utf8'), 'old');
  const path = join(directory, 'made', 'file');
  const contents = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
  const results = await Promise.all(contents.map(async text => writeFileAtomically(path, text, 'if-absent')));
  t.equal(results.filter(result => result === 'written').length, 1);
  t.equal(await readFile(path, 'utf8'), contents[results.indexOf('written')]);
  t.equal(await modeOf(path), '644');
  t.same(await readdir(join(directory, 'made')), ['file'], 'no temporary file is left');
});

t.test('reading what may be missing', async t => {
  const directory = t.testdir();
  t.equal(await readFileIfPresent(join(directory, 'none')), undefined);
  await writeFile(join(directory, 'some'), 'text');
  t.equal(await readFileIfPresent(join(directory, 'some')), 'text');
  await t.rejects(readFileIfPresent(directory), { code: 'EISDIR' });
});

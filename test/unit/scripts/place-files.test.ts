/** How the files of a build come into place, under processes that may be starting from those before. */
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

interface PlaceFiles {
  readonly placeFiles: (files: ReadonlyMap<string, Buffer>, last: string) => void;
  readonly removeOld: (directory: string, wanted: ReadonlySet<string>) => void;
}

// A plain script without types, which runs before anything is compiled.
const script = new URL('../../../../scripts/place-files.mjs', import.meta.url).href;
const { placeFiles, removeOld } = (await import(script)) as PlaceFiles;

const LONG_AGO = new Date(Date.now() - 2 * 3_600_000);

t.test('what loads the others comes last: it stays as it was while one of them cannot be placed', async t => {
  const directory = t.testdir({ 'main.js': 'old', 'chunk.js': { 'in-the-way': '' } });
  const [main, chunk] = [join(directory, 'main.js'), join(directory, 'chunk.js')];
  const files = new Map([
    [main, Buffer.from('new')],
    [chunk, Buffer.from('new')],
  ]);
  t.throws(() => placeFiles(files, main));
  t.equal(readFileSync(main, 'utf8'), 'old');
});

t.test('a file is exchanged as a whole, and one that is as it should be stays, as of today', async t => {
  const directory = t.testdir({ 'same.js': 'same', 'main.js': 'old' });
  const [main, same] = [join(directory, 'main.js'), join(directory, 'same.js')];
  utimesSync(same, LONG_AGO, LONG_AGO);
  const before = { main: statSync(main), same: statSync(same) };
  const files = new Map([
    [main, Buffer.from('new')],
    [same, Buffer.from('same')],
    [join(directory, 'proto', 'rpc.proto'), Buffer.from('in a new directory')],
  ]);
  placeFiles(files, main);
  t.equal(readFileSync(main, 'utf8'), 'new');
  t.not(statSync(main).ino, before.main.ino, 'whoever reads the old one reads it to its end');
  t.equal(statSync(same).ino, before.same.ino);
  t.ok(statSync(same).mtimeMs > before.same.mtimeMs);
  t.same(readdirSync(directory).sort(), ['main.js', 'proto', 'same.js'], 'no drafts');
});

t.test('what no build has wanted for an hour goes, and nothing else', async t => {
  const directory = t.testdir({
    'wanted.js': '',
    'old.js': '',
    'old.js.7.tmp': '',
    'of-another-build.js': '',
  });
  mkdirSync(join(directory, 'daemon'));
  writeFileSync(join(directory, 'daemon', 'old.js'), '');
  for (const name of ['wanted.js', 'old.js', 'old.js.7.tmp', 'daemon'])
    utimesSync(join(directory, name), LONG_AGO, LONG_AGO);
  removeOld(directory, new Set([join(directory, 'wanted.js')]));
  t.same(readdirSync(directory).sort(), ['of-another-build.js', 'wanted.js']);
});

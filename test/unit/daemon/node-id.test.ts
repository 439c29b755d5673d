import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { writeFileAtomically } from '../../../src/daemon/files.js';
import { deriveNodeId, readNodeId } from '../../../src/daemon/node-id.js';
import { matchAll } from '../../support/match-all.js';
import { recordedLog } from '../../support/recorded-log.js';

const MACHINE_ID = '0123456789abcdef0123456789abcdef';
/** HMAC-SHA256 by Python's hmac module, cut and marked as a version 4 UUID. */
const DERIVED = '3c037dbb2f9c4c57b8764e04c575f8a6';
const OTHER = 'aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa';

async function read(t: Test, files: Record<string, string>) {
  const directory = t.testdir(files);
  const stateDir = join(directory, 'state');
  const { log, lines } = recordedLog();
  const again = () =>
    readNodeId({ stateDir, machineIdFile: join(directory, 'machine-id') }, log, writeFileAtomically);
  return { stateDir, path: join(stateDir, 'node-id'), id: await again(), again, lines };
}

t.test('derived from the machine id, and kept', async t => {
  t.equal(deriveNodeId(MACHINE_ID), DERIVED);
  const { path, id, again, lines, stateDir } = await read(t, { 'machine-id': `${MACHINE_ID}\n` });
  t.equal(id, DERIVED);
  t.equal(await readFile(path, 'utf8'), `${DERIVED}\n`);
  t.strictSame(await readdir(stateDir), ['node-id'], 'no temporary file');
  t.equal(await again(), DERIVED);
  t.strictSame(lines, []);
});

t.test('what is in the file wins', async t => {
  const directory = t.testdir({ 'machine-id': MACHINE_ID, state: { 'node-id': OTHER } });
  const files = { stateDir: join(directory, 'state'), machineIdFile: join(directory, 'machine-id') };
  t.equal(await readNodeId(files, recordedLog().log, writeFileAtomically), OTHER);
  t.equal(await readFile(join(directory, 'state', 'node-id'), 'utf8'), OTHER, 'untouched');
});

t.test('without a machine id that can be used: random, and kept', async t => {
  for (const text of [
    undefined,
    '',
    'uninitialized\n',
    '0'.repeat(32),
    MACHINE_ID.slice(1),
    'x'.repeat(32),
  ]) {
    const { id, again } = await read(t, text === undefined ? {} : { 'machine-id': text });
    t.match(id, /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/, String(text));
    t.equal(await again(), id);
    t.not((await read(t, {})).id, id);
  }
});

t.test('a file that holds something else is said so and replaced', async t => {
  for (const text of ['', 'node7\n', OTHER.toUpperCase(), `${OTHER} ${OTHER}`]) {
    const directory = t.testdir({ 'machine-id': MACHINE_ID, state: { 'node-id': text } });
    const { log, lines } = recordedLog();
    const files = { stateDir: join(directory, 'state'), machineIdFile: join(directory, 'machine-id') };
    t.equal(await readNodeId(files, log, writeFileAtomically), DERIVED);
    matchAll(t, lines, [{ level: 'warn', msg: /node-id holds no node id .*made anew$/ }]);
    t.equal(await readFile(join(directory, 'state', 'node-id'), 'utf8'), `${DERIVED}\n`);
  }
});

t.test('of instances that start together, one makes the id for all', async t => {
  const stateDir = join(t.testdir(), 'state');
  const start = () =>
    readNodeId({ stateDir, machineIdFile: '/nonexistent' }, recordedLog().log, writeFileAtomically);
  const ids = await Promise.all(Array.from({ length: 20 }, start));
  t.equal(new Set(ids).size, 1, 'the same for all');
  t.equal(await readFile(join(stateDir, 'node-id'), 'utf8'), `${ids[0]!}\n`);
  t.strictSame(await readdir(stateDir), ['node-id'], 'no temporary file');
});

t.test('a file that can be neither read nor replaced', async t => {
  const directory = t.testdir({ 'machine-id': MACHINE_ID });
  const stateDir = join(directory, 'state');
  await mkdir(join(stateDir, 'node-id', 'x'), { recursive: true });
  const { log, lines } = recordedLog();
  t.equal(
    await readNodeId({ stateDir, machineIdFile: join(directory, 'machine-id') }, log, writeFileAtomically),
    DERIVED,
  );
  matchAll(t, lines, [{ msg: /^the node id cannot be read from/ }, { msg: /^the node id is not kept: / }]);
});

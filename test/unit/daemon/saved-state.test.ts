import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { writeFileAtomically } from '../../../src/daemon/files.js';
import { recallState, recallSubnets } from '../../../src/daemon/memory.js';
import { resolveAgentOptions } from '../../../src/daemon/options.js';
import {
  readSavedState,
  savedConfig,
  stateFileOf,
  writeSavedState,
  type SavedState,
} from '../../../src/daemon/saved-state.js';
import { recordedLog } from '../../support/recorded-log.js';
import { matchAll } from '../../support/match-all.js';

const full: SavedState = {
  prefix: '/net',
  subnet: parsePrefix('10.5.2.0/24')!,
  leaseKey: '/net/subnets/10.5.2.0-24',
  mac: 'c6:d2:32:6f:8f:44',
  device: 'flannel.1',
  underlay: 'eth0',
  config: '{"Network":\n"10.5.0.0/16"}',
  retired: { devices: ['flannel.7'], networks: [parsePrefix('10.6.0.0/16')!] },
};

async function readText(t: Test, text: string) {
  const path = join(t.testdir({ 'state.json': text }), 'state.json');
  return readSavedState(path);
}

t.test('what is written is read again', async t => {
  for (const state of [full, {}, { mac: 'c6:d2:32:6f:8f:44' }]) {
    const path = stateFileOf(join(t.testdir(), 'net'));
    await writeSavedState(path, state, writeFileAtomically);
    t.strictSame(await readSavedState(path), { state, fault: undefined });
  }
});

t.test('the config of another network is not taken for this one', async t => {
  t.equal(savedConfig(full, '/net'), full.config);
  t.equal(savedConfig(full, '/coreos.com/network'), undefined);
  t.equal(savedConfig({ config: full.config! }, '/net'), undefined);
});

t.test('the file is for people too', async t => {
  const path = stateFileOf(t.testdir());
  await writeSavedState(path, { subnet: full.subnet!, mac: full.mac! }, writeFileAtomically);
  t.equal(
    await readFile(path, 'utf8'),
    '{\n  "version": 1,\n  "subnet": "10.5.2.0/24",\n  "mac": "c6:d2:32:6f:8f:44"\n}\n',
  );
});

t.test('no file is no fault', async t => {
  t.strictSame(await readSavedState(stateFileOf(t.testdir())), { state: {}, fault: undefined });
});

t.test('a file that is not ours is named and does no harm', async t => {
  const texts = [
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '{}',
    '{"version":2,"mac":"c6:d2:32:6f:8f:44"}',
    '\u0000\u0000',
  ];
  for (const text of texts) {
    const { state, fault } = await readText(t, text);
    t.strictSame(state, {}, JSON.stringify(text));
    t.match(fault, /\/state\.json cannot be read as the state of an agent: going on without it$/);
  }
});

t.test('a part that cannot be read is as if it had never been written', async t => {
  const broken = {
    version: 1,
    subnet: '10.5.2.0',
    leaseKey: 7,
    mac: 'x',
    device: null,
    underlay: 'eth0',
    config: [],
    retired: { devices: 'flannel.7', networks: [] },
    more: 1,
  };
  t.strictSame(await readText(t, JSON.stringify(broken)), { state: { underlay: 'eth0' }, fault: undefined });
});

t.test('a path that cannot be read or written is named', async t => {
  const path = join(t.testdir({ 'state.json': {} }), 'state.json');
  t.match(await readSavedState(path), {
    state: {},
    fault: `${path} cannot be read as the state of an agent`,
  });
  await t.rejects(writeSavedState(path, {}, writeFileAtomically), /cannot write .*\/state\.json/);
});

t.test('what is recalled of subnets: the state before the subnet file', async t => {
  const directory = t.testdir({ 'subnet.env': 'FLANNEL_SUBNET=10.5.9.1/24\n', broken: 'FLANNEL_SUBNET=x\n' });
  const fromState = { subnet: full.subnet, origin: 'state' };
  const fromFile = { subnet: parsePrefix('10.5.9.0/24'), origin: 'subnet-file' };
  const recall = (saved: SavedState, file: string) => recallSubnets(saved, join(directory, file));
  t.strictSame(await recall(full, 'subnet.env'), [fromState, fromFile]);
  t.strictSame(await recall({}, 'subnet.env'), [fromFile]);
  t.strictSame(await recall(full, 'missing'), [fromState]);
  t.strictSame(await recall({}, 'broken'), []);
  t.strictSame(await recall({}, '.'), [], 'a directory in its place');
});

t.test('a state that cannot be read is told once in the log', async t => {
  const directory = t.testdir({ net: { 'state.json': '{' } });
  const resolved = resolveAgentOptions({ 'state-dir': [directory], instance: ['net'] }, [], {});
  if (!resolved.ok) throw new Error(resolved.faults.join('; '));
  const { log, lines } = recordedLog();
  t.strictSame(await recallState(resolved.options, log), {});
  matchAll(t, lines, [{ level: 'warn', msg: /cannot be read as the state of an agent/ }]);
  await writeFile(join(directory, 'net', 'state.json'), '{"version":1,"device":"flannel.1"}');
  t.strictSame(await recallState(resolved.options, log), { device: 'flannel.1' });
  t.equal(lines.length, 1);
});

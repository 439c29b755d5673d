/** When Docker may start with the env file that is there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parsePrefix } from '../../../src/address/prefix.js';
import { dockerCheckCommand } from '../../../src/cli/docker-check.js';
import { readBootId } from '../../../src/daemon/boot-id.js';
import { openControlSocket } from '../../../src/daemon/control-socket.js';
import { judgeDockerEnv, type SubnetWitnesses } from '../../../src/daemon/docker-check.js';
import { writeFileAtomically } from '../../../src/daemon/files.js';
import { stateFileOf, writeSavedState } from '../../../src/daemon/saved-state.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus } from './example-status.js';

const prefix = (text: string) => parsePrefix(text)!;
const OWN = prefix('10.5.7.0/24');
const OTHER = prefix('10.5.8.0/24');
const FILE = 'DOCKER_OPT_BIP="--bip=10.5.7.1/24"\nDOCKER_NETWORK_OPTIONS=" --bip=10.5.7.1/24 --mtu=1450"\n';

t.test('who is believed', async t => {
  const table: readonly (readonly [
    name: string,
    text: string | undefined,
    known: Partial<SubnetWitnesses>,
    seen?: RegExp,
  ])[] = [
    ['the agent holds it', FILE, { held: [OWN] }],
    ['one of two agents holds it', FILE, { held: [OTHER, OWN] }],
    [
      'the agent holds another one, whatever it had in this boot',
      FILE,
      { held: [OTHER], saved: [{ subnet: OWN, bootId: 'b' }] },
      /says 10.5.7.0\/24, and this host has 10.5.8.0\/24/,
    ],
    ['no agent holds any, and one had it in this boot', FILE, { saved: [{ subnet: OWN, bootId: 'b' }] }],
    [
      'one had it in an earlier boot',
      FILE,
      { saved: [{ subnet: OWN, bootId: 'a' }] },
      /the subnet of an earlier boot/,
    ],
    ['one had it in a boot that nobody wrote down', FILE, { saved: [{ subnet: OWN }] }, /earlier boot/],
    [
      'two boots that nobody knows are not the same',
      FILE,
      { saved: [{ subnet: OWN }], bootId: undefined },
      /earlier boot/,
    ],
    [
      'one had another',
      FILE,
      { saved: [{ subnet: OTHER, bootId: 'b' }] },
      /no agent of this host has had last/,
    ],
    ['nobody knows anything', FILE, {}, /no agent of this host has had last/],
    ['no file', undefined, { held: [OWN] }, /^F is not there/],
    ['an empty file', '', { held: [OWN] }, /^F gives no --bip/],
    ['a file of nonsense', 'X="--bip=10.5.7.1"', { held: [OWN] }, /^F gives no --bip/],
  ];
  for (const [name, text, known, seen] of table) {
    const judgement = judgeDockerEnv('F', text, { held: [], saved: [], bootId: 'b', ...known });
    if (seen === undefined) t.same(judgement, { subnet: OWN }, name);
    else t.match(judgement, { seen }, name);
  }
});

t.test('the command asks the agents, then what they kept', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const [file, stateDir, runDir] = [
    join(directory, 'docker'),
    join(directory, 'state'),
    join(directory, 'run'),
  ];
  const check = () => run(t, ['--docker-env-file', file, '--state-dir', stateDir, '--run-dir', runDir]);
  t.match(await check(), {
    code: 1,
    err: /Docker must not start: .*docker is not there\n.*cause.*\n.*next .*systemctl start docker/,
  });
  writeFileSync(file, FILE);
  t.match(await check(), { code: 1 });
  mkdirSync(join(stateDir, 'net'), { recursive: true });
  const bootId = await readBootId();
  const save = async (state: object) =>
    writeSavedState(stateFileOf(join(stateDir, 'net')), state, writeFileAtomically);
  await save({ subnet: OWN, bootId: 'another' });
  t.match(await check(), { code: 1, err: /an earlier boot/ });
  await save({ subnet: OWN, bootId });
  t.match(await check(), { code: 0, err: '' });
  // An agent that answers knows better.
  const lease = { ...healthyStatus.lease!, subnet: '10.5.8.0/24' };
  const status: { document: StatusDocument } = { document: { ...healthyStatus, lease } };
  mkdirSync(runDir);
  const path = join(runDir, 'net.sock');
  const socket = await openControlSocket({ path, status: () => status.document, onError: () => undefined });
  t.teardown(async () => socket.close());
  t.match(await check(), { code: 1, err: /this host has 10.5.8.0\/24/ });
  status.document = { ...healthyStatus, lease: null };
  t.match(await check(), { code: 0, err: '' }, 'while it waits, what it had counts');
});

async function run(t: Test, words: readonly string[]) {
  const stderr = t.capture(process.stderr, 'write', () => true);
  await dockerCheckCommand().parseAsync(words, { from: 'user' });
  stderr.restore();
  const { exitCode: code } = process;
  process.exitCode = 0;
  return {
    code,
    err: stderr()
      .map(({ args }) => String(args[0]))
      .join(''),
  };
}

/** What only the built command can show: packages that are loaded when they are needed, and come out of a bundle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { SELVEDGE } from '../support/lab.js';

t.test('an agent’s log for people', async t => {
  const directory = t.testdir();
  const [program = '', ...before] = SELVEDGE;
  // There is no such interface, so that it ends before it has touched anything.
  const options = [
    '--log-format=pretty',
    '--iface=no-such-device',
    `--state-dir=${join(directory, 'state')}`,
  ];
  const child = spawn(program, [...before, 'agent', ...options, `--run-dir=${join(directory, 'run')}`], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const [written, ended] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  t.same(ended, [2, null]);
  t.match(written, /^\[\d{4}-\d\d-\d\d [\d:.]+\] INFO: selvedge \S+ starts/);
  t.match(written, /no interface matches --iface no-such-device/);
});

import { join } from 'node:path';
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { Commands } from '../../../src/demo/command.js';
import { waitFor } from '../../../src/demo/wait.js';

/** Its child has the pipes of its output, too. */
const ENDLESS = 'sleep 1000 & sleep 1000; true';

t.test('a command that is too late ends with all that it has started', async t => {
  const commands = new Commands(() => undefined);
  const result = await commands.run(['sh', '-c', ENDLESS], { timeoutSeconds: 0.2 });
  t.match(result, { code: 137 });
});

t.test('and so does one that runs when the lab is closed', async t => {
  const commands = new Commands(() => undefined);
  const file = join(t.testdir(), 'pid');
  const running = commands.run(['sh', '-c', `echo $$ > ${file}.new; mv ${file}.new ${file}; ${ENDLESS}`]);
  await waitFor({
    what: 'the command',
    deadlineSeconds: 60,
    read: () => existsSync(file),
    until: isThere => isThere,
  });
  await commands.close();
  t.match(await running, { code: 137 });
  const group = -Number(readFileSync(file, 'utf8'));
  await waitFor({
    what: 'its process group to be gone',
    deadlineSeconds: 60,
    read: () => {
      try {
        return process.kill(group, 0);
      } catch {
        return false;
      }
    },
    until: isThere => !isThere,
  });
  await t.rejects(commands.run(['true']), { name: 'LabClosedError' });
});

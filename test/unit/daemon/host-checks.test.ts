import { spawn } from 'node:child_process';
import { chmod, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  requireNoDirectory,
  requireNoFlanneld,
  requireWritableDirectory,
} from '../../../src/daemon/host-checks.js';

t.test('a directory is made if need be', async t => {
  const path = join(t.testdir(), 'var', 'lib', 'selvedge');
  await requireWritableDirectory(path, '--state-dir');
  await requireWritableDirectory(path, '--state-dir');
  t.ok((await stat(path)).isDirectory());
});

t.test('a directory that cannot be is named with its option', async t => {
  const path = join(t.testdir({ file: 'x' }), 'file', 'below');
  await t.rejects(requireWritableDirectory(path, '--run-dir'), {
    name: 'OperatorError',
    message: new RegExp(`^cannot write to ${path} \\(--run-dir\\): E(NOTDIR|EXIST)`),
  });
});

t.test('nothing can be made in /proc, whatever the permissions say', async t => {
  for (const path of ['/proc', '/proc/selvedge', '/proc/sys/selvedge/run']) {
    await t.rejects(requireWritableDirectory(path, '--run-dir'), {
      name: 'OperatorError',
      message: new RegExp(`^cannot write to ${path} \\(--run-dir\\): E`),
    });
  }
});

t.test('the trial of a directory leaves nothing behind', async t => {
  const path = t.testdir();
  await requireWritableDirectory(path, '--state-dir');
  t.same(await readdir(path), []);
});

t.test('a directory where a file should be is named with its option', async t => {
  const path = t.testdir({ file: '' });
  await t.rejects(requireNoDirectory(path, '--subnet-file'), {
    name: 'OperatorError',
    message: `${path} (--subnet-file) is a directory: name a file`,
  });
  await requireNoDirectory(join(path, 'file'), '--subnet-file');
  await requireNoDirectory(join(path, 'missing'), '--subnet-file');
});

/** Starts a process that the kernel calls by this name, in this network namespace; it ends with the test. */
async function startNamed(
  t: Test,
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  // For a script the name is that of the script. It waits for an input that never comes.
  const program = join(t.testdir({ [name]: '#!/bin/sh\nread line\n' }), name);
  await chmod(program, 0o755);
  const child = spawn(program, args, { env, stdio: ['pipe', 'ignore', 'ignore'] });
  const exited = new Promise(resolve => child.once('exit', resolve));
  t.teardown(async () => {
    child.stdin.end();
    await exited;
  });
  const comm = async () => (await readFile(`/proc/${child.pid!}/comm`, 'utf8')).trim();
  const deadline = Date.now() + 60_000;
  while ((await comm()) !== name && Date.now() < deadline)
    await new Promise(resolve => setTimeout(resolve, 2));
  return child.pid!;
}

t.test('a flanneld on our network is named, however it was told of the network', async t => {
  const cases: readonly (readonly [args: string[], env: NodeJS.ProcessEnv])[] = [
    [['--etcd-prefix=/unit-test/flanneld'], {}],
    [['-etcd-prefix', '/unit-test/flanneld', '-v', '1'], {}],
    [['--etcd-prefix=unit-test//flanneld/'], { FLANNELD_ETCD_PREFIX: '/other' }],
    [['--iface=eth0'], { FLANNELD_ETCD_PREFIX: '/unit-test/flanneld' }],
  ];
  for (const [args, env] of cases) {
    await t.test(JSON.stringify([args, env]), async t => {
      const pid = await startNamed(t, 'flanneld', args, env);
      await t.rejects(requireNoFlanneld('/unit-test/flanneld'), {
        name: 'OperatorError',
        message: new RegExp(`^flanneld \\(pid ${pid}\\) still runs on the network /unit-test/flanneld `),
      });
      await t.resolves(requireNoFlanneld('/unit-test/flanneld-2'), 'one of another network may run');
    });
  }
});

t.test('other programs with such arguments are no flanneld', async t => {
  await startNamed(t, 'flannel-exp', ['--etcd-prefix=/unit-test/exporter'], {});
  await t.resolves(requireNoFlanneld('/unit-test/exporter'));
});

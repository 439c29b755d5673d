/** A process that looks like a flanneld from outside: its name, its arguments, its network namespace. */
import { readFile, writeFile } from 'node:fs/promises';
import type { Test } from 'tap';
import type { Host } from '../../src/demo/host.js';
import { LoggedProcess } from '../../src/demo/process.js';
import { waitFor } from '../../src/demo/wait.js';

/** @returns its pid; it ends with the test */
export async function pretendFlanneld(t: Test, host: Host, etcdPrefix: string): Promise<number> {
  const started = await startFlanneld(host, etcdPrefix);
  t.teardown(() => started.stop('SIGKILL', 30));
  return started.pid;
}

/** The same, for whoever ends it. It is there when this returns: before, it is an `ip` in the namespace of the tests. */
export async function startFlanneld(host: Host, etcdPrefix: string): Promise<LoggedProcess> {
  const program = `${host.files.runDir}/flanneld`;
  await writeFile(program, '#!/bin/sh\nwhile :; do sleep 1; done\n', { mode: 0o755 });
  const argv = host.namespace.argv([program, `--etcd-prefix=${etcdPrefix}`]);
  const started = await LoggedProcess.start('flanneld', argv, `${host.files.runDir}/flanneld.log`);
  await waitFor({
    what: 'flanneld to be one by its name',
    read: () => readFile(`/proc/${started.pid}/comm`, 'utf8'),
    until: name => name === 'flanneld\n',
  });
  return started;
}

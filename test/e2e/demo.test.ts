/** The demo as a user runs it: it ends well, shows what it promises, and leaves nothing behind. */
import t, { type Test } from 'tap';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { waitFor } from '../../src/demo/wait.js';
import { SELVEDGE } from '../support/lab.js';

interface Demo {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  /** All that it has printed so far. */
  output(): string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

function startDemo(t: Test, ...args: readonly string[]): Demo {
  const [program = '', ...before] = SELVEDGE;
  const child = spawn(program, [...before, 'demo', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
    if (!t.passing()) t.comment(output);
  });
  return { child, output: () => output, ended };
}

/** What the demo called its namespaces and its directory. */
function namesOf(output: string): { id: string; directory: string } {
  const match = /network namespaces (sv-\w+)-\* and in (\S+)\./.exec(output);
  return { id: match?.[1] ?? '', directory: match?.[2] ?? '' };
}

/** The demo's namespaces; others on this machine are not ours to judge. */
async function namespacesOf(id: string): Promise<readonly string[]> {
  return (await readdir('/run/netns')).filter(name => name.startsWith(id));
}

async function leavesNothing(t: Test, output: string): Promise<void> {
  const { id, directory } = namesOf(output);
  t.match(id, /^sv-\w+$/, 'it says what its namespaces are called');
  t.same(await namespacesOf(id), [], 'its namespaces are gone');
  t.notOk(existsSync(directory), 'its directory is gone');
}

for (const backend of ['vxlan', 'host-gw']) {
  t.test(`--once with ${backend}: all pairs answer, nothing is left`, async t => {
    const demo = startDemo(t, '--once', '--backend', backend);
    t.equal(await demo.ended, 0, 'exit code');
    const output = demo.output();
    t.ok(output.includes('6 of 6 pairs answered.'), 'all pairs answer');
    t.ok(
      /^host3 +10\.5\.\d+\.0\/24 +1\d\d\d +\S+ +192\.168\.77\.3 /m.test(output),
      'the table has the third host',
    );
    t.ok(/^ {2}FLANNEL_SUBNET=10\.5\.\d+\.1\/24$/m.test(output), 'the env file is shown');
    t.notOk(output.includes('\u001b'), 'no colour codes in a pipe');
    await leavesNothing(t, output);
  });
}

for (const [moment, sign] of [
  ['before any host is there', 'All of it is in'],
  ['while agents start', 'host2 has 192.168.77.2'],
] as const) {
  t.test(`SIGINT ${moment} removes everything`, async t => {
    // Of so many that it is not done before the signal is there.
    const demo = startDemo(t, '--hosts', '12');
    await waitFor({
      what: `the demo to print "${sign}"`,
      intervalMs: 5,
      read: () => demo.output(),
      until: output => output.includes(sign),
    });
    demo.child.kill('SIGINT');
    t.equal(await demo.ended, 130, 'exit code');
    await leavesNothing(t, demo.output());
  });
}

t.test('Ctrl-C ends the waiting demo with success', async t => {
  const demo = startDemo(t, '--hosts', '2');
  await waitFor({
    what: 'the demo to wait',
    read: () => demo.output(),
    until: output => output.includes('Ctrl-C ends the demo') || demo.child.exitCode !== null,
  });
  t.not((await namespacesOf(namesOf(demo.output()).id)).length, 0, 'its namespaces are there while it waits');
  demo.child.kill('SIGINT');
  t.equal(await demo.ended, 0, 'exit code');
  await leavesNothing(t, demo.output());
});

t.test('SIGKILL cannot leave anything behind either', async t => {
  const demo = startDemo(t);
  await waitFor({
    what: 'the second host',
    intervalMs: 5,
    read: () => demo.output(),
    until: output => output.includes('host2 has 192.168.77.2'),
  });
  demo.child.kill('SIGKILL');
  await demo.ended;
  const { id, directory } = namesOf(demo.output());
  await waitFor({
    what: 'the janitor to finish',
    read: async () => ({ namespaces: await namespacesOf(id), directory: existsSync(directory) }),
    until: left => left.namespaces.length === 0 && !left.directory,
  });
  t.pass('namespaces and directory are gone');
});

t.test('a number of hosts out of range is refused', async t => {
  const demo = startDemo(t, '--hosts', '21');
  t.not(await demo.ended, 0, 'exit code');
});

/**
 * Runs a test file inside a network namespace of its own.
 *
 * A running Node process cannot change its namespace, so the file is run a second time, as a child of
 * `ip netns exec`; its TAP becomes a subtest. The namespace goes when the test ends, however it ends, and with it those
 * whose names begin with its name, which the test makes for other hosts.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { commandEnvironment } from '../../src/demo/command.js';
import { Janitor } from '../../src/demo/janitor.js';

const MARK = 'SELVEDGE_TEST_NAMESPACE';

/**
 * Runs `body` inside a fresh namespace where nothing is configured, its loopback down.
 * Where namespaces cannot be made the test is skipped, but fails when the environment says CI=true.
 * @param t the test object of the file
 * @param moduleUrl `import.meta.url` of the file, which must call this once and do nothing else
 */
export async function inNamespace(
  t: Test,
  moduleUrl: string,
  body: () => void | Promise<void>,
): Promise<void> {
  if (process.env[MARK] !== undefined) {
    await body();
    return;
  }
  const name = `selvedge-${process.pid}-${randomBytes(3).toString('hex')}`;
  // Works also when a signal ends us. It wants a directory to remove, and here there is none.
  const janitor = await Janitor.start(name, join(tmpdir(), name));
  try {
    const obstacle = addNamespace(name);
    if (obstacle !== undefined) {
      if (process.env.CI === 'true') t.fail(`needs a network namespace: ${obstacle}`);
      else t.pass(`needs a network namespace: ${obstacle}`, { skip: obstacle });
      return;
    }
    const command = ['netns', 'exec', name, process.execPath, ...process.execArgv, fileURLToPath(moduleUrl)];
    const env = { ...commandEnvironment(), [MARK]: name };
    await t.spawn('ip', command, { env }, `in namespace ${name}`);
  } finally {
    const complaints = await janitor.sweep();
    if (complaints !== '') t.fail(complaints);
  }
}

/** The namespace that `body` runs in. */
export function namespaceName(): string {
  const name = process.env[MARK];
  if (name === undefined) throw new Error('not inside a test namespace');
  return name;
}

/** Runs iproute2's `ip` in the present namespace, for what a test sets up by hand. @returns its output */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** @returns why it could not be made, or undefined */
function addNamespace(name: string): string | undefined {
  try {
    ip('netns', 'add', name);
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr ?? message).trim().split('\n', 1)[0];
  }
}

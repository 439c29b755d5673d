/** The count of tests that `npm test` ends with: every way in which a test file can end. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Parser } from 'tap-parser';

interface TestResult {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly path: readonly string[];
  readonly reason: string;
  readonly failures: readonly { readonly name: string }[];
}

interface TapFile {
  readonly runTapFile: (
    parser: typeof Parser,
    file: { name: string; program: string; timeoutSeconds: number; signal: AbortSignal },
  ) => Promise<{ readonly tests: readonly TestResult[]; readonly noise: string }>;
}

// A plain script without types, which runs before anything is installed.
const script = new URL('../../../../scripts/tap-file.mjs', import.meta.url).href;
const { runTapFile } = (await import(script)) as TapFile;

/** Runs a test file of this text; gives a line per test: outcome, path, and the reason or the failed assertions. */
async function outcomes(t: Test, body: string): Promise<readonly string[]> {
  const directory = t.testdir({ 'f.mjs': body });
  const { signal } = new AbortController();
  const file = { name: 'f', program: join(directory, 'f.mjs'), timeoutSeconds: 60, signal };
  const { tests } = await runTapFile(Parser, file);
  return tests.map(({ outcome, path, reason, failures }) =>
    [outcome, path.join(' > '), reason, ...failures.map(({ name }) => name)].filter(Boolean).join(' | '),
  );
}

const TAP = `import t from 'tap';\n`;
const cases: readonly (readonly [title: string, body: string, expected: readonly string[]])[] = [
  [
    'blocks with assertions count, groups do not',
    `t.test('group', async t => { t.test('a', async t => t.ok(1)); t.test('b', async t => { t.ok(1); t.ok(1); }); });`,
    ['passed | f > group > a', 'passed | f > group > b'],
  ],
  [
    'a block with assertions and blocks inside counts for its own',
    `t.test('both', async t => { t.ok(1, 'own'); await t.test('inner', async t => t.ok(0, 'bad')); });`,
    ['failed | f > both > inner | bad', 'passed | f > both'],
  ],
  ['assertions of the file itself', `t.ok(1); t.ok(0, 'one'); t.ok(0, 'two');`, ['failed | f | one | two']],
  ['an empty block', `t.test('empty', async () => {});`, ['passed | f > empty']],
  [
    'skipped blocks',
    `t.test('a', { skip: 'not here' }, async () => {}); t.test('b', async t => t.plan(0, 'nor there'));`,
    ['skipped | f > a | not here', 'skipped | f > b | nor there'],
  ],
  ['a skipped file', `t.plan(0, 'needs root');`, ['skipped | f | needs root']],
  ['a file without tests', '', ['failed | f | the file holds no test']],
  ['a thrown error', `t.test('x', async () => { throw new Error('boom'); });`, ['failed | f > x | boom']],
  [
    'more assertions than planned; tap reports that in the file too',
    `t.test('x', async t => { t.plan(1); t.ok(1); t.ok(1, 'extra'); });`,
    ['failed | f > x | failed outside of its assertions', 'failed | f | test assertion count exceeds plan'],
  ],
  [
    'a process that is killed, also after a failure',
    `t.test('a', async t => t.ok(0, 'bad'));
     t.test('b', async t => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); });`,
    ['failed | f > a | bad', 'failed | f | ended by SIGKILL'],
  ],
  [
    'a time-out',
    `t.test('a', async t => t.ok(1));
     t.test('hangs', { timeout: 100 }, async t => { await new Promise(() => setInterval(() => {}, 50).unref()); });`,
    ['passed | f > a', 'failed | f > hangs | test unfinished'],
  ],
  [
    'an exit code without a failure',
    `t.test('a', async t => t.ok(1)); process.exitCode = 3;`,
    ['passed | f > a', 'failed | f | exit code 3'],
  ],
];

for (const [title, body, expected] of cases) {
  t.test(title, async t => t.same(await outcomes(t, TAP + body), expected));
}

t.test('a file that does not load', async t => {
  t.same(await outcomes(t, `import './absent.mjs';`), ['failed | f | exit code 1']);
});

t.test('what a file prints apart from TAP is kept, and its comments', async t => {
  const directory = t.testdir({
    'f.mjs': `${TAP} console.error('to stderr'); t.test('x', async t => { t.ok(1); t.comment('said'); });`,
  });
  const { signal } = new AbortController();
  const result = await runTapFile(Parser, {
    ...{ name: 'f', program: join(directory, 'f.mjs') },
    ...{ timeoutSeconds: 60, signal },
  });
  t.match(result.noise.split('\n').sort(), ['', 'said', 'to stderr']);
});

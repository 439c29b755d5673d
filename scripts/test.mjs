/** `npm test`: sets up what is missing, builds, runs the tests, and reports. See USAGE. */
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePrograms } from './debian.mjs';
import { build, compile, ensureNpmPackages, main, ROOT, say, SetupError } from './setup.mjs';
import { runTapFile } from './tap-file.mjs';
import { formatCounts, formatFile, formatProblems } from './test-report.mjs';
import { runTogether } from './together.mjs';

/**
 * The kinds of tests, in the order in which they begin: a directory of test/ each. `load` is the part of a core that a
 * file keeps busy, in percent, as measured with two at once: with more load than there is room for nothing ends sooner,
 * and what waits for a core runs into its deadlines. `timeoutSeconds` leaves room for a machine several times slower
 * than the one on which a file takes its time.
 */
const KINDS = {
  unit: { programs: [], root: false, load: 100, timeoutSeconds: 180 },
  e2e: {
    programs: [
      ...['ip', 'bridge', 'ping', 'etcd', 'etcdctl', 'promtool'],
      ...['systemd-analyze', 'systemd-nspawn', 'nft', 'iptables-legacy', 'dockerd', 'busybox'],
      'chromium-headless-shell',
    ],
    root: true,
    load: 60,
    timeoutSeconds: 600,
  },
  etcd: { programs: ['etcd', 'etcdctl'], root: false, load: 40, timeoutSeconds: 300 },
  netns: {
    programs: ['ip', 'bridge', 'ping', 'etcd', 'etcdctl', 'ethtool', 'nft', 'iptables-legacy'],
    root: true,
    load: 65,
    timeoutSeconds: 300,
  },
};
/** Of two cores, which is what the time-outs are made for. */
const CAPACITY = 200;

const USAGE = `
npm test [-- [--only KIND]... [FILTER...]]

  --only KIND   ${Object.keys(KINDS).join(', ')}; may be given several times
  FILTER        run only files whose path contains this text

Installs what is missing (npm packages; for all kinds but unit: Debian packages), compiles, runs the tests. Kinds that
cannot run here (no root, a program missing) are skipped and say why; with CI=true a skipped test of a kind that needs
more than Node is a failure. A test is a block (a file, or a t.test in it) that has assertions of its own.
Exit code: 0 when no test failed and one ran, 1 otherwise, 2 when the set-up failed.
`.trim();

await main(async () => {
  const { kinds, filters, help } = readArguments();
  if (help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  await ensureNpmPackages();
  say('Compiling …');
  const results = await compileAll();
  const { Parser } = await import('tap-parser');
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => interrupt.abort(signal));

  const files = [];
  for (const kind of kinds) {
    const names = findTests(kind, filters);
    const obstacle = names.length === 0 ? undefined : await findObstacle(KINDS[kind]);
    files.push(...names.map(name => ({ ...KINDS[kind], kind, name, obstacle })));
  }
  await runTogether(files, CAPACITY, async ({ kind, name, obstacle, timeoutSeconds }) => {
    if (interrupt.signal.aborted) return;
    const program = builtFile(name);
    const result =
      obstacle === undefined
        ? await runTapFile(Parser, { name, program, timeoutSeconds, signal: interrupt.signal })
        : skippedFile(name, obstacle);
    results.push(kind === 'unit' ? result : failSkippedInCi(result));
    process.stdout.write(`${formatFile(name, results.at(-1))}\n`);
  });
  return report(results, interrupt.signal);
});

function readArguments() {
  const options = {
    only: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h' },
  };
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const unknown = values.only.find(kind => !(kind in KINDS));
    if (unknown !== undefined)
      throw new Error(`--only ${unknown}: not one of ${Object.keys(KINDS).join(', ')}`);
    const kinds = Object.keys(KINDS).filter(kind => values.only.length === 0 || values.only.includes(kind));
    return { kinds, filters: positionals, help: values.help };
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
}

/** Compiles the command and the tests, at once; what fails is counted, and what could be compiled is still tested. */
async function compileAll() {
  const steps = { 'the build': build, 'the tests': () => compile('tsconfig.test.json') };
  const results = await Promise.all(
    Object.entries(steps).map(async ([name, step]) => ({ name, complaints: await step() })),
  );
  return results.flatMap(({ name, complaints }) => {
    if (complaints === '') return [];
    const failures = [{ name: `compiling ${name}`, diag: complaints }];
    return [{ tests: [{ outcome: 'failed', path: [name], reason: '', failures }], noise: '', seconds: 0 }];
  });
}

/** Test files by their sources, so that what was compiled of a deleted one does not run. */
function findTests(kind, filters) {
  const directory = join(ROOT, 'test', kind);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true })
    .filter(file => file.endsWith('.test.ts'))
    .map(file => relative(ROOT, join(directory, file)))
    .filter(file => filters.length === 0 || filters.some(filter => file.includes(filter)))
    .sort();
}

function builtFile(name) {
  return join(ROOT, '.build', name.replace(/\.ts$/, '.js'));
}

/** Installs what a kind of tests needs. @returns why it cannot run here, or undefined */
async function findObstacle({ programs, root }) {
  if (root && process.getuid() !== 0) return 'needs root';
  return ensurePrograms(programs);
}

function skippedFile(name, reason) {
  return { tests: [{ outcome: 'skipped', path: [name], reason, failures: [] }], noise: '', seconds: 0 };
}

function failSkippedInCi(result) {
  if (process.env.CI !== 'true') return result;
  const tests = result.tests.map(test => {
    if (test.outcome !== 'skipped') return test;
    return { ...test, outcome: 'failed', failures: [{ name: `skipped with CI=true: ${test.reason}` }] };
  });
  return { ...result, tests };
}

/** Prints the failures in full and, as the last line, the counts. @returns the exit code */
function report(results, interrupted) {
  const tests = results.flatMap(result => result.tests);
  for (const line of formatProblems(results)) process.stdout.write(`${line}\n`);
  if (interrupted.aborted) say(`Interrupted by ${interrupted.reason}.`);
  const ran = tests.some(test => test.outcome !== 'skipped');
  if (!ran) say('No test ran.');
  process.stdout.write(`${formatCounts(tests)}\n`);
  const failed = tests.some(test => test.outcome === 'failed');
  return failed || !ran || interrupted.aborted ? 1 : 0;
}

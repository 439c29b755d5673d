/**
 * Runs one test file and counts its tests.
 *
 * Files are run by Node and not by the `tap` command: when a file times out, that one drops others from its report, and
 * here every file has to be accounted for.
 *
 * What counts as one test: a block (a file, or a `t.test` in it) that has assertions of its own. It passes when all of
 * these hold. A block that only groups others does not count; an empty one, one that was skipped, and a failure
 * outside of all assertions (a wrong plan, a crash, a time-out) do.
 */
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';

/**
 * @typedef {object} TestResult
 * @property {'passed' | 'failed' | 'skipped'} outcome
 * @property {readonly string[]} path the file, then the names of the blocks
 * @property {string} reason why it was skipped
 * @property {readonly {name: string, diag: unknown}[]} failures assertions that do not hold
 *
 * @typedef {object} FileResult
 * @property {readonly TestResult[]} tests
 * @property {string} noise what the file printed apart from TAP
 * @property {number} seconds
 */

/** After the time-out tap names the test that hung, and ends the process 10 s later; we end it if tap cannot. */
const GRACE_SECONDS = 15;
/** The parser's own reason for an output without any test, which is no wish to skip. */
const NO_TESTS = 'no tests found';
/** Comments that tap makes; all others are a test's `t.comment`. */
const TAPS_OWN_COMMENT = /^# (Subtest: |time=|\{ total: |test count|failed \d+ of|No coverage)/;
/** Time for a test file to clean up when we are interrupted. */
const FAREWELL_SECONDS = 10;

/**
 * @param {typeof import('tap-parser').Parser} Parser
 * @param {{name: string, program: string, timeoutSeconds: number, signal: AbortSignal}} file
 * @returns {Promise<FileResult>}
 */
export function runTapFile(Parser, { name, program, timeoutSeconds, signal }) {
  const began = performance.now();
  const collector = collectTests(Parser, name);
  const child = spawn(process.execPath, ['--enable-source-maps', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(timeoutSeconds) },
    // A group of its own, so that what hangs can be ended with everything it has started.
    detached: true,
  });
  const kill = () => killGroup(child.pid);
  let hung = false;
  const guard = setTimeout(
    () => {
      hung = true;
      kill();
    },
    (timeoutSeconds + GRACE_SECONDS) * 1000,
  );
  const interrupt = () => {
    child.kill('SIGTERM');
    setTimeout(kill, FAREWELL_SECONDS * 1000).unref();
  };
  signal.addEventListener('abort', interrupt, { once: true });

  let noise = '';
  child.stdout.setEncoding('utf8').on('data', text => collector.parser.write(text));
  child.stderr.setEncoding('utf8').on('data', text => (noise += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, exitSignal) => {
      clearTimeout(guard);
      signal.removeEventListener('abort', interrupt);
      // What the file left running would keep our pipes open.
      kill();
      setTimeout(() => [child.stdout, child.stderr].forEach(stream => stream.destroy()), 2000).unref();
      child.on('close', () => {
        const end = hung
          ? { fault: `no end after ${timeoutSeconds + GRACE_SECONDS} s`, cutOff: true }
          : describeEnd(code, exitSignal);
        const { tests, extra } = collector.finish(end);
        resolve({ tests, noise: noise + extra, seconds: (performance.now() - began) / 1000 });
      });
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/**
 * @returns {{fault: string, cutOff: boolean}} `fault` is empty when all is well; `cutOff` when there may be tests that
 *   never ran. After a time-out tap ends its process by SIGALRM, having reported the test that hung.
 */
function describeEnd(code, signal) {
  if (signal !== null) return { fault: `ended by ${signal}`, cutOff: signal !== 'SIGALRM' };
  return { fault: code === 0 ? '' : `exit code ${code}`, cutOff: false };
}

/** Listens to a parser of tap's output; `finish` gives the tests. */
function collectTests(Parser, fileName) {
  /** @type {TestResult[]} */
  const tests = [];
  const add = (outcome, path, { reason = '', failures = [] } = {}) =>
    tests.push({ outcome, path, reason, failures });

  function watch(parser, path) {
    const block = {
      path,
      asserts: 0,
      blocks: 0,
      failures: [],
      failedInside: false,
      fault: '',
      skipReason: '',
    };
    let inner;
    parser.on('child', child => {
      // A subtest's name stands in the comment before it, which is the child's name.
      inner = watch(child, [...path, child.name]);
    });
    parser.on('assert', result => {
      const skipped = result.skip || result.todo;
      if (inner !== undefined) {
        const closed = inner;
        inner = undefined;
        block.blocks++;
        if (skipped) return add('skipped', closed.path, { reason: reasonOf(result) });
        close(closed, result.ok ? '' : 'failed outside of its assertions');
        if (!result.ok) block.failedInside = true;
      } else if (skipped) {
        block.blocks++;
        add('skipped', [...path, result.name], { reason: reasonOf(result) });
      } else {
        block.asserts++;
        if (!result.ok) block.failures.push({ name: result.name, diag: result.diag });
      }
    });
    parser.on('comment', text => {
      if (!TAPS_OWN_COMMENT.test(text)) extra += text.replace(/^# ?/, '');
    });
    // Without a closing line the block was cut off; the parser makes one up for all but the file.
    parser.on('complete', results => {
      block.fault = results.failures.map(({ tapError }) => tapError).find(Boolean) ?? '';
      if (results.plan.skipReason !== NO_TESTS) block.skipReason = results.plan.skipReason;
    });
    return block;
  }

  function close(block, fault) {
    const failures = [...block.failures];
    if (fault !== '' && failures.length === 0 && !block.failedInside) {
      failures.push({ name: block.fault || fault, diag: undefined });
    }
    if (failures.length > 0) add('failed', block.path, { failures });
    else if (block.asserts > 0 || block.blocks === 0) add('passed', block.path);
  }

  let extra = '';
  const parser = new Parser();
  const file = watch(parser, [fileName]);
  parser.on('extra', text => (extra += text));

  return {
    parser,
    finish({ fault, cutOff }) {
      parser.end();
      const silent = file.asserts === 0 && file.blocks === 0;
      if (cutOff) add('failed', file.path, { failures: [{ name: fault, diag: undefined }] });
      else if (fault === '' && silent && file.skipReason)
        add('skipped', file.path, { reason: file.skipReason });
      else close(file, fault || (silent ? 'the file holds no test' : file.fault));
      return { tests, extra };
    },
  };
}

function reasonOf({ skip, todo }) {
  const reason = skip || todo;
  return typeof reason === 'string' ? reason : todo ? 'to do' : 'no reason given';
}

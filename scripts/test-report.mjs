/** What the test run prints, as lines of text. Pure. */

/** Longest part of a failing file's own output that is repeated. */
const NOISE_LINES = 200;
const RULE = '-'.repeat(100);

/** The line for a file that has ended. */
export function formatFile(name, { tests, seconds }) {
  const failed = tests.some(({ outcome }) => outcome === 'failed');
  const skipped = tests.every(({ outcome }) => outcome === 'skipped');
  const verdict = failed ? 'FAILED ' : skipped ? 'skipped' : 'passed ';
  return `${verdict}  ${name}  (${formatCounts(tests)}; ${seconds.toFixed(1)} s)`;
}

/** `N passed, N failed, N skipped` */
export function formatCounts(tests) {
  const count = wanted => tests.filter(({ outcome }) => outcome === wanted).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}

/** Skipped tests with their reasons, then everything about the failed ones. */
export function formatProblems(results) {
  const tests = results.flatMap(result => result.tests);
  const skipped = tests
    .filter(({ outcome }) => outcome === 'skipped')
    .map(({ path, reason }) => `skipped: ${path.join(' > ')}: ${reason}`);
  const failed = results.filter(result => result.tests.some(({ outcome }) => outcome === 'failed'));
  return ['', ...skipped, ...failed.flatMap(formatFailedFile)];
}

function formatFailedFile({ tests, noise }) {
  const failed = tests.filter(({ outcome }) => outcome === 'failed');
  const lines = failed.flatMap(({ path, failures }) => [
    RULE,
    `FAILED: ${path.join(' > ')}`,
    ...failures.flatMap(({ name, diag }) => [`  ${name}`, ...indent(formatDiagnostics(diag), 4)]),
  ]);
  const printed = noise.trimEnd().split('\n').filter(Boolean).slice(-NOISE_LINES);
  const heading = printed.length === 0 ? [] : ['  The file also printed (its end):'];
  return [...lines, ...heading, ...printed.map(line => `    ${line}`), RULE];
}

/** tap's diagnostics: an object of texts, numbers and objects; the texts with several lines as they are. */
function formatDiagnostics(diag) {
  if (diag === undefined || diag === null) return [];
  if (typeof diag === 'string') return diag.split('\n');
  return Object.entries(diag).flatMap(([key, value]) => {
    const text = typeof value === 'string' ? value.trimEnd() : formatValue(key, value);
    const lines = text.split('\n');
    return lines.length === 1 ? [`${key}: ${text}`] : [`${key}:`, ...indent(lines, 2)];
  });
}

function formatValue(key, value) {
  if (key === 'at' && value?.fileName) return `${value.fileName}:${value.lineNumber}:${value.columnNumber}`;
  return JSON.stringify(value, null, 2);
}

function indent(lines, width) {
  return lines.map(line => `${' '.repeat(width)}${line}`);
}

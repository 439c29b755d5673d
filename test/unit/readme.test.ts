/** The README explains every code that status shows. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PROBLEM_CODES } from '../../src/daemon/problems.js';
import { SET_ASIDE_CODES } from '../../src/subnet/peers.js';
import { OPTION_ROWS } from '../../src/daemon/options-table.js';

const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');

/** Codes in the first column of the table under this heading. */
function codesInTable(heading: string): string[] {
  const table = readme.slice(readme.indexOf(heading)).split('\n\n', 1)[0]!;
  const cells = table.split('\n').map(line => line.split('|')[1] ?? '');
  return cells.flatMap(cell => [...cell.matchAll(/`([a-z-]+)`/g)].map(match => match[1]!));
}

t.test('problem codes', async t => {
  t.same(codesInTable('| code | what it means |').sort(), [...PROBLEM_CODES].sort());
});

t.test('reasons to set a lease aside', async t => {
  t.same(codesInTable('| code | the lease |').sort(), [...SET_ASIDE_CODES].sort());
});

t.test('options that the README names exist', async t => {
  const known = new Set<string>([...OPTION_ROWS].map(([name]) => name));
  const named = [...readme.matchAll(/`--([a-z-]+)`/g)].map(match => match[1]!);
  const ofOthers = new Set(['brief', 'watch', 'wait', 'dry-run', 'force']);
  t.same(
    named.filter(name => !known.has(name) && !ofOthers.has(name)),
    [],
  );
});

/** The README and the pages explain every code that status and doctor show. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PROBLEM_CODES } from '../../src/daemon/problems.js';
import { DOCTOR_CODES, FINDING_CODES } from '../../src/doctor/codes.js';
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

t.test('codes of the doctor', async t => {
  t.same(codesInTable('| code | what the doctor found |').sort(), [...DOCTOR_CODES].sort());
  t.equal(new Set(FINDING_CODES).size, FINDING_CODES.length, 'no code stands for two things');
});

t.test('a page for each code', async t => {
  const pages = new URL('../../../docs/problems/', import.meta.url);
  t.same(readdirSync(pages).sort(), FINDING_CODES.map(code => `${code}.md`).sort());
  for (const code of FINDING_CODES) {
    const page = readFileSync(new URL(`${code}.md`, pages), 'utf8');
    const headings = page.split('\n').filter(line => line.startsWith('#'));
    t.same(headings, [`# ${code}`, '## Seen', '## Causes', '## Cure', '## Check'], code);
    const named = [...page.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(match => match[1]!);
    const isKnown = (name: string) =>
      (FINDING_CODES as readonly string[]).includes(name) || name === 'host-gw';
    t.same(
      named.filter(name => !isKnown(name)),
      [],
      `${code} names codes that exist`,
    );
  }
});

t.test('reasons to set a lease aside', async t => {
  t.same(codesInTable('| code | the lease |').sort(), [...SET_ASIDE_CODES].sort());
});

t.test('options that the README names exist', async t => {
  const known = new Set<string>([...OPTION_ROWS].map(([name]) => name));
  const named = [...readme.matchAll(/`--([a-z-]+)`/g)].map(match => match[1]!);
  const ofOthers = new Set(['brief', 'all', 'watch', 'wait', 'dry-run', 'force', 'fix', 'output']);
  t.same(
    named.filter(name => !known.has(name) && !ofOthers.has(name)),
    [],
  );
});

/** Imports go one way: each room of src/ knows only those below it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A room, and what its files may import besides each other. The first room that a path lies in is its own. */
const ROOMS: readonly (readonly [room: string, mayImport: readonly string[]])[] = [
  ['src/address', []],
  ['src/schema', ['src/address']],
  ['src/libc', []],
  ['src/dataplane/netlink', ['src/libc']],
  ['src/dataplane', ['src/address', 'src/dataplane/netlink']],
  ['src/subnet', ['src/address', 'src/schema']],
  ['src/backends', ['src/address', 'src/schema', 'src/dataplane/model', 'src/subnet/lease']],
  ['src/probe', ['src/address']],
  [
    'src/daemon',
    [
      'src/address',
      'src/schema',
      'src/libc',
      'src/dataplane',
      'src/subnet',
      'src/backends',
      'src/probe',
      'src/report',
    ],
  ],
  ['src/report', ['src/daemon/status', 'src/daemon/duration']],
  ['src/page', ['src/report', 'src/daemon/status', 'src/daemon/duration']],
  ['src/doctor', ['src/address', 'src/schema', 'src/dataplane', 'src/subnet', 'src/backends', 'src/daemon']],
  ['src/support', ['src/daemon', 'src/dataplane']],
  ['src/cli', ['src']],
  ['src/demo', ['src']],
];

interface Import {
  readonly from: string;
  readonly to: string;
}

const liesIn = (path: string, place: string) => path === place || path.startsWith(`${place}/`);

/** What is wrong with an import, or undefined; both paths without their ending. */
function judge({ from, to }: Import): string | undefined {
  const room = ROOMS.find(([place]) => liesIn(from, place));
  if (room === undefined) return `${from} lies in no room: say in this test what it may import`;
  const [own, others] = room;
  const isFine = [own, ...others].some(place => liesIn(to, place));
  return isFine ? undefined : `${from} imports ${to}: ${own} may import only ${[own, ...others].join(', ')}`;
}

function sourceFiles(): string[] {
  const entries = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The imports of other source files, dynamic ones and those of types too. */
function importsOf(file: string): Import[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(ROOT, file), 'utf8'), true, true);
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter(name => name.startsWith('.'))
    .map(name => ({ from: withoutEnding(file), to: withoutEnding(posix.join(dirname(file), name)) }));
}

/** The text without `import type` and `export type … from`. To transpile it for that would take six times as long. */
function withoutTypeImports(text: string): string {
  const { statements } = ts.createSourceFile('file.ts', text, ts.ScriptTarget.ES2022);
  return statements
    .filter(each => !isOfTypes(each))
    .map(({ pos, end }) => text.slice(pos, end))
    .join('');
}

function isOfTypes(statement: ts.Statement): boolean {
  if (ts.isImportDeclaration(statement))
    return statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  return ts.isExportDeclaration(statement) && statement.isTypeOnly;
}

const withoutEnding = (path: string) => path.replace(/\.[jt]s$/, '');

t.test('no import goes against the grain', async t => {
  const imports = sourceFiles().flatMap(importsOf);
  t.ok(imports.length > 100, 'the imports are found');
  t.strictSame(
    imports.map(judge).filter(fault => fault !== undefined),
    [],
  );
});

t.test('no two files import each other, directly or in a circle', async t => {
  const targets = new Map<string, string[]>();
  for (const file of sourceFiles()) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    // Circles of types alone do no harm: they are gone when the program runs.
    const names = ts
      .preProcessFile(withoutTypeImports(text), true, true)
      .importedFiles.map(({ fileName }) => fileName);
    targets.set(
      withoutEnding(file),
      names.filter(name => name.startsWith('.')).map(name => withoutEnding(posix.join(dirname(file), name))),
    );
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file) || path.includes(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  t.strictSame(circles, []);
});

t.test('the rule itself', async t => {
  const broken: readonly (readonly [from: string, to: string])[] = [
    ['src/address/ip', 'src/schema/fields'],
    ['src/dataplane/netlink/socket', 'src/address/ip'],
    ['src/dataplane/reconciler', 'src/subnet/lease'],
    ['src/subnet/peers', 'src/backends/backend'],
    ['src/backends/vxlan', 'src/dataplane/reconciler'],
    ['src/backends/vxlan', 'src/subnet/lease-more'],
    ['src/probe/peer-monitor', 'src/subnet/lease'],
    ['src/daemon/run', 'src/cli/main'],
    ['src/other/file', 'src/address/ip'],
  ];
  for (const [from, to] of broken) t.match(judge({ from, to }), from, `${from} -> ${to}`);
  t.equal(judge({ from: 'src/backends/vxlan', to: 'src/dataplane/model' }), undefined);
  t.equal(judge({ from: 'src/cli/main', to: 'src/demo/lab' }), undefined);
});

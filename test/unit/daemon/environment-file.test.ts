/** Files of variables, and words of a command line, as systemd 252 reads them. */
import t from 'tap';
import { parseEnvironmentFile, splitWords } from '../../../src/daemon/environment-file.js';

// The answers are those of its own reader: 30-systemd-environment-d-generator on the same lines.
t.test('every line says what it says to systemd', async t => {
  const values: readonly (readonly [text: string, value: string])[] = [
    ['A=plain # tail', 'plain # tail'],
    ['A="dq # in" # tail', 'dq # in# tail'],
    ['A=abc#def', 'abc#def'],
    [String.raw`A='single \n x'`, String.raw`single \n x`],
    [String.raw`A="a\"b\\c\.e\$f"`, String.raw`a"b\c\.e$f`],
    [String.raw`A=a\ b\\c\.d`, String.raw`a b\c.d`],
    ['A="--iface=eth1 \\\n --ip-masq"', '--iface=eth1  --ip-masq'],
    ['A=--x=1 \\\n --y=2', '--x=1  --y=2'],
    ['A="one\ntwo"', 'one\ntwo'],
    [`A="a"'b'c`, 'abc'],
    [`A=a"b"'c'`, `a"b"'c'`],
    ['A = spaced  ', 'spaced'],
    ['A=x\\ \\', 'x '],
    ['A=" x "', ' x '],
    ['A="unterminated\n', 'unterminated\n'],
    ['A=1\nA=\n', ''],
    ['A=end', 'end'],
    ['A=cr\r\n', 'cr'],
    ['#A=2\n;A=3\n  # A=4\nnothing\nA=1\n', '1'],
  ];
  for (const [text, value] of values) t.same([...parseEnvironmentFile(text).variables], [['A', value]], text);
  t.same(parseEnvironmentFile('export A=1\n=\n\nB=2'), {
    variables: new Map([['B', '2']]),
    ignored: ['export A'],
  });
});

t.test('words', async t => {
  const rows: readonly (readonly [text: string, ...words: string[]])[] = [
    [''],
    ['  \t '],
    [` --iface=eth1  --r="a b" 'c d'`, '--iface=eth1', '--r=a b', 'c d'],
    [String.raw`a\ b "c\\.d" 'e\\.f' \\.g`, 'a b', String.raw`c\.d`, String.raw`e\.f`, String.raw`\.g`],
    [`x 'unbalanced y z`, 'x', 'unbalanced y z'],
    ['x "" y', 'x', '', 'y'],
    [`a 'b'"c d"e\nf`, 'a', 'bc de', 'f'],
    ['end\\', 'end'],
  ];
  for (const [text, ...words] of rows) t.same(splitWords(text), words, text);
});

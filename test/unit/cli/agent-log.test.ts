/** The agent's log as people and as machines read it, in a process of its own: what counts is what was written at its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { prettyFormat } from '../../../src/cli/agent-log.js';
import { hasColour } from '../../../src/cli/terminal.js';

const MODULE = new URL('../../../src/cli/agent-log.js', import.meta.url).href;

const WRITE_AND_END = `
  const { openLog } = await import('${MODULE}');
  const log = await openLog({ instance: 'net', logLevel: 'info', logFormat: process.argv[1] });
  log.debug('not this');
  log.info({ peers: 2 }, 'peers known: 2');
  log.warn({ err: new Error('first\\nsecond') }, 'lease \\u001b[2J set aside');
  process.exit(3);
`;

async function run(format: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITE_AND_END, format], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const [written, ended] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { lines: written.trimEnd().split('\n'), code: ended[0] as number };
}

t.test('JSON: a line each, all of them before the end', async t => {
  const { lines, code } = await run('json');
  t.equal(code, 3);
  const [first, second] = lines.map(line => JSON.parse(line) as object);
  t.match(first, { level: 30, instance: 'net', peers: 2, msg: 'peers known: 2', time: /^\d{4}-.*Z$/ });
  t.match(second, { level: 40, msg: 'lease \u001b[2J set aside', err: { message: 'first\nsecond' } });
  t.equal(lines.length, 2);
});

t.test('pretty, into a pipe: text without colours, and nothing that acts on a terminal', async t => {
  const { lines, code } = await run('pretty');
  t.equal(code, 3);
  t.match(lines[0], /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] INFO: peers known: 2 \{"peers":2\}$/);
  t.match(lines[1], /\] WARN: lease \\x1b\[2J set aside ?$/);
  t.match(lines.slice(2).join('\n'), /Error: first\s+second\s+at /, 'a stack keeps its lines');
  t.notMatch(lines.join(''), '\u001b');
});

t.test('a reader that has gone ends no agent', async t => {
  const program = `${WRITE_AND_END.replace('process.exit(3);', '')}
    for (let i = 0; i < 1000; i++) log.info('x'.repeat(1000));
    process.exit(3);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, 'pretty'], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  child.stderr.destroy();
  t.strictSame(await once(child, 'exit'), [3, null]);
});

t.test('colours are for terminals, and for nobody who does not want them', async t => {
  t.equal(hasColour({ isTTY: true }, {}), true);
  t.equal(hasColour({ isTTY: true }, { NO_COLOR: '' }), true);
  t.equal(hasColour({ isTTY: true }, { NO_COLOR: '1' }), false);
  t.equal(hasColour({ isTTY: true }, { TERM: 'dumb' }), false);
  t.equal(hasColour({}, {}), false);
  const line = JSON.stringify({ level: 40, time: '2026-01-31T08:15:00.123Z', msg: 'etcd is away' });
  t.match((await prettyFormat(true))(line), '\u001b[33mWARN\u001b[39m');
  t.notMatch((await prettyFormat(false))(line), '\u001b');
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { VERSION } from '../../../src/daemon/version.js';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

const selvedge = (...words: string[]) => selvedgeWith({}, ...words);

async function selvedgeWith(variables: NodeJS.ProcessEnv, ...words: string[]) {
  const env = { ...process.env, ...variables };
  const child = spawn(process.execPath, [MAIN, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const written = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (written.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (written.err += chunk.toString()));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { ...written, exitCode };
}

t.jobs = 2;

t.test('version and help go to standard output and are no fault', async t => {
  t.match(await selvedge('version'), { out: `selvedge ${VERSION} (node v`, err: '', exitCode: 0 });
  t.same(await selvedge('--version'), { out: `${VERSION}\n`, err: '', exitCode: 0 });
  for (const words of [
    ['--help'],
    ['help'],
    ['status', '--help'],
    ['help', 'status'],
    ['agent', '-help'],
    ['version', '--help'],
    ['leases', '--help'],
    ['leases', 'reserve', '--help'],
  ]) {
    const { out, err, exitCode } = await selvedge(...words);
    t.match(out, /^Usage: selvedge/, words.join(' '));
    t.match(out, /\nExamples?:\n {2}selvedge /);
    t.same([err, exitCode], ['', 0]);
  }
});

t.test('a command line that makes no sense is 64', async t => {
  t.match(await selvedge(), { out: '', err: /^Usage: selvedge/, exitCode: 64 });
  t.match(await selvedge('statsu'), {
    out: '',
    err: /unknown command 'statsu'\n\(Did you mean status\?\)/,
    exitCode: 64,
  });
  t.match(await selvedge('status', '--bogus'), { err: /unknown option '--bogus'\n.*--help/, exitCode: 64 });
  t.match(await selvedge('status', '-o', 'xml'), {
    err: /Allowed choices are plain, wide, json/,
    exitCode: 64,
  });
  for (const words of [
    ['bogus'],
    ['release'],
    ['release', '10.5.7'],
    ['reserve', '10.5.7.0/24'],
    ['-o', 'xml'],
  ]) {
    t.match(await selvedge('leases', ...words), { out: '', err: /^error: .*\n.*--help/, exitCode: 64 });
  }
  t.match(await selvedge('status', 'stray'), { err: /too many arguments/, exitCode: 64 });
});

t.test("the agent's wrong options are a wrong command line, too", async t => {
  const { out, err, exitCode } = await selvedge('agent', '-ifce=eth1', '--public-ip', 'x');
  t.same([out, exitCode], ['', 64]);
  t.match(
    err,
    'selvedge agent: -ifce: unknown option\nselvedge agent: --public-ip: "x" must be an IPv4 address\n',
  );
});

t.test('what is wrong in a variable alone is 2, in every command that reads it', async t => {
  const wrong = { SELVEDGE_ETCD_PREFIX: '//' };
  for (const command of ['agent', 'plan', 'leases', 'docker-check', 'cleanup']) {
    const inVariable = { out: '', err: /SELVEDGE_ETCD_PREFIX: "\/\/" must/, exitCode: 2 };
    t.match(await selvedgeWith(wrong, command), inVariable, command);
    const typed = { out: '', err: /--etcd-prefix/, exitCode: 64 };
    t.match(await selvedgeWith(wrong, command, '--etcd-prefix', '//'), typed, command);
  }
});

t.test('no agent is 2', async t => {
  const { out, err, exitCode } = await selvedge('status', '--socket', '/nonexistent/net.sock');
  t.same([out, exitCode], ['', 2]);
  t.match(err, 'the agent does not run');
});

t.test('ping without an agent says so in lines, as status does', async t => {
  const { err, exitCode } = await selvedge('ping', '--all', '--socket', '/nonexistent/net.sock');
  t.equal(exitCode, 2);
  t.match(err, /^selvedge ping: .*\n {2}cause {2}.*\n {2}next {3}/);
});

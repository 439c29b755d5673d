import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AgentUnreachableError, findSocket, readStatus } from '../../../src/cli/agent-client.js';
import { statusCommand } from '../../../src/cli/status.js';
import { openControlSocket } from '../../../src/daemon/control-socket.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus, peer } from '../daemon/example-status.js';

function runDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function serve(t: Test, path: string, document: StatusDocument): Promise<void> {
  const socket = await openControlSocket({ path, status: () => document, onError: () => undefined });
  t.teardown(async () => socket.close());
}

async function status(t: Test, ...words: string[]) {
  const stdout = t.capture(process.stdout, 'write', () => true);
  const stderr = t.capture(process.stderr, 'write', () => true);
  await statusCommand().parseAsync(words, { from: 'user' });
  const text = (results: typeof stdout) =>
    results()
      .map(({ args }) => String(args[0]))
      .join('');
  const result = { out: text(stdout), err: text(stderr), exitCode: process.exitCode };
  stdout.restore();
  stderr.restore();
  process.exitCode = 0;
  return result;
}

t.test('the verdict is the exit code', async t => {
  const directory = runDirectory(t);
  await serve(t, join(directory, 'net.sock'), healthyStatus);
  const healthy = await status(t, '--run-dir', directory);
  t.match(healthy, { err: '', exitCode: 0 });
  t.match(healthy.out, /^healthy: 2\/2 peers programmed/);
  const json = await status(t, '-o', 'json', '--run-dir', directory, '--instance', 'net');
  t.same(JSON.parse(json.out), healthyStatus);
  for (const verdict of ['degraded', 'starting'] as const) {
    const path = join(directory, `${verdict}.sock`);
    await serve(t, path, { ...healthyStatus, verdict });
    t.match(await status(t, '--socket', path), { err: '', exitCode: 1 });
  }
});

t.test(
  'what came from etcd does nothing to a terminal, as JSON neither, and reads back as it is',
  async t => {
    const path = join(runDirectory(t), 'net.sock');
    const [first, ...others] = healthyStatus.peers;
    // C0, DEL, C1 (0x9b begins a control sequence as ESC [ does), a mark of direction.
    const error = '\x1b[2J \x7f \x80 \x9b31m \x9f \u202e end';
    const document = { ...healthyStatus, peers: [{ ...first!, error }, ...others] };
    await serve(t, path, document);
    const { out } = await status(t, '-o', 'json', '--socket', path);
    t.match(out, '"\\u001b[2J \\u007f \\u0080 \\u009b31m \\u009f \\u202e end"');
    t.same(JSON.parse(out), document);
  },
);

t.test('no agent', async t => {
  const directory = runDirectory(t);
  t.match(await status(t, '--run-dir', directory), {
    out: '',
    err: [
      `selvedge status: no agent's socket in ${directory}`,
      '  cause  no agent runs on this host, or it has another --run-dir',
      '  next   systemctl status selvedge\n',
    ].join('\n'),
    exitCode: 2,
  });
  await t.rejects(findSocket(join(directory, 'none'), undefined), AgentUnreachableError);
  await t.rejects(readStatus(join(directory, 'none.sock')), { message: /ENOENT[^]*the agent does not run/ });
});

t.test('several agents are named', async t => {
  const directory = runDirectory(t);
  await serve(t, join(directory, 'net.sock'), healthyStatus);
  await writeFile(join(directory, 'net.lock'), '');
  t.equal(await findSocket(directory, undefined), join(directory, 'net.sock'), 'other files do not count');
  await serve(t, join(directory, 'blue.sock'), healthyStatus);
  const { err, exitCode } = await status(t, '--run-dir', directory);
  t.equal(exitCode, 2);
  t.match(err, `several agents in ${directory}: blue, net\n`);
  t.match(err, 'next   selvedge status --instance blue\n');
});

t.test('answers that are no status', async t => {
  const directory = runDirectory(t);
  const table: readonly (readonly [body: string | undefined, code: number, message: RegExp])[] = [
    ['{"version":2}', 200, /is no status of version 1/],
    ['null', 200, /is no status of version 1/],
    ['not json', 200, /is no status of version 1/],
    ['{"error":"broken"}', 500, /it answered 500: \{"error":"broken"\}/],
    [undefined, 200, /nothing for 5 s/],
  ];
  for (const [index, [body, code, message]] of table.entries()) {
    const path = join(directory, `${index}.sock`);
    const server = createServer((_, response) => {
      response.statusCode = code;
      if (body === undefined) response.write('{');
      else response.end(body);
    });
    await new Promise<void>(resolve => server.listen(path, resolve));
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    await t.rejects(readStatus(path), { name: 'AgentUnreachableError', message });
  }
});

t.test('a socket of a group that we are not in', async t => {
  const directory = runDirectory(t);
  const path = join(directory, 'net.sock');
  await serve(t, path, healthyStatus);
  await chmod(directory, 0o755);
  await chmod(path, 0);
  // Root may do everything: for this moment we are nobody (its number is the same on all Linux hosts).
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await t.rejects(readStatus(path), {
      message: /EACCES[^]*not in the socket's group[^]*sudo selvedge status/,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

t.test('wide', async t => {
  const directory = runDirectory(t);
  await serve(t, join(directory, 'net.sock'), healthyStatus);
  const { out, exitCode } = await status(t, '-o', 'wide', '--run-dir', directory);
  t.match(out, /^NODE .* SEEN .*HOST LOSS +SINCE$/m);
  t.equal(exitCode, 0);
});

t.test('ten thousand peers: the first of them, trouble before all, and how the others are', async t => {
  const path = join(runDirectory(t), 'net.sock');
  const subnetOf = (i: number) => `10.${i >> 8}.${i & 255}.0/24`;
  const peers = Array.from({ length: 10_000 }, (_, i) =>
    peer(i, { subnet: subnetOf(i), ...(i % 1_000 === 999 && { state: 'pending' }) }),
  );
  await serve(t, path, { ...healthyStatus, verdict: 'degraded', peers });
  const rowsOf = (out: string) => out.split('\n').filter(line => line.startsWith('node'));
  const cut = await status(t, '--socket', path);
  t.match(cut, { err: '', exitCode: 1, out: /^degraded: 9990\/10000 peers programmed/ });
  t.equal(rowsOf(cut.out).length, 20);
  t.strictSame(
    rowsOf(cut.out).map(row => row.endsWith(' pending')),
    Array.from({ length: 20 }, (_, i) => i < 10),
  );
  t.match(cut.out, /^node999 +10\.3\.231\.0\/24 +192\.0\.2\.999 +vxlan +pending\n/m);
  t.match(cut.out, '\n… and 9980 healthy (use --all)\n');
  const { out } = await status(t, '--all', '--socket', path);
  t.equal(new Set(rowsOf(out)).size, 10_000, 'each once');
  t.notMatch(out, '--all');
  const wide = await status(t, '-o', 'wide', '--socket', path);
  t.equal(rowsOf(wide.out).length, 10_000);
  const json = await status(t, '-o', 'json', '--socket', path);
  t.same((JSON.parse(json.out) as StatusDocument).peers, peers);
});

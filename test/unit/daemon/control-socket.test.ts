import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, stat, writeFile } from 'node:fs/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openControlSocket, type ControlSocket } from '../../../src/daemon/control-socket.js';
import { instanceOfSocket, socketPathOf } from '../../../src/daemon/socket-path.js';
import type { StatusDocument } from '../../../src/daemon/status.js';
import { healthyStatus } from './example-status.js';

/** Under the short temporary directory: a socket's path has at most 107 bytes. */
function socketPath(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'selvedge-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'run', 'net.sock');
}

interface Served {
  readonly path: string;
  readonly socket: ControlSocket;
  readonly errors: Error[];
}

async function serve(t: Test, status: () => StatusDocument = () => healthyStatus): Promise<Served> {
  const path = socketPath(t);
  const errors: Error[] = [];
  const socket = await openControlSocket({ path, status, onError: error => errors.push(error) });
  t.teardown(async () => socket.close());
  return { path, socket, errors };
}

async function ask(socketPath: string, path: string, method = 'GET') {
  const call = request({ socketPath, path, method, agent: false });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { code: response.statusCode, headers: response.headers, body: JSON.parse(text) as unknown };
}

async function open(path: string): Promise<Socket> {
  const client = connect(path);
  client.on('error', () => undefined);
  await once(client, 'connect');
  return client;
}

t.test('GET /status gives the document, anything else is named', async t => {
  const { path } = await serve(t);
  t.match(await ask(path, '/status'), {
    code: 200,
    headers: { 'content-type': 'application/json' },
    body: healthyStatus,
  });
  t.match(await ask(path, '/status?pretty=1'), { code: 200 });
  t.match(await ask(path, '/'), { code: 404, body: { error: 'unknown path; there is /status' } });
  t.match(await ask(path, '/status/x'), { code: 404 });
  t.match(await ask(path, '/status', 'POST'), { code: 405, headers: { allow: 'GET, HEAD' } });
  t.match(await ask(path, '/status', 'DELETE'), { code: 405 });
});

t.test('the socket is for its user and group', async t => {
  const { path } = await serve(t);
  t.equal(((await stat(path)).mode & 0o777).toString(8), '660');
});

t.test('a status that cannot be made is an answer and an error, and no end', async t => {
  let broken = true;
  const { path, errors } = await serve(t, () => {
    if (broken) throw new Error('no status');
    return healthyStatus;
  });
  t.match(await ask(path, '/status'), { code: 500 });
  t.match(errors, [{ message: 'no status' }]);
  broken = false;
  t.match(await ask(path, '/status'), { code: 200 });
});

t.test('a second agent is told of the first, which goes on', async t => {
  const { path } = await serve(t);
  const options = { path, status: () => healthyStatus, onError: () => undefined };
  await t.rejects(openControlSocket(options), {
    name: 'OperatorError',
    message: `another agent answers at ${path}: stop it, or give this one another --instance or --run-dir`,
  });
  t.match(await ask(path, '/status'), { code: 200 });
});

t.test('the socket of a dead agent is replaced', async t => {
  const { path, socket } = await serve(t);
  await socket.close();
  const listenAndDie =
    "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))";
  const dead = spawn(process.execPath, ['-e', listenAndDie, path]);
  await once(dead, 'exit');
  await t.rejects(open(path), { code: 'ECONNREFUSED' });
  const again = await openControlSocket({ path, status: () => healthyStatus, onError: () => undefined });
  t.teardown(async () => again.close());
  t.match(await ask(path, '/status'), { code: 200 });
});

t.test('what is no socket is left alone and named', async t => {
  const { path, socket } = await serve(t);
  await socket.close();
  await writeFile(path, 'precious');
  const options = { path, status: () => healthyStatus, onError: () => undefined };
  await t.rejects(openControlSocket(options), {
    name: 'OperatorError',
    message: `${path} is in the way: it is not a socket; remove it`,
  });
  await t.rejects(openControlSocket({ ...options, path: join(path, 'x.sock') }), {
    name: 'OperatorError',
    message: /^cannot open the control socket .*: E(NOTDIR|EXIST)/,
  });
});

t.test('closing drops clients, removes the file and leaves nothing open', async t => {
  const { path, socket } = await serve(t);
  const client = await open(path);
  client.write('GET /sta');
  t.match(await ask(path, '/status'), { code: 200 }, 'so the half request has arrived too');
  const start = Date.now();
  await Promise.all([socket.close(), once(client.resume(), 'close')]);
  // Which would be given up after 6 s.
  t.ok(Date.now() - start < 5_000, 'without waiting for the end of the request');
  await t.rejects(access(path), { code: 'ENOENT' });
  await t.resolves(socket.close(), 'again is no fault');
});

t.test('clients that send garbage, nothing, or too much do no harm', async t => {
  const { path } = await serve(t);
  const silent = await open(path);
  const garbage = await open(path);
  garbage.end(Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 31) % 256)));
  const long = await open(path);
  long.write(`GET /status HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`);
  const half = await open(path);
  half.write('GET /sta');
  await Promise.all([garbage, long].map(async client => once(client.resume(), 'close')));
  t.match(await ask(path, '/status'), { code: 200 }, 'while others are still hanging');
  await Promise.all([half, silent].map(async client => once(client.resume(), 'close')));
  t.match(await ask(path, '/status'), { code: 200 });
});

t.test('a client that never reads a long answer is dropped', async t => {
  const note = 'x'.repeat(4 * 1024 * 1024);
  const { path } = await serve(t, () => ({
    ...healthyStatus,
    config: { ...healthyStatus.config, notes: [note] },
  }));
  const client = await open(path);
  client.pause();
  client.write('GET /status HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match(await ask(path, '/status'), { code: 200 });
  // A reader would see the end only behind the answer; a writer is told at once.
  const dropped = once(client, 'error').catch((error: unknown) => error);
  const writer = setInterval(() => client.write('x'), 50);
  t.teardown(() => clearInterval(writer));
  t.match(await dropped, [{ code: /EPIPE|ECONNRESET/ }]);
});

t.test('no more clients than places, and places are given back', async t => {
  const { path } = await serve(t);
  const clients = await Promise.all(Array.from({ length: 32 }, async () => open(path)));
  await t.rejects(ask(path, '/status'), { code: 'ECONNRESET' });
  await Promise.all(clients.map(async client => once(client.resume(), 'close')));
  t.match(await ask(path, '/status'), { code: 200 });
});

t.test('names of sockets', async t => {
  t.equal(socketPathOf('/run/selvedge', 'net'), '/run/selvedge/net.sock');
  t.equal(instanceOfSocket('net.sock'), 'net');
  t.equal(instanceOfSocket('net.lock'), undefined);
});

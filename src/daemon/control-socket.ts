/**
 * The control socket: HTTP over a unix socket, by which commands and monitoring ask the agent. Effects.
 *
 * Reading needs no root, only the socket's group. Whatever a client does, it costs the agent one of a few connections
 * for a few seconds.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { messageOf, OperatorError } from './operator-error.js';
import type { StatusDocument } from './status.js';

const SOCKET_MODE = 0o660;
const MOST_CONNECTIONS = 32;
/** A connection's whole life. Commands give up after two seconds; one that hangs must not keep its place. */
const CONNECTION_LIMIT_MS = 3_000;

export interface ControlSocketOptions {
  readonly path: string;
  /** Called for each request. */
  readonly status: () => StatusDocument;
  /** Told of faults that concern no single client, such as no free file descriptors. */
  readonly onError: (error: Error) => void;
}

export interface ControlSocket {
  /** Stops serving, drops the clients and removes the socket's file. */
  close(): Promise<void>;
}

/**
 * Opens the socket, after removing the file of an agent that is dead.
 * @throws OperatorError when an agent answers there, or the path is something else or not writable
 */
export async function openControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const { path } = options;
  try {
    await mkdir(dirname(path), { recursive: true });
    await removeStale(path);
    const server = createStatusServer(options);
    await listen(server, path);
    server.on('error', options.onError);
    await chmod(path, SOCKET_MODE).catch(async (error: unknown) => {
      await close(server);
      throw error;
    });
    return { close: () => close(server) };
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(`cannot open the control socket ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreMissing);
  if (found === undefined) return;
  if (!found.isSocket()) throw new OperatorError(`${path} is in the way: it is not a socket; remove it`);
  if (await isAnswered(path)) {
    throw new OperatorError(
      `another agent answers at ${path}: stop it, or give this one another --instance or --run-dir`,
    );
  }
  await unlink(path).catch(ignoreMissing);
}

/** Whether a process listens. Only a refusal proves that none does: a busy one has a full queue (EAGAIN). */
async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EAGAIN') resolve(true);
      else if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

function createStatusServer({ status, onError }: ControlSocketOptions): Server {
  const server = createServer((request, response) => {
    try {
      answer(request, response, status);
    } catch (error) {
      onError(error as Error);
      if (!response.headersSent) send(response, 500, { error: 'the status could not be made; see the log' });
    }
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connection', connection => {
    const limit = setTimeout(() => connection.destroy(), CONNECTION_LIMIT_MS).unref();
    connection.once('close', () => clearTimeout(limit));
  });
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse, status: () => StatusDocument): void {
  const path = request.url?.split('?', 1)[0];
  if (path !== '/status') {
    send(response, 404, { error: 'unknown path; there is /status' });
  } else if (request.method !== 'GET') {
    response.setHeader('Allow', 'GET');
    send(response, 405, { error: 'only GET' });
  } else {
    send(response, 200, status());
  }
}

function send(response: ServerResponse, code: number, body: object): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(code, {
    'Content-Type': 'application/json',
    'Content-Length': text.length,
    Connection: 'close',
  });
  response.end(text);
}

async function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function close(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/**
 * A small HTTP server for those who only read: commands, monitoring, probes. Effects.
 *
 * Whatever a client does, it costs the agent one of a few connections for a few seconds.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';

const MOST_CONNECTIONS = 32;
/** A connection’s whole life, longer than commands wait: one that hangs must not keep its place. */
const CONNECTION_LIMIT_MS = 6_000;

/** What a path answers. */
export interface Answer {
  readonly code: number;
  /** Content-Type. */
  readonly type: string;
  readonly body: string | Buffer;
  /** More than those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that nobody else has the bytes of. */
export interface TextAnswer extends Answer {
  readonly body: string;
}

/** What is served: a function for each path, called for each request. */
export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** @param onError told of answers that could not be made */
export function createReadServer(routes: Routes, onError: (error: Error) => void): Server {
  const server = createServer((request, response) => {
    answer(request, response, routes).catch((error: unknown) => {
      onError(error as Error);
      if (!response.headersSent) {
        send(request, response, jsonAnswer(500, { error: 'the answer could not be made; see the log' }));
      }
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connection', connection => {
    const limit = setTimeout(() => connection.destroy(), CONNECTION_LIMIT_MS).unref();
    connection.once('close', () => clearTimeout(limit));
  });
  return server;
}

export function jsonAnswer(code: number, body: object): TextAnswer {
  return { code, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}

export function textAnswer(code: number, body: string): TextAnswer {
  return { code, type: 'text/plain; charset=utf-8', body };
}

async function answer(request: IncomingMessage, response: ServerResponse, routes: Routes): Promise<void> {
  const path = request.url?.split('?', 1)[0] ?? '';
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) {
    const paths = Object.keys(routes).join(', ');
    send(request, response, jsonAnswer(404, { error: `unknown path; there is ${paths}` }));
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(request, response, jsonAnswer(405, { error: 'only GET and HEAD' }));
  } else {
    send(request, response, await route());
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { code, type, body, headers }: Answer,
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(code, {
    ...headers,
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

/** @throws Error of the system when the address cannot be had */
export async function listen(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Stops serving and drops the clients. */
export async function close(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
